"""Layer normalisation as WGAN-GP's critics use it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """Ba et al. 2016 (arXiv:1607.06450) over a whole sample, gain and bias per channel, as in WGAN-GP's published code.

    y[b, c, h, w] = weight[c] (x[b, c, h, w] - mean_b) / sqrt(var_b + eps) + bias[c], where mean_b and the biased
    variance var_b are over all of sample b. Shapes: (B, C, H, W) or (B, C), kept.

    Args:
        features: Number of channels, C.
        eps: Number that is added to the variance.
    """

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        if features < 1 or eps <= 0:
            raise ValueError(f"features={features}, eps={eps}: features must be at least 1 and eps above 0")
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) or (B, C), kept, with each sample normalised."""
        return F.group_norm(x, 1, self.weight, self.bias, self.eps)
