"""Adaptive instance normalisation. Huang and Belongie 2017, arXiv:1703.06868, Eq. 8; Karras et al. 2019,
arXiv:1812.04948, Eq. 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.conditioning.batch_norm import modulate
from zerosum.networks.common import Init, Wrap, check_positive, keep
from zerosum.networks.labels import rows


class AdaIN(nn.Module):
    """(1 + s) (h - mean) / sqrt(var + eps) + b, with mean and variance of each image and channel, (s, b) = A c + a.

    It stands wherever a network of images takes a ``norm``: ``partial(AdaIN, inputs=128)``; the network is then called
    with ``(z, c)``. It needs more than one pixel.

    Args:
        features: Channels of h.
        inputs: Dimension of c, a style or an embedded label.
        wrap: Applied to the linear layer.
        init: Function that sets its weights; biases are 0 in any case, so that gains begin about 1.
        eps: Number that is added to the variance.
    """

    def __init__(
        self, features: int, inputs: int, *, wrap: Wrap = keep, init: Init | None = None, eps: float = 1e-5
    ) -> None:
        super().__init__()
        check_positive(features=features, inputs=inputs)
        self.eps = eps
        style = nn.Linear(inputs, 2 * features)
        if init is not None:
            init(style, 1.0)
        nn.init.zeros_(style.bias)
        self.style = wrap(style)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """x (B, C, H, W), c (B, inputs) -> (B, C, H, W)."""
        scale, shift = self.style(c).chunk(2, 1)
        return modulate(F.instance_norm(x, eps=self.eps), 1 + scale, shift)


class ClassAdaIN(nn.Module):
    """:class:`AdaIN` with a gain and a bias for each class: Eq. 5, Dumoulin et al. 2017 (arXiv:1610.07629).

    Args:
        features: Channels of h.
        classes: K.
        eps: Number that is added to the variance.
    """

    def __init__(self, features: int, classes: int, eps: float = 1e-5) -> None:
        super().__init__()
        check_positive(features=features, classes=classes)
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes, features))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x (B, C, H, W), labels y -> (B, C, H, W)."""
        return modulate(F.instance_norm(x, eps=self.eps), rows(self.gain, y), rows(self.bias, y))
