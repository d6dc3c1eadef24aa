"""A generator that completes images: an encoder and decoder with skip connections, as in Ronneberger et al. 2015,
arXiv:1505.04597.

Otherwise laid out as DCGAN's networks: convolutions of stride 2 down to 4x4 and up again.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Init, Norm, check_positive, dcgan_init, leaky_relu
from zerosum.networks.dcgan import BOTTOM, doubling_convs, halving_convs, hidden_widths
from zerosum.networks.layers import BatchNorm


class Generator(nn.Module):
    """G(z, y): an image that equals y wherever ``known`` is true.

    y goes down through convolutions of stride 2, each followed by ``norm`` (not the first) and leaky ReLU of slope 0.2.
    From z come as many 4x4 maps as y has become. Up go transposed convolutions of stride 2, each reading ReLU of what
    was made so far, normalised, beside the encoder's maps of the same size; then tanh.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        known: Pixels that are given, bool (size, size); size is 16, 32, 64, 128 or 256.
        width: Channels of the encoder's first layer.
    """

    known: Tensor

    def __init__(
        self,
        known: Tensor,
        latent: int = 100,
        width: int = 64,
        channels: int = 3,
        kernel: int = 4,
        *,
        norm: Norm = BatchNorm,
        init: Init = dcgan_init,
    ) -> None:
        super().__init__()
        check_positive(latent=latent, width=width, channels=channels)
        if known.dim() != 2 or known.shape[0] != known.shape[1] or known.dtype != torch.bool or known.all():
            raise ValueError(
                f"known is {known.dtype} {tuple(known.shape)}: must be bool (size, size), and false somewhere, "
                "or there is nothing to complete"
            )
        widths = hidden_widths(width, known.shape[0])
        self.register_buffer("known", known.clone())
        self.down = nn.ModuleList(halving_convs([channels, *widths], kernel))
        self.down_norms = nn.ModuleList([nn.Identity(), *(norm(w) for w in widths[1:])])
        self.first = nn.Linear(latent, widths[-1] * BOTTOM**2, bias=False)
        self.up = nn.ModuleList(doubling_convs([*widths[::-1], channels], kernel, skips=True))
        self.up_norms = nn.ModuleList(norm(w) for w in widths[::-1])
        for layer in (*self.down, *self.down_norms, self.first, *self.up, *self.up_norms):
            init(layer, 1.0)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z (B, latent), y (B, channels, size, size) -> images of y's shape, in [-1, 1]; hidden pixels are not read."""
        h = torch.where(self.known, y, 0.0)
        encoded = []
        for conv, norm in zip(self.down, self.down_norms, strict=True):
            h = leaky_relu(norm(conv(h)))
            encoded.append(h)
        h = self.first(z).reshape(z.shape[0], -1, BOTTOM, BOTTOM)
        for conv, norm, skip in zip(self.up, self.up_norms, reversed(encoded), strict=True):
            h = conv(F.relu(torch.cat([norm(h), skip], 1)))
        return torch.where(self.known, y, torch.tanh(h))
