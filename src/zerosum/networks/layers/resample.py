"""Doubling and halving of images, by itself and joined with the 3x3 convolution beside it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def upsample(x: Tensor) -> Tensor:
    """Nearest neighbour: (B, C, H, W) -> (B, C, 2H, 2W), each pixel repeated as a 2x2 square.

    Of the ways to write this (``expand``, ``repeat_interleave``) this one has the fast backward, and keeps
    channels_last.
    """
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def halve(x: Tensor) -> Tensor:
    """Mean over 2x2 squares: (B, C, 2H, 2W) -> (B, C, H, W)."""
    return F.avg_pool2d(x, 2)


def upsampled_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``conv2d(upsample(x), weight, bias, padding=1)`` for 3x3 kernels, with 4/9 of the multiplications.

    Each output sees four distinct pixels of x, not nine: the taps that fall on copies of the same pixel are added up
    beforehand, which makes a transposed convolution of 4x4 kernel and stride 2.

    Args:
        x: Images, (B, C, H, W).
        weight: Kernels, (C', C, 3, 3).
        bias: Biases, (C',), or ``None``.

    Returns:
        Images, (B, C', 2H, 2W).
    """
    last = weight.is_contiguous(memory_format=torch.channels_last)  # the output is laid out as the kernel
    form = torch.channels_last if last else torch.contiguous_format
    kernel = _spread(weight.flip(2, 3)).transpose(0, 1).contiguous(memory_format=form)
    return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def conv_halved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``halve(conv2d(x, weight, bias, padding=1))`` for 3x3 kernels and even sizes, with 4/9 of the multiplications.

    The mean of four shifted 3x3 windows is one 4x4 window: a convolution of stride 2.

    Args:
        x: Images, (B, C, 2H, 2W).
        weight: Kernels, (C', C, 3, 3).
        bias: Biases, (C',), or ``None``.

    Returns:
        Images, (B, C', H, W).
    """
    return F.conv2d(x, _spread(weight) / 4, bias, stride=2, padding=1)


def _spread(weight: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 4, 4): the sum of the four ways to shift the kernel by 0 or 1 down and right."""
    rows = F.pad(weight, (0, 0, 0, 1)) + F.pad(weight, (0, 0, 1, 0))
    return F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))


class UpConv(nn.Conv2d):
    """Nearest-neighbour upsampling, then a 3x3 convolution, in one: the same weights, less work."""

    operation = staticmethod(upsampled_conv)

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, 2H, 2W)."""
        return upsampled_conv(x, self.weight, self.bias)


class DownConv(nn.Conv2d):
    """A 3x3 convolution, then the mean of 2x2 squares, in one: the same weights, less work."""

    operation = staticmethod(conv_halved)

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, 2H, 2W) -> (B, outputs, H, W)."""
        return conv_halved(x, self.weight, self.bias)
