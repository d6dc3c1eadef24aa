"""Minibatch discrimination: features of a sample that say how near the others of its batch are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zerosum.precision import wide


class MinibatchDiscrimination(nn.Module):
    """Section 3.2, Salimans et al. 2016 (arXiv:1606.03498): o(x_i)_b = sum_{j != i} exp(-|M_ib - M_jb|_1), M_i = f_i T.

    Shapes: f (B, inputs) -> (B, inputs + kernels), f followed by o(x). Each o is in [0, B - 1]: B - 1 where all samples
    are alike, 0 where they are far apart. It is computed in float32; the differences take ``4 kernels dims B^2`` bytes
    and are kept for the derivative: 8 MB at B = 64, 131 MB at B = 256.

    Real and generated samples belong in batches of their own: the critic is called once for each.

    Args:
        inputs: Number of features, A.
        kernels: Number of added features, B in the paper; 100 in the authors' code for CIFAR-10.
        dims: Length of each M_ib, C in the paper; 5 in the authors' code for CIFAR-10, 50 in the paper's for ImageNet.
    """

    def __init__(self, inputs: int, kernels: int = 100, dims: int = 5) -> None:
        super().__init__()
        if min(inputs, kernels, dims) < 1:
            raise ValueError(f"inputs={inputs}, kernels={kernels}, dims={dims}: each must be at least 1")
        # Directions of length about 1: M is then as wide as f, and neighbours are seen at once.
        self.weight = nn.Parameter(torch.randn(inputs, kernels, dims) / math.sqrt(inputs))

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs) -> (B, inputs + kernels)."""
        return torch.cat([features, self.nearness(features).to(features.dtype)], 1)

    def nearness(self, features: Tensor) -> Tensor:
        """o(x): (B, inputs) -> (B, kernels)."""
        with torch.autocast(features.device.type, enabled=False):
            m = torch.einsum("ba,akc->bkc", wide(features), self.weight)
            near = torch.exp(-(m[:, None] - m[None]).abs().sum(3))  # (B, B, kernels)
            others = 1 - torch.eye(m.shape[0], dtype=m.dtype, device=m.device)
            return torch.einsum("ijk,ij->ik", near, others)
