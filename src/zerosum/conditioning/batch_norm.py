"""Conditional batch normalisation: the label chooses gain and bias.

Dumoulin et al. 2017, arXiv:1610.07629, Eq. 5 (for instance normalisation); in GANs Miyato and Koyama 2018,
arXiv:1802.05637. Each class below stands wherever a network takes a ``norm``: ``partial(ClassBatchNorm, classes=10)``
for a network called with ``(z, y)``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.networks.common import Init, Wrap, check_positive, keep
from zerosum.networks.labels import rows
from zerosum.networks.layers import BatchNorm


def modulate(h: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """``gain h + bias`` per sample and channel: h (B, C, H, W) or (B, C), gain and bias (B, C)."""
    spread = (*gain.shape, *[1] * (h.dim() - 2))
    return torch.addcmul(bias.to(h.dtype).view(spread), h, gain.to(h.dtype).view(spread))


class ClassBatchNorm(nn.Module):
    """Batch normalisation with a gain and a bias for each class: y -> gain[y] h + bias[y].

    Args:
        features: Channels of h.
        classes: K.
        eps: Number that is added to the variance.
        momentum: Step of the running statistics towards each batch.
        across_ranks: Whether the statistics are those of the batches of all ranks.
    """

    def __init__(
        self, features: int, classes: int, eps: float = 1e-5, momentum: float = 0.1, *, across_ranks: bool = False
    ) -> None:
        super().__init__()
        check_positive(classes=classes)
        self.norm = BatchNorm(features, eps, momentum, affine=False, across_ranks=across_ranks)
        self.gain = nn.Parameter(torch.ones(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes, features))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x (B, C, H, W) or (B, C), labels y -> the shape of x."""
        return modulate(self.norm(x), rows(self.gain, y), rows(self.bias, y))


class VectorBatchNorm(nn.Module):
    """Batch normalisation whose gain and bias are linear in a vector c: (1 + W_g c) h + W_b c.

    Brock et al. 2019, arXiv:1809.11096, Appendix B: c is a class embedding shared by all layers, with a chunk of the
    latent beside it. W_g and W_b have no biases.

    Args:
        features: Channels of h.
        inputs: Dimension of c.
        wrap: Applied to the linear layers (``spectral_norm``).
        init: Function that sets their weights.
        eps: Number that is added to the variance.
        momentum: Step of the running statistics towards each batch.
        across_ranks: Whether the statistics are those of the batches of all ranks.
    """

    def __init__(
        self,
        features: int,
        inputs: int,
        *,
        wrap: Wrap = keep,
        init: Init | None = None,
        eps: float = 1e-5,
        momentum: float = 0.1,
        across_ranks: bool = False,
    ) -> None:
        super().__init__()
        self.norm = BatchNorm(features, eps, momentum, affine=False, across_ranks=across_ranks)
        self.gain, self.bias = (_linear(inputs, features, wrap, init) for _ in range(2))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """x (B, C, H, W) or (B, C), c (B, inputs) -> the shape of x."""
        return modulate(self.norm(x), 1 + self.gain(c), self.bias(c))


def _linear(inputs: int, outputs: int, wrap: Wrap, init: Init | None) -> nn.Module:
    check_positive(inputs=inputs)
    layer = nn.Linear(inputs, outputs, bias=False)
    if init is not None:
        init(layer, 1.0)
    return wrap(layer)
