"""InfoGAN's networks, on which Lucic et al. 2018 (arXiv:1711.10337) compare GANs.

Originally Chen et al. 2016, arXiv:1606.03657, Table 1. Departures from the study's code: images are in [-1, 1]
through tanh instead of [0, 1] through a sigmoid, as everywhere here; gains of batch norm start from N(1, 0.02^2), as
in InfoGAN's own code, where the study has 1.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from zerosum.networks.common import (
    Activation,
    Conditions,
    Init,
    Norm,
    Wrap,
    check_positive,
    dcgan_init,
    keep,
    leaky_relu,
    one_for_each,
)
from zerosum.networks.critic import BaseCritic
from zerosum.networks.layers import BatchNorm

# The study's constants; TensorFlow writes this momentum as a decay of 0.999.
study_norm = partial(BatchNorm, eps=1e-3, momentum=1e-3)


class Generator(nn.Module):
    """z -> 1024 -> 128 x size/4 x size/4 -> transposed 4x4 convolutions of stride 2 to 64 and to ``channels`` -> tanh.

    Each layer but the last is followed by ``norm`` and leaky ReLU of slope 0.2. The two linear layers are normalised
    per unit.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        width: Channels of the last hidden layer (64 in the paper); the others scale with it.
        size: Pixels a side, a multiple of 4.
    """

    _activation: Activation = staticmethod(leaky_relu)

    def __init__(
        self,
        latent: int = 64,
        width: int = 64,
        size: int = 32,
        channels: int = 3,
        *,
        norm: Norm = study_norm,
        init: Init = dcgan_init,
    ) -> None:
        super().__init__()
        check_positive(latent=latent, width=width, channels=channels)
        self.quarter, units = _quarter(size), 2 * width * _quarter(size) ** 2
        self.linears = nn.ModuleList([nn.Linear(latent, 16 * width), nn.Linear(16 * width, units)])
        self.linear_norms = nn.ModuleList([norm(16 * width), norm(units)])
        self.up = nn.ConvTranspose2d(2 * width, width, 4, 2, 1)
        self.up_norm = norm(width)
        self.last = nn.ConvTranspose2d(width, channels, 4, 2, 1)
        for layer in (*self.linears, *self.linear_norms, self.up, self.up_norm, self.last):
            init(layer, 1.0)

    def forward(self, z: Tensor, condition: Conditions = None) -> Tensor:
        """(B, latent) -> images (B, channels, size, size) in [-1, 1].

        ``condition`` goes to conditional normalisation: one tensor for all three layers, or a sequence of three.
        """
        return torch.tanh(self._before_tanh(z, condition))

    def _before_tanh(self, z: Tensor, condition: Conditions = None) -> Tensor:
        *conditions, last = one_for_each(condition, 3)
        for linear, norm, given in zip(self.linears, self.linear_norms, conditions, strict=True):
            z = self._activation(norm(linear(z), *given))
        h = self.up(z.reshape(z.shape[0], -1, self.quarter, self.quarter))
        out: Tensor = self.last(self._activation(self.up_norm(h, *last)))
        return out


class Critic(BaseCritic):
    """4x4 convolutions of stride 2 to 64 and 128 channels -> 1024 -> one logit; leaky ReLU of slope 0.2.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        width: Channels of the first layer (64 in the paper); the others scale with it.
        size: Pixels a side, a multiple of 4.
        norm: Function from a number of features to the normalisation layer that follows the second convolution, and
            the first linear layer.
    """

    def __init__(
        self,
        width: int = 64,
        size: int = 32,
        channels: int = 3,
        *,
        norm: Norm = study_norm,
        wrap: Wrap = keep,
        init: Init = dcgan_init,
    ) -> None:
        super().__init__()
        check_positive(width=width, channels=channels)
        convs = [nn.Conv2d(channels, width, 4, 2, 1), nn.Conv2d(width, 2 * width, 4, 2, 1)]
        linear, last = nn.Linear(2 * width * _quarter(size) ** 2, 16 * width), nn.Linear(16 * width, 1)
        self.conv_norm, self.linear_norm = norm(2 * width), norm(16 * width)
        for layer in (*convs, linear, last, self.conv_norm, self.linear_norm):
            init(layer, 1.0)
        self.convs = nn.ModuleList(wrap(conv) for conv in convs)
        self.linear, self.last = wrap(linear), wrap(last)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, 16 width)."""
        h = self.convs[1](leaky_relu(self.convs[0](x)))
        h = leaky_relu(self.conv_norm(h))
        return leaky_relu(self.linear_norm(self.linear(torch.flatten(h, 1))))


def _quarter(size: int) -> int:
    if size < 8 or size % 4:
        raise ValueError(f"size={size}: must be a multiple of 4, at least 8 (the study uses 28, 32 and 64)")
    return size // 4
