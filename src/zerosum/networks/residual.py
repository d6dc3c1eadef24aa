"""Residual blocks that double, keep or halve the size of images. He et al. 2016, arXiv:1603.05027.

Nearest-neighbour upsampling and mean pooling commute with the 1x1 convolutions of the shortcuts, bias included. So
these run at the smaller of the two sizes: the same function, for a quarter of the work. The 3x3 convolutions beside
them are joined with them (``UpConv``, ``DownConv``), for less than half of the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Init, Norm, Wrap
from zerosum.networks.layers import DownConv, UpConv, halve, upsample

HIDDEN_GAIN = math.sqrt(2)  # of the 3x3 convolutions inside a block, each followed by a ReLU; 1 elsewhere
Pool = Callable[[Tensor], Tensor]


class UpBlock(nn.Module):
    """norm-ReLU-upsample-conv3x3-norm-ReLU-conv3x3, plus upsample-conv1x1: (B, C, H, W) -> (B, C', 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, wrap: Wrap, init: Init, *, inner_bias: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.conv1 = wrap(conv3(inputs, outputs, init, HIDDEN_GAIN, bias=inner_bias, kind=UpConv))
        self.conv2 = wrap(conv3(outputs, outputs, init, HIDDEN_GAIN))
        self.shortcut = wrap(conv1(inputs, outputs, init))

    def forward(self, x: Tensor, *condition: Tensor) -> Tensor:
        """Double the size; ``condition`` is what conditional normalisation takes."""
        h: Tensor = self.conv1(F.relu(self.norm1(x, *condition)))
        h = self.conv2(F.relu(self.norm2(h, *condition)))
        return h + upsample(self.shortcut(x))


class DownBlock(nn.Module):
    """norm-ReLU-conv3x3-norm-ReLU-conv3x3-pool, plus conv1x1-pool: (B, C, H, W) -> (B, C', H/2, W/2).

    Without ``down`` nothing is pooled, and the shortcut is the identity where the channels stay the same. Between the
    convolutions there are as many channels as before them, or with ``wide`` as after them (SAGAN, BigGAN).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: Norm,
        wrap: Wrap,
        init: Init,
        *,
        down: bool,
        inner_bias: bool = True,
        wide: bool = False,
    ) -> None:
        super().__init__()
        hidden = outputs if wide else inputs
        self.norm1, self.norm2 = norm(inputs), norm(hidden)
        self.conv1 = wrap(conv3(inputs, hidden, init, HIDDEN_GAIN, bias=inner_bias))
        self.conv2 = wrap(conv3(hidden, outputs, init, HIDDEN_GAIN, kind=DownConv if down else Conv3))
        self.pool: Pool = halve if down else nn.Identity()
        self.shortcut = wrap(conv1(inputs, outputs, init)) if down or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Halve the size, if this block does."""
        h = self.conv1(F.relu(self.norm1(x)))
        h = self.conv2(F.relu(self.norm2(h)))
        out: Tensor = h + self.shortcut(self.pool(x))
        return out


class FirstBlock(nn.Module):
    """conv3x3-ReLU-conv3x3-pool, plus pool-conv1x1: a block without activation of its input, which is an image."""

    def __init__(self, inputs: int, outputs: int, wrap: Wrap, init: Init) -> None:
        super().__init__()
        self.conv1 = wrap(conv3(inputs, outputs, init, HIDDEN_GAIN))
        self.conv2 = wrap(conv3(outputs, outputs, init, HIDDEN_GAIN, kind=DownConv))
        self.shortcut = wrap(conv1(inputs, outputs, init))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/2, W/2)."""
        shortcut: Tensor = self.shortcut(halve(x))
        h: Tensor = self.conv2(F.relu(self.conv1(x)))
        return h + shortcut


Conv3 = partial(nn.Conv2d, kernel_size=3, padding=1)


def conv3(
    inputs: int,
    outputs: int,
    init: Init,
    gain: float,
    *,
    bias: bool = True,
    kind: Callable[..., nn.Conv2d] = Conv3,
) -> nn.Conv2d:
    """An initialised 3x3 convolution; ``kind``: alone, or joined with the resampling beside it."""
    conv = kind(inputs, outputs, bias=bias)
    init(conv, gain)
    return conv


def conv1(inputs: int, outputs: int, init: Init) -> nn.Conv2d:
    """An initialised 1x1 convolution."""
    conv = nn.Conv2d(inputs, outputs, 1)
    init(conv, 1.0)
    return conv
