"""Walks between two latents: straight (``lerp``) and along the sphere (``slerp``), and which of them suits a prior."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from zerosum.latent.priors import Coded, Law, Noise
from zerosum.latent.truncation import Draw, Truncated, latent_of

BLOCKS, BLOCK = 16, 64  # draws, and latents in each, that are looked at where a prior does not say what its law is
PARALLEL = 1e-6  # sine of the angle below which two directions span no plane to turn in


def lerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Linear interpolation, ``(1 - t) a + t b``.

    Halfway between two independent normal latents the length is about 0.7 of theirs: rarer than any the generator was
    trained on, where ``slerp`` keeps it.

    Args:
        a: Beginning of the walk, ``(..., d)``.
        b: End of the walk, ``(..., d)``.
        t: Share of the way, 0 to 1; a tensor broadcasts against ``a`` and ``b``, so ``(n, 1)`` makes n points between
            two of ``(d,)``.
    """
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Spherical linear interpolation, ``sin((1 - t) W) / sin W a + sin(t W) / sin W b``, W the angle between them.

    Source: Shoemake 1985, "Animating rotation with quaternion curves", Section 3.3, for unit vectors; proposed for
    latents by White 2016, arXiv:1609.04468. Here the formula turns the direction, and the length goes linearly from
    ``|a|`` to ``|b|``: vectors of equal length keep it, parallel ones give ``lerp``. (With the vectors themselves in
    the formula, unequal lengths would blow up as W approaches pi.) Opposite vectors turn in a fixed plane, where the
    formula leaves it open; a zero vector takes the direction of the other one.

    Args:
        a: Beginning of the walk, ``(..., d)``.
        b: End of the walk, ``(..., d)``.
        t: Share of the way, 0 to 1; a tensor broadcasts against ``a`` and ``b``, so ``(n, 1)`` makes n points between
            two of ``(d,)``.
    """
    if a.shape[-1] < 2 or b.shape[-1] < 2:
        return lerp(a, b, t)  # on a line there is nowhere to turn
    length_a, length_b = (torch.linalg.vector_norm(v, dim=-1, keepdim=True) for v in (a, b))
    u = _direction(torch.where(length_a > 0, a, b))
    v = _direction(torch.where(length_b > 0, b, a))
    # sin((1 - t) W) / sin W u + sin(t W) / sin W v = cos(t W) u + sin(t W) w, with w the direction of v across u:
    # the same points, without a division by sin W.
    cosine = (u * v).sum(-1, keepdim=True)
    across = v - cosine * u
    sine = torch.linalg.vector_norm(across, dim=-1, keepdim=True)
    w = torch.where(sine > PARALLEL, _orthogonal(_direction(across), u), _orthogonal(_furthest_axis(u), u))
    angle = t * torch.atan2(sine, cosine)
    return lerp(length_a, length_b, t) * (angle.cos() * u + angle.sin() * w)


def _direction(v: Tensor) -> Tensor:
    """``v`` with length 1, or 0 where it is 0."""
    length = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return v / torch.where(length > 0, length, 1)


def _orthogonal(v: Tensor, u: Tensor) -> Tensor:
    """The direction of ``v`` across the direction ``u``; a second time, it removes what rounding left along ``u``."""
    return _direction(v - (v * u).sum(-1, keepdim=True) * u)


def _furthest_axis(u: Tensor) -> Tensor:
    """The unit vector of the coordinate in which ``u`` is smallest."""
    return torch.zeros_like(u).scatter_(-1, u.abs().argmin(-1, keepdim=True), 1.0)


class Way(NamedTuple):
    """A way between latents.

    Attributes:
        name: Its name.
        between: Function of both ends and the share of the way, such as :func:`lerp`.
    """

    name: Literal["lerp", "slerp"]
    between: Callable[[Tensor, Tensor, float | Tensor], Tensor]


WAYS = {"lerp": Way("lerp", lerp), "slerp": Way("slerp", slerp)}


def way_for(prior: Draw, device: torch.device | str = "cpu") -> Way:
    """The way that stays where a prior has its latents: straight for uniform ones, on a sphere for normal ones.

    A cube is convex, so a straight line stays in it, while ``slerp`` leaves it: halfway between two of U[-1, 1)^d, d
    large, (2 - sqrt 2)^2 / 4 = 8.6% of the components are beyond 1. Truncated noise takes the way of its law.

    Args:
        prior: Function ``(n, rng) ->`` latents ``(n, d)``, or a tuple that begins with them.
        device: Device on which it draws, where it does not say what its law is.
    """
    return WAYS["lerp" if law_of(prior, device) == "uniform" else "slerp"]


def law_of(prior: Draw, device: torch.device | str = "cpu") -> Law:
    """The law of a prior's noise; of a prior that does not say it, uniform if all of many samples are in [-1, 1]."""
    latent = latent_of(prior)
    if isinstance(latent, Noise | Coded):
        return latent.law
    rng = torch.Generator(device).manual_seed(0)
    drawn = (latent(BLOCK, rng) for _ in range(BLOCKS))  # no more at once than samples are drawn from
    largest = max(float((z[0] if isinstance(z, tuple) else z).abs().max()) for z in drawn)
    return "uniform" if largest <= 1 else "normal"


def bound_of(prior: Draw, device: torch.device | str = "cpu") -> float | None:
    """Size that no component of a prior's latents exceeds; ``None`` where there is no such bound."""
    if not isinstance(prior, Truncated):
        return 1.0 if law_of(prior, device) == "uniform" else None
    whole = bound_of(prior.prior, device)
    noise = prior.threshold if whole is None else min(prior.threshold, whole)
    return max(noise, 1.0) if isinstance(latent_of(prior), Coded) else noise  # codes are not truncated
