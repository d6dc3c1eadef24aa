"""DCGAN. Radford et al. 2016, arXiv:1511.06434, Section 3 and Figure 1, at any power-of-two size.

Two published layouts at 64x64: the paper's (``kernel=5, width=128``: 18,855,040 and 17,232,768 parameters; the
authors' code normalises the generator's first layer by units: 18,885,760) and that of most PyTorch ports (``kernel=4,
width=64``: 3,576,704 and 2,765,568). WGAN-GP's baseline is ``kernel=5, width=64, bias=True``, ``latent=128``.
Convolutions and linear layers have no bias otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import (
    Conditions,
    Init,
    Norm,
    Wrap,
    check_positive,
    dcgan_init,
    grey_as_channels_last,
    halvings,
    keep,
    leaky_relu,
    one_for_each,
)
from zerosum.networks.critic import BaseCritic
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.dropout import Dropout

BOTTOM = 4  # pixels a side of the smallest feature map


class Generator(nn.Module):
    """z -> linear to 4x4 -> transposed convolutions of stride 2, halving the channels while doubling the size -> tanh.

    Each layer but the last is followed by ``norm`` and ReLU.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        width: Channels of the last hidden layer.
        size: Pixels a side: 16, 32, 64, 128 or 256.
        bias: Whether convolutions and linear layers have a bias.
    """

    def __init__(
        self,
        latent: int = 100,
        width: int = 64,
        size: int = 64,
        channels: int = 3,
        kernel: int = 4,
        *,
        norm: Norm = BatchNorm,
        bias: bool = False,
        init: Init = dcgan_init,
    ) -> None:
        super().__init__()
        check_positive(latent=latent, width=width, channels=channels)
        widths = hidden_widths(width, size)[::-1]
        self.first = nn.Linear(latent, widths[0] * BOTTOM**2, bias=bias)
        self.norms = nn.ModuleList(norm(w) for w in widths)
        self.convs = nn.ModuleList(doubling_convs([*widths, channels], kernel, bias=bias))
        for layer in (self.first, *self.norms, *self.convs):
            init(layer, 1.0)

    def forward(self, z: Tensor, condition: Conditions = None) -> Tensor:
        """(B, latent) -> images (B, channels, size, size) in [-1, 1].

        ``condition`` goes to conditional normalisation: one tensor for all layers, or a sequence with one for each.
        """
        h = self.first(z).reshape(z.shape[0], -1, BOTTOM, BOTTOM)
        conditions = one_for_each(condition, len(self.norms))
        for norm, conv, given in zip(self.norms, self.convs, conditions, strict=True):
            h = conv(F.relu(norm(h, *given)))
        return torch.tanh(h)


class Critic(BaseCritic):
    """Convolutions of stride 2, doubling the channels while halving the size down to 4x4 -> linear.

    Each convolution is followed by ``norm`` (not the first) and leaky ReLU of slope 0.2.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        width: Channels of the first layer.
        size: Pixels a side: 16, 32, 64, 128 or 256.
        bias: Whether convolutions and the linear layer have a bias.
        dropout: Probability that a unit is dropped, after each activation (CT-GAN: 0.5).
    """

    def __init__(
        self,
        width: int = 64,
        size: int = 64,
        channels: int = 3,
        kernel: int = 4,
        *,
        norm: Norm = BatchNorm,
        wrap: Wrap = keep,
        bias: bool = False,
        dropout: float = 0.0,
        init: Init = dcgan_init,
    ) -> None:
        super().__init__()
        check_positive(width=width, channels=channels)
        widths = hidden_widths(width, size)
        convs = halving_convs([channels, *widths], kernel, bias=bias)
        norms = [norm(w) for w in widths[1:]]
        last = nn.Linear(widths[-1] * BOTTOM**2, 1, bias=bias)
        for layer in (*convs, *norms, last):
            init(layer, 1.0)
        # Wrapped last: spectral normalisation reads the initial weights.
        self.convs = nn.ModuleList(wrap(conv) for conv in convs)
        self.norms = nn.ModuleList([nn.Identity(), *norms])
        self.last = wrap(last)
        self.drop = Dropout(dropout)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, 16 times the last layer's channels)."""
        h = grey_as_channels_last(x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            h = self.drop(leaky_relu(norm(conv(h))))
        return torch.flatten(h, 1)


def hidden_widths(width: int, size: int) -> list[int]:
    """Channels of the feature maps from half the size down to 4x4: ``width``, and twice as many after each halving.

    Raises:
        ValueError: The size is not a power of two from 16 to 256.
    """
    return [width * 2**k for k in range(halvings(size, smallest=16, largest=256))]


def halving_convs(widths: Sequence[int], kernel: int, *, bias: bool = False) -> list[nn.Conv2d]:
    """Convolutions of stride 2 that halve the size exactly, from each number of channels to the next.

    Raises:
        ValueError: The kernel is smaller than 3.
    """
    pad, _ = _padding(kernel)
    return [nn.Conv2d(i, o, kernel, 2, pad, bias=bias) for i, o in pairwise(widths)]


def doubling_convs(
    widths: Sequence[int], kernel: int, *, bias: bool = False, skips: bool = False
) -> list[nn.ConvTranspose2d]:
    """Transposed convolutions of stride 2 that double the size exactly, from each number of channels to the next.

    Args:
        widths: Numbers of channels.
        kernel: Side of the kernels, in pixels.
        bias: Whether they have a bias.
        skips: Whether each also reads an encoder's maps, as many as its own.

    Raises:
        ValueError: The kernel is smaller than 3.
    """
    pad, extra = _padding(kernel)
    inputs = 2 if skips else 1
    return [nn.ConvTranspose2d(inputs * i, o, kernel, 2, pad, extra, bias=bias) for i, o in pairwise(widths)]


def _padding(kernel: int) -> tuple[int, int]:
    """(padding, output padding): with them a stride of 2 halves the size exactly, and a transposed one doubles it."""
    if kernel < 3:
        raise ValueError(f"kernel={kernel}: must be at least 3 (published: 4 and 5)")
    return (kernel - 1) // 2, kernel % 2
