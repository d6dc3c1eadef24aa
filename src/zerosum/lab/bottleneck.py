"""Residual networks of bottleneck blocks, of any depth, for images of 32 pixels: those of WGAN-GP's Figure 2.

A block has normalisation only on its path, and adds 0.3 of the path to the shortcut. The output of the last layer is
divided by five.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.lab.convolutional import BOTTOM, LATENT, RELU, STAGES, spread
from zerosum.networks.common import Norm, check_positive, he_normal
from zerosum.networks.layers import BatchNorm, DownConv, UpConv, halve, upsample
from zerosum.networks.residual import HIDDEN_GAIN, Conv3, conv1, conv3

PATH_SHARE = 0.3  # weight of a block's path, beside its shortcut


class Bottleneck(nn.Module):
    """ReLU-conv1x1 to half the channels-ReLU-conv3x3-ReLU-conv1x1-norm, times 0.3, plus the shortcut.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        norm: Channels -> normalisation layer.
        kind: The 3x3 convolution: ``Conv3``, or ``UpConv`` or ``DownConv``, which also resample.
        resample: Resampling on the shortcut, which must be the same.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: Norm,
        kind: Callable[..., nn.Conv2d] = Conv3,
        resample: Callable[[Tensor], Tensor] = nn.Identity(),  # noqa: B008 (stateless)
    ) -> None:
        super().__init__()
        half = max(1, inputs // 2)
        self.path = nn.Sequential(
            *(RELU, conv1(inputs, half, he_normal)),
            *(RELU, conv3(half, half, he_normal, HIDDEN_GAIN, kind=kind)),
            *(RELU, conv1(half, outputs, he_normal), norm(outputs)),
        )
        self.shortcut = nn.Identity() if inputs == outputs else conv1(inputs, outputs, he_normal)
        self.resample = resample

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        out: Tensor = self.resample(self.shortcut(x)) + PATH_SHARE * self.path(x)
        return out


def _blocks(depth: int, widths: Sequence[int], norm: Norm, kind: Any, resample: Any) -> nn.Sequential:
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
            layers.append(Bottleneck(widths[k - 1], widths[k], norm, kind, resample))
        layers += [Bottleneck(widths[k], widths[k], norm) for _ in range(further)]
    return nn.Sequential(*layers)


def _residual_widths(width: int) -> list[int]:
    """Channels at 4x4, 8x8, 16x16 and 32x32 pixels: half of ``width`` at the last."""
    check_positive(width=width)
    return [max(1, width * 2**k // 2) for k in reversed(range(STAGES + 1))]


class ResidualGenerator(nn.Module):
    """z -> linear to 4x4 -> bottleneck blocks, some doubling the size -> ReLU-conv3x3 -> tanh of a fifth of it.

    Args:
        width: Channels at half the image's size.
        depth: Layers with weights, without those of shortcuts: 2, and 3 for each block.
        norm: Channels -> normalisation layer.
    """

    def __init__(self, width: int, depth: int, *, norm: Norm = BatchNorm) -> None:
        super().__init__()
        widths = _residual_widths(width)
        self.first = nn.Linear(LATENT, widths[0] * BOTTOM**2)
        he_normal(self.first, 1.0)
        self.blocks = _blocks(depth, widths, norm, UpConv, upsample)
        self.last = conv3(widths[-1], 1, he_normal, HIDDEN_GAIN)

    def forward(self, z: Tensor) -> Tensor:
        """(B, 128) -> images (B, 1, 32, 32) in [-1, 1]."""
        h = self.first(z).reshape(len(z), -1, BOTTOM, BOTTOM)
        return torch.tanh(self.last(F.relu(self.blocks(h))) / 5)


class ResidualCritic(nn.Module):
    """conv3x3 -> bottleneck blocks, some halving the size -> a fifth of a linear layer.

    Args:
        width: Channels at half the image's size.
        depth: Layers with weights, as in the generator.
        norm: Channels -> normalisation layer.
    """

    def __init__(self, width: int, depth: int, *, norm: Norm = BatchNorm) -> None:
        super().__init__()
        widths = _residual_widths(width)[::-1]
        self.first = conv3(1, widths[0], he_normal, 1.0)
        self.blocks = _blocks(depth, widths, norm, DownConv, halve)
        self.last = nn.Linear(widths[-1] * BOTTOM**2, 1)
        he_normal(self.last, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) -> logits (B,)."""
        logits: Tensor = self.last(torch.flatten(self.blocks(self.first(x)), 1)) / 5
        return logits.squeeze(1)
