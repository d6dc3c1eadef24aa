"""Residual networks of bottleneck blocks, of any depth, for images of 32 pixels: those of WGAN-GP's Figure 2.

Gulrajani et al. 2017, arXiv:1704.00028, as in the authors' code (``gan_64x64.py``, ``ResnetGenerator`` and
``ResnetDiscriminator``): a block has normalisation only on its path, whose share is 0.3, and resamples by strides; the
output of the last layer is divided by five. All weights are Glorot's, uniform, with gain sqrt(2) on the paths and fans
that know the stride. With ``depth=101``, and stages for images of 64 pixels, these would be the authors' networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from zerosum.lab.convolutional import BOTTOM, LATENT, RELU, STAGES, spread
from zerosum.networks.common import Norm, check_positive, glorot_uniform, strided_glorot_uniform
from zerosum.networks.layers import BatchNorm
from zerosum.networks.residual import Conv3, conv1, linear

PATH_SHARE = 0.3  # weight of a block's path, beside its shortcut
Resample = Literal["up", "down"] | None


class Bottleneck(nn.Module):
    """ReLU-conv1x1-ReLU-conv3x3-ReLU-conv1x1-norm, times 0.3, plus the shortcut.

    The 3x3 convolution halves the size with a stride, or doubles it, transposed. So does the shortcut's of 1x1 (which
    doubles the size by making four pixels of the channels of one); it is the identity where nothing changes.

    Args:
        inputs: Channels of the input; half as many enter the 3x3 convolution.
        outputs: Channels of the output; half as many leave the 3x3 convolution.
        norm: Channels -> normalisation layer.
        resample: What happens to the size.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, resample: Resample = None) -> None:
        super().__init__()
        before, after = max(1, inputs // 2), max(1, outputs // 2)
        last = nn.Conv2d(after, outputs, 1, bias=False)
        self.path = nn.Sequential(
            *(RELU, nn.Conv2d(inputs, before, 1)),
            *(RELU, _conv3(before, after, resample)),
            *(RELU, last, norm(outputs)),
        )
        for layer in self.path:
            strided_glorot_uniform(layer, 1.0)
        self.shortcut = nn.Identity() if inputs == outputs and resample is None else _conv1(inputs, outputs, resample)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        out: Tensor = self.shortcut(x) + PATH_SHARE * self.path(x)
        return out


def _conv3(inputs: int, outputs: int, resample: Resample) -> nn.Module:
    if resample == "up":
        return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return Conv3(inputs, outputs, stride=2 if resample == "down" else 1)


def _conv1(inputs: int, outputs: int, resample: Resample) -> nn.Module:
    """The shortcut's convolution: its initial weights have no gain."""
    if resample == "up":
        return nn.Sequential(conv1(inputs, 4 * outputs, glorot_uniform), nn.PixelShuffle(2))
    conv = nn.Conv2d(inputs, outputs, 1, stride=2 if resample == "down" else 1)
    strided_glorot_uniform(conv, math.sqrt(0.5))
    return conv


def _blocks(depth: int, widths: Sequence[int], norm: Norm, resample: Resample) -> nn.Sequential:
    """Blocks that keep the resolution, spread over all resolutions, with blocks that change it between them.

    ``depth`` counts three layers for each block, and two for the ends of the network.
    """
    changes = len(widths) - 1
    blocks, rest = divmod(depth - 2, 3)
    if rest or blocks < changes:
        raise ValueError(
            f"depth={depth}: a bottleneck network has 2 layers and 3 for each of at least {changes} blocks, such as "
            f"{3 * changes + 2}, {3 * changes + 5}, ..., 101"
        )
    layers: list[nn.Module] = []
    for k, further in enumerate(spread(blocks - changes, len(widths))):
        if k:
            layers.append(Bottleneck(widths[k - 1], widths[k], norm, resample))
        layers += [Bottleneck(widths[k], widths[k], norm) for _ in range(further)]
    return nn.Sequential(*layers)


def _residual_widths(width: int) -> list[int]:
    """Channels at 4x4, 8x8, 16x16 and 32x32 pixels: half of ``width`` at the last."""
    check_positive(width=width)
    return [max(1, width * 2**k // 2) for k in reversed(range(STAGES + 1))]


class ResidualGenerator(nn.Module):
    """z -> linear to 4x4 -> bottleneck blocks, some doubling the size -> conv1x1 -> tanh of a fifth of it.

    Args:
        width: Channels at half the image's size.
        depth: Layers with weights, without those of shortcuts: 2, and 3 for each block.
        norm: Channels -> normalisation layer.
    """

    def __init__(self, width: int, depth: int, *, norm: Norm = BatchNorm) -> None:
        super().__init__()
        widths = _residual_widths(width)
        self.first = linear(LATENT, widths[0] * BOTTOM**2, glorot_uniform)
        self.blocks = _blocks(depth, widths, norm, "up")
        self.last = conv1(widths[-1], 1, glorot_uniform)

    def forward(self, z: Tensor) -> Tensor:
        """(B, 128) -> images (B, 1, 32, 32) in [-1, 1]."""
        h = self.first(z).reshape(len(z), -1, BOTTOM, BOTTOM)
        return torch.tanh(self.last(self.blocks(h)) / 5)


class ResidualCritic(nn.Module):
    """conv1x1 -> bottleneck blocks, some halving the size -> a fifth of a linear layer.

    Args:
        width: Channels at half the image's size.
        depth: Layers with weights, as in the generator.
        norm: Channels -> normalisation layer.
    """

    def __init__(self, width: int, depth: int, *, norm: Norm = BatchNorm) -> None:
        super().__init__()
        widths = _residual_widths(width)[::-1]
        self.first = conv1(1, widths[0], glorot_uniform)
        self.blocks = _blocks(depth, widths, norm, "down")
        self.last = linear(widths[-1] * BOTTOM**2, 1, glorot_uniform)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) -> logits (B,)."""
        logits: Tensor = self.last(torch.flatten(self.blocks(self.first(x)), 1)) / 5
        return logits.squeeze(1)
