"""Constraints: what is done to a network after each of its updates (``Game.project``), and the layers that needs."""

from zerosum.constraints.clipping import clip
from zerosum.constraints.spectral import SpectralNorm, power_iteration, spectral_norm

__all__ = ["SpectralNorm", "clip", "power_iteration", "spectral_norm"]
