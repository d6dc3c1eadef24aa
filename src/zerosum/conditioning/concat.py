"""The label as further input. Mirza and Osindero 2014, arXiv:1411.1784, Section 3.2.

A one-hot code is appended to the latent; images get it as planes, one per class, of ones and zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zerosum.networks.critic import BaseCritic, Judgement
from zerosum.networks.labels import weights


class Generator(nn.Module):
    """G(z, y) = net([z, one-hot y]).

    Args:
        net: Generator from vectors of ``latent + classes`` numbers.
        classes: K.
    """

    def __init__(self, net: nn.Module, classes: int) -> None:
        super().__init__()
        self.net, self.classes = net, classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z (B, latent), labels y -> samples."""
        out: Tensor = self.net(torch.cat([z, weights(y, self.classes).to(z.dtype)], 1))
        return out


class Critic(BaseCritic):
    """D(x, y) = net([x, one-hot y]), the code repeated over the pixels of images.

    Args:
        net: Critic of images of ``channels + classes`` channels.
        classes: K.
    """

    def __init__(self, net: nn.Module, classes: int) -> None:
        super().__init__()
        self.net: Any = net
        self.classes = classes

    def judge(self, x: Tensor, y: Tensor | None = None) -> Judgement:
        """x (B, C, H, W), labels y -> logits (B,) and features."""
        if y is None:
            raise TypeError("a critic with concatenated labels is told the label: call it with (x, y)")
        code = weights(y, self.classes).to(x.dtype)[:, :, None, None]
        judged: Judgement = self.net.judge(torch.cat([x, code.expand(-1, -1, *x.shape[2:])], 1))
        return judged
