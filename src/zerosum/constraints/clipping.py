"""Weight clipping."""

from __future__ import annotations

import torch
from torch import Tensor

from zerosum.core.game import Projection


def clip(c: float) -> Projection:
    """Algorithm 1, line 7, Arjovsky et al. 2017 (arXiv:1701.07875): w <- clip(w, -c, c), every weight of the network.

    Args:
        c: Half the width of the box in which the weights are kept, above 0 (the paper's is 0.01).

    Returns:
        ``(weights, buffers) -> (clipped weights, buffers)``, for ``Game.project``.
    """
    if not c > 0:
        raise ValueError(f"c={c}: must be above 0 (the paper clips at 0.01)")

    def project(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        clipped = torch._foreach_clamp_max(torch._foreach_clamp_min(list(weights.values()), -c), c)
        return dict(zip(weights, clipped, strict=True)), buffers

    return project
