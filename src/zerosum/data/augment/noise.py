"""Instance noise: Gaussian noise on all that the critic sees, which fades away during training.

Sonderby et al. 2016, arXiv:1610.04490, and Arjovsky and Bottou 2017, arXiv:1701.04862. A recipe counts iterations in
its game's memory, and asks a schedule how strong the noise is::

    strength = annealed(0.1, 10_000)
    def d_loss(n, b, m): ... n.D(instance_noise(b.x, b.noise, strength(m["t"]))) ...
    Game(..., memory={"t": torch.zeros((), dtype=torch.int64)}, remember=count)
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from zerosum.core.game import Memory, Said


def instance_noise(x: Tensor, noise: Tensor, std: Tensor | float) -> Tensor:
    """Section 3, Arjovsky and Bottou 2017 (arXiv:1701.04862): x + std noise, noise ~ N(0, I) of x's shape.

    With the same ``std`` on real and generated samples both distributions have densities and overlap.

    Raises:
        ValueError: The noise is not of x's shape.
    """
    if noise.shape != x.shape:
        raise ValueError(
            f"noise has shape {tuple(noise.shape)}, but the samples have {tuple(x.shape)}: they must agree"
        )
    return x + std * noise


def annealed(std: float, steps: int) -> Callable[[Tensor], Tensor]:
    """Iterations made so far, a scalar -> ``std`` at 0, in a straight line to 0 at ``steps``, and 0 from there on.

    Raises:
        ValueError: ``std`` is negative, or ``steps`` below 1.
    """
    if std < 0 or steps < 1:
        raise ValueError(f"annealed needs std >= 0 and steps >= 1, got std={std}, steps={steps}")
    return lambda t: std * (1 - t / steps).clamp(0, 1)


def count(memory: Memory, said: Said) -> Memory:
    """``Game.remember`` that counts iterations in ``memory["t"]``."""
    return memory | {"t": memory["t"] + 1}
