"""Distributions in the plane whose truth is known: samples without limit."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.data.ask import Ask
from zerosum.data.base import Data, check_batch
from zerosum.data.sources import Source

SOURCES = (
    Source("ring", "8 Gaussians on a circle, in the plane", place=120, images=False),
    Source("grid", "25 Gaussians on a grid, in the plane", place=130, images=False),
    Source("swiss-roll", "a noisy spiral, in the plane", place=140, images=False),
)

PointSampler = Callable[[int, torch.Generator], Tensor]  # (n, rng) -> (n, 2)

GRID_SCALE = 2.828  # divisor of the 25-Gaussian grid in the WGAN-GP toy (about the standard deviation of its centres)
ROLL_SCALE, ROLL_NOISE = 7.5, 0.25  # divisor and noise of the Swiss roll there; the noise is added before dividing


@dataclass(frozen=True, eq=False)
class Points(Data):
    """Points in the plane, drawn without limit.

    Attributes:
        draw: Function ``(n, rng) -> (n, 2)``, float32 on the CPU: one sample of size n.
        modes: Centres of the Gaussians, float32 ``(M, 2)``; ``(0, 2)`` where the density has no separate modes.
        std: Their common standard deviation, in the units of the points; ``None`` where there are no modes.
    """

    draw: PointSampler = field(repr=False)
    modes: Tensor = field(repr=False)
    std: float | None

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, None]:
        """Batch ``k``: ``(x, None)``, x float32 ``(size, 2)``; a function of (seed, rank, k) only, on every device."""
        check_batch(k, size, rank, world)
        return self.draw(size, generator(seed, "points", rank, k)).to(device), None


def load_ring(ask: Ask) -> Points:
    """See :func:`ring`."""
    return ring(ask.source)


def load_grid(ask: Ask) -> Points:
    """See :func:`grid`."""
    return grid(ask.source)


def load_swiss_roll(ask: Ask) -> Points:
    """See :func:`swiss_roll`."""
    return swiss_roll(ask.source)


def mixture(name: str, modes: Tensor, std: float) -> Points:
    """Equal mixture of isotropic Gaussians of standard deviation ``std`` at ``modes`` ``(M, 2)``."""

    def draw(n: int, rng: torch.Generator) -> Tensor:
        which = torch.randint(len(modes), (n,), generator=rng)
        return modes[which] + std * torch.randn(n, 2, generator=rng)

    return _points(name, draw, modes, std)


def ring(name: str = "ring") -> Points:
    """Eight Gaussians on a circle of radius 2 with standard deviation 0.02.

    Source: radius and deviation are those usually quoted for Metz et al. 2017 (Unrolled GAN, arXiv:1611.02163) and
    those of the ``8gaussians`` toy of the WGAN-GP code (Gulrajani et al. 2017), before its division by 1.414. The
    Unrolled GAN authors' notebook uses radius 1, deviation 0.01 and ``linspace(0, 2 pi, 8)``, whose two ends coincide:
    seven modes, one twice as heavy. Here the eight angles are 2 pi j / 8, all distinct.
    """
    angles = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    return mixture(name, (2 * torch.stack([angles.cos(), angles.sin()], 1)).float(), 0.02)


def grid(name: str = "grid") -> Points:
    """Twenty-five Gaussians at 2 {-2..2}^2 with standard deviation 0.05, everything divided by 2.828.

    Source: the ``25gaussians`` toy of the WGAN-GP code (Gulrajani et al. 2017, arXiv:1704.00028).
    """
    axis = 2 * torch.arange(-2, 3, dtype=torch.float64)
    return mixture(name, (torch.cartesian_prod(axis, axis) / GRID_SCALE).float(), 0.05 / GRID_SCALE)


def roll(t: Tensor) -> Tensor:
    """The spiral itself, (t cos t, t sin t) / 7.5: ``(n,)`` -> ``(n, 2)``, for t in [1.5 pi, 4.5 pi]."""
    return torch.stack([t * t.cos(), t * t.sin()], -1) / ROLL_SCALE


def swiss_roll(name: str = "swiss-roll") -> Points:
    """The Swiss roll: t uniform in [1.5 pi, 4.5 pi], (t cos t, t sin t) + N(0, 0.25^2), divided by 7.5.

    Source: the ``swissroll`` toy of the WGAN-GP code (Gulrajani et al. 2017): the first and third coordinate
    of scikit-learn's ``make_swiss_roll`` with noise 0.25.
    """

    def draw(n: int, rng: torch.Generator) -> Tensor:
        t = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=rng))
        return roll(t) + ROLL_NOISE / ROLL_SCALE * torch.randn(n, 2, generator=rng)

    return _points(name, draw, torch.empty(0, 2), None)


def resampled(name: str, points: Tensor, notes: tuple[str, ...] = ()) -> Points:
    """Points drawn with replacement from given ones, float32 ``(N, 2)``; there are no modes."""
    content = hashlib.sha256(repr(("points", tuple(points.shape))).encode())
    content.update(points.numpy().astype("<f4").tobytes())
    return Points(
        name=name,
        shape=(2,),
        classes=(),
        count=None,
        fingerprint=content.hexdigest(),
        notes=notes,
        draw=partial(_draw_again, points),
        modes=torch.empty(0, 2),
        std=None,
    )


def _draw_again(points: Tensor, n: int, rng: torch.Generator) -> Tensor:
    return points[torch.randint(len(points), (n,), generator=rng)]


def _points(name: str, draw: PointSampler, modes: Tensor, std: float | None) -> Points:
    # The content of an unlimited source is its law: name, version of the formula, and the parameters.
    law = repr((name, 1, [[f"{v:.6f}" for v in mode] for mode in modes.tolist()], std))
    return Points(
        name=name,
        shape=(2,),
        classes=(),
        count=None,
        fingerprint=hashlib.sha256(law.encode()).hexdigest(),
        notes=(),
        draw=draw,
        modes=modes,
        std=std,
    )
