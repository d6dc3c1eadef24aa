"""DCGAN. Radford et al. 2016, arXiv:1511.06434, Section 3 and Figure 1, at any power-of-two size.

Two published layouts at 64x64: the paper's (``kernel=5, width=128``: 18,855,040 and 17,232,768 parameters) and that
of most PyTorch ports (``kernel=4, width=64``: 3,576,704 and 2,765,568). WGAN-GP's baseline is ``kernel=5, width=64,
bias=True``, ``latent=128``. Convolutions and linear layers have no bias otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import (
    Conditions,
    Init,
    Norm,
    Wrap,
    check_positive,
    halvings,
    keep,
    normal,
    one_for_each,
)
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.dropout import Dropout

BOTTOM = 4  # pixels a side of the smallest feature map


class Generator(nn.Module):
    """z -> linear to 4x4 -> transposed convolutions of stride 2, halving the channels while doubling the size -> tanh.

    Each layer but the last is followed by ``norm`` and ReLU.

    Args:
        latent: dimension of z.
        width: channels of the last hidden layer.
        size: pixels a side: 16, 32, 64, 128 or 256.
        channels: of the image.
        kernel: of the transposed convolutions.
        norm: channels -> normalisation layer.
        bias: give convolutions and linear layers a bias?
        init: sets the weights of one layer.
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
        init: Init = normal(0.02),  # noqa: B008 (a pure function)
    ) -> None:
        super().__init__()
        check_positive(latent=latent, width=width, channels=channels)
        pad, stages = _padding(kernel), halvings(size, smallest=16, largest=256)
        widths = [width * 2**k for k in reversed(range(stages))]
        self.first = nn.Linear(latent, widths[0] * BOTTOM**2, bias=bias)
        self.norms = nn.ModuleList(norm(w) for w in widths)
        self.convs = nn.ModuleList(
            nn.ConvTranspose2d(i, o, kernel, 2, pad.inner, pad.output, bias=bias)
            for i, o in zip(widths, [*widths[1:], channels], strict=True)
        )
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


class Critic(nn.Module):
    """Convolutions of stride 2, doubling the channels while halving the size down to 4x4 -> linear.

    Each convolution is followed by ``norm`` (not the first) and leaky ReLU of slope 0.2.

    Args:
        width: channels of the first layer.
        size: pixels a side: 16, 32, 64, 128 or 256.
        channels: of the image.
        kernel: of the convolutions.
        norm: channels -> normalisation layer: ``BatchNorm``, ``LayerNorm`` for WGAN-GP, ``nn.Identity`` for none.
        wrap: applied to each convolution and the linear layer (``spectral_norm``).
        bias: give convolutions and the linear layer a bias?
        dropout: after each activation, how likely a unit is dropped (CT-GAN: 0.5).
        init: sets the weights of one layer.
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
        init: Init = normal(0.02),  # noqa: B008 (a pure function)
    ) -> None:
        super().__init__()
        check_positive(width=width, channels=channels)
        pad, stages = _padding(kernel), halvings(size, smallest=16, largest=256)
        widths = [width * 2**k for k in range(stages)]
        convs = [
            nn.Conv2d(i, o, kernel, 2, pad.inner, bias=bias) for i, o in zip([channels, *widths], widths, strict=False)
        ]
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
        if x.shape[1] == 1:
            # Grey images fit both layouts, and convolutions would take the slow one: these strides say channels_last.
            x = x.reshape(x.shape[0], *x.shape[2:], 1).permute(0, 3, 1, 2)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.drop(F.leaky_relu(norm(conv(x)), 0.2))
        return torch.flatten(x, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> logits (B,)."""
        logits: Tensor = self.last(self.features(x))
        return logits.squeeze(1)


class _Padding(NamedTuple):
    inner: int
    output: int


def _padding(kernel: int) -> _Padding:
    """What makes a convolution of stride 2 halve the size exactly, and the transposed one double it."""
    if kernel < 3:
        raise ValueError(f"kernel={kernel}: must be at least 3 (published: 4 and 5)")
    return _Padding((kernel - 1) // 2, kernel % 2)
