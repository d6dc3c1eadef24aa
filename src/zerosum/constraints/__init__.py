"""Constraints: what is done to a network after each of its updates (``Game.project``), and the layers that needs."""

from __future__ import annotations

from torch import Tensor

from zerosum.constraints.clip import clip
from zerosum.constraints.spectral_norm import SpectralNorm, power_iteration, spectral_norm
from zerosum.core.game import Projection

__all__ = ["SpectralNorm", "chain", "clip", "power_iteration", "spectral_norm"]


def chain(*constraints: Projection) -> Projection:
    """Several constraints as one, applied from the first to the last."""

    def project(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        for constraint in constraints:
            weights, buffers = constraint(weights, buffers)
        return weights, buffers

    return project
