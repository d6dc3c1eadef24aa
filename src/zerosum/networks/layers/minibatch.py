"""Minibatch discrimination: features of a sample that say how near the others of its batch are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zerosum.precision import wide

NEAREST = 2.0  # mean distance to the nearest other sample, once a kernel is calibrated


class MinibatchDiscrimination(nn.Module):
    """Section 3.2, Salimans et al. 2016 (arXiv:1606.03498): o(x_i)_b = sum_{j != i} exp(-|M_ib - M_jb|_1), M_i = f_i T.

    Shapes: f (B, inputs) -> (B, inputs + kernels), f followed by o(x). It is computed in float32; the differences take
    ``4 kernels dims B^2`` bytes and are kept for the derivative: 8 MB at B = 64, 131 MB at B = 256.

    As in the authors' code (``MinibatchLayer`` of openai/improved-gan), each kernel b has a bias, which is added to
    o(x)_b, and each column of T a length of its own: T_bc = exp(log_scale_bc) weight_bc / |weight_bc|. All three are
    trained. They begin as there, at N(0, 0.05^2), 0 and -1; :meth:`calibrate` then sets scales and biases from a batch,
    without which o(x) may be near B - 1 or near 0 for all samples.

    It compares the samples of one call, so that on parts of a batch (of several processes, or where gradients are
    accumulated) each sample is compared with those of its part. Where ``batch`` is given, the sum over the others of a
    part stands for the sum over the others of a batch: it is multiplied by (batch - 1) / (B - 1).

    Real and generated samples belong in batches of their own: the critic is called once for each.

    Args:
        inputs: Number of features, A.
        kernels: Number of added features, B in the paper; 100 in the authors' code for CIFAR-10.
        dims: Length of each M_ib, C in the paper; 5 in the authors' code for CIFAR-10, 50 in the paper's for ImageNet.
        scaled: Whether there are scales and biases. False: the paper's formula, with weights N(0, 1 / inputs) as T.
        batch: Number of samples in a batch. None: a batch is what the layer is called with.
    """

    def __init__(
        self, inputs: int, kernels: int = 100, dims: int = 5, *, scaled: bool = True, batch: int | None = None
    ) -> None:
        super().__init__()
        if min(inputs, kernels, dims) < 1:
            raise ValueError(f"inputs={inputs}, kernels={kernels}, dims={dims}: each must be at least 1")
        self.batch = batch
        std = 0.05 if scaled else 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.randn(inputs, kernels, dims) * std)
        self.log_scale = nn.Parameter(torch.zeros(kernels, dims)) if scaled else None
        self.bias = nn.Parameter(-torch.ones(kernels)) if scaled else None

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs) -> (B, inputs + kernels)."""
        return torch.cat([features, self.nearness(features).to(features.dtype)], 1)

    def nearness(self, features: Tensor) -> Tensor:
        """o(x), with the biases: (B, inputs) -> (B, kernels)."""
        with torch.autocast(features.device.type, enabled=False):
            o = self._sums(self._distances(features))
            return o if self.bias is None else o + self.bias

    @torch.no_grad()
    def calibrate(self, features: Tensor) -> None:
        """Set scales and biases from a batch, as the authors' code does before training.

        For each kernel, the mean over samples of the distance to the nearest other one becomes 2, and the mean of o(x)
        becomes 0. A kernel for which every sample has another at distance 0 keeps its scale.

        Args:
            features: Features of a batch of real samples, (B, inputs), B at least 2.

        Raises:
            ValueError: There is one sample only, or the layer has neither scales nor biases.
        """
        if self.log_scale is None or self.bias is None:
            raise ValueError("scaled=False: the layer has neither scales nor biases to set")
        if len(features) < 2:
            raise ValueError(f"features of shape {tuple(features.shape)}: needs at least 2 samples, to compare two")
        distances = self._distances(features)
        itself = torch.eye(len(features), dtype=torch.bool, device=features.device)[:, :, None]
        nearest = distances.masked_fill(itself, math.inf).amin(1).mean(0)  # (kernels,)
        factor = torch.where(nearest > 0, NEAREST / nearest, 1.0)
        self.log_scale.add_(factor.log()[:, None])
        self.bias.copy_(-self._sums(distances * factor).mean(0))

    def _distances(self, features: Tensor) -> Tensor:
        """|M_ib - M_jb|_1, (B, B, kernels)."""
        t: Tensor = self.weight
        if self.log_scale is not None:
            t = t * (self.log_scale.exp() / t.square().sum(0).sqrt())
        m = torch.einsum("ba,akc->bkc", wide(features), t)
        return (m[:, None] - m[None]).abs().sum(3)

    def _sums(self, distances: Tensor) -> Tensor:
        """Sums over the others, (B, kernels)."""
        count = distances.shape[0]
        others = 1 - torch.eye(count, dtype=distances.dtype, device=distances.device)
        sums = torch.einsum("ijk,ij->ik", torch.exp(-distances), others)
        share = 1.0 if self.batch is None or count < 2 else (self.batch - 1) / (count - 1)
        return sums if share == 1 else share * sums
