"""The label as further input. Mirza and Osindero 2014, arXiv:1411.1784, Section 3.2.

A one-hot code is appended to the latent; images get it as planes, one per class, of ones and zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.core.labels import weights


class Generator(nn.Module):
    """G(z, y) = net([z, one-hot y]).

    Args:
        net: takes vectors of ``latent + classes``.
        classes: K.
    """

    def __init__(self, net: nn.Module, classes: int) -> None:
        super().__init__()
        self.net, self.classes = net, classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z (B, latent); y int64 (B,) in 0 .. K - 1, or float (B, K) with the weights of classes -> samples."""
        out: Tensor = self.net(torch.cat([z, weights(y, self.classes).to(z.dtype)], 1))
        return out


class Critic(nn.Module):
    """D(x, y) = net([x, one-hot y]), the code repeated over the pixels of images.

    Args:
        net: takes images of ``channels + classes`` channels.
        classes: K.
    """

    def __init__(self, net: nn.Module, classes: int) -> None:
        super().__init__()
        self.net, self.classes = net, classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x (B, C, H, W), y int64 (B,) in 0 .. K - 1 -> logits (B,)."""
        code = weights(y, self.classes).to(x.dtype)[:, :, None, None]
        out: Tensor = self.net(torch.cat([x, code.expand(-1, -1, *x.shape[2:])], 1))
        return out
