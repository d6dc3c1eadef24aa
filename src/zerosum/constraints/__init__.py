"""Constraints: what is done to a network after each of its updates (``Game.project``), and the layers that needs.

In a loop of one's own :func:`enforce` applies them to a module.
"""

from zerosum.constraints.clipping import clip
from zerosum.constraints.plain import enforce
from zerosum.constraints.spectral import SpectralNorm, power_iteration, spectral_norm

__all__ = ["SpectralNorm", "clip", "enforce", "power_iteration", "spectral_norm"]


def __dir__() -> list[str]:
    return __all__
