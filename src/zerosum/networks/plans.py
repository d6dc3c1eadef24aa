"""Published layouts of residual networks, by image size.

Trainable parameters at the published widths, generator and critic, without labels (with labels, as
``zerosum.conditioning`` adds them: ``docs/conditioning.md``):

* ``SNGAN``: 32: 4,276,739 and 1,053,825 (1,053,824 with ``head_bias=False``, as in the authors' code); 48: 4,878,083
  and 10,141,441; 64: 12,220,675 and 10,141,441; 128: 32,150,787 and 29,017,857.
* ``WGAN_GP``: 32: 1,204,483 and 1,053,825; 64, with ``LayerNorm`` in the critic: 8,540,483 and 7,491,841.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Activation, Init, Wrap
from zerosum.networks.residual import HIDDEN_GAIN, FirstBlock, Pool, conv3

Layout = TypeVar("Layout")


def sum_pool(h: Tensor) -> Tensor:
    """Sum over positions, (B, C, H, W) -> (B, C): SNGAN's head."""
    return h.sum((2, 3))


def mean_pool(h: Tensor) -> Tensor:
    """Mean over positions, (B, C, H, W) -> (B, C): the head of WGAN-GP's CIFAR-10 critic."""
    return h.mean((2, 3))


def flatten(h: Tensor) -> Tensor:
    """All positions, (B, C, H, W) -> (B, C H W): the head of WGAN-GP's 64x64 critic."""
    return torch.flatten(h, 1)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The layout for one image size; channels are in units of ``width``.

    Attributes:
        bottom: Pixels a side of the generator's smallest feature map.
        generator: Channels of that map and after each upsampling block.
        generator_width: Unit of the generator's channels, as published.
        critic: Channels after the first layer and after each block.
        critic_width: Unit of the critic's channels, as published.
        downs: Whether each of the critic's blocks halves the size.
        first: Function of (inputs, outputs, wrap, init) that builds the critic's first layer.
        pool: Head of the critic, from feature maps to features.
        inner_bias: Whether the first convolution of a block has a bias.
        critic_end: Activation that the critic applies before pooling.
        output_gain: Initial gain of the generator's last convolution.
        wide: Whether the critic's blocks widen at their first convolution.
    """

    bottom: int
    generator: tuple[int, ...]
    generator_width: int
    critic: tuple[int, ...]
    critic_width: int
    downs: tuple[bool, ...]
    first: Callable[[int, int, Wrap, Init], nn.Module]
    pool: Pool = sum_pool
    inner_bias: bool = True
    critic_end: Activation = F.relu
    output_gain: float = 1.0
    wide: bool = False


def first_conv(inputs: int, outputs: int, wrap: Wrap, init: Init) -> nn.Module:
    """A single 3x3 convolution as the critic's first layer, which keeps the size."""
    return wrap(conv3(inputs, outputs, init, 1.0))


def _sngan(
    *, width: int, generator: tuple[int, ...], critic: tuple[int, ...], downs: int, bottom: int = 4, wide: bool = False
) -> Plan:
    """A plan whose critic begins with a block that halves the size, as ``downs`` of the blocks after it do."""
    kept = len(critic) - 1 - downs
    return Plan(
        bottom=bottom,
        generator=generator,
        generator_width=width,
        critic=critic,
        critic_width=width,
        downs=(True,) * downs + (False,) * kept,
        first=FirstBlock,
        wide=wide,
    )


SNGAN: Mapping[int, Plan] = MappingProxyType(
    {
        32: replace(_sngan(width=256, generator=(1, 1, 1, 1), critic=(1, 1, 1, 1), downs=1), critic_width=128),
        48: _sngan(width=64, generator=(8, 4, 2, 1), critic=(1, 2, 4, 8, 16), downs=3, bottom=6),
        64: _sngan(width=64, generator=(16, 8, 4, 2, 1), critic=(1, 2, 4, 8, 16), downs=4),
        128: _sngan(width=64, generator=(16, 16, 8, 4, 2, 1), critic=(1, 2, 4, 8, 16, 16), downs=4),
    }
)
WGAN_GP: Mapping[int, Plan] = MappingProxyType(
    {
        32: replace(SNGAN[32], generator_width=128, pool=mean_pool),
        64: Plan(
            bottom=4,
            generator=(8, 8, 4, 2, 1),
            generator_width=64,
            critic=(1, 2, 4, 8, 8),
            critic_width=64,
            downs=(True,) * 4,
            first=first_conv,
            pool=flatten,
            inner_bias=False,
            critic_end=nn.Identity(),
            output_gain=HIDDEN_GAIN,
        ),
    }
)
# SNGAN's, and below BigGAN's, with critics that widen at the first convolution of a block.
SAGAN: Mapping[int, Plan] = MappingProxyType({size: replace(plan, wide=True) for size, plan in SNGAN.items()})
_biggan = partial(_sngan, wide=True)
BIGGAN: Mapping[int, Plan] = MappingProxyType(
    {
        32: _biggan(width=64, generator=(4, 4, 4, 4), critic=(4, 4, 4, 4), downs=1),
        64: _biggan(width=64, generator=(16, 16, 8, 4, 2), critic=(1, 2, 4, 8, 16), downs=3),
        128: _biggan(width=96, generator=(16, 16, 8, 4, 2, 1), critic=(1, 2, 4, 8, 16, 16), downs=4),
        256: _biggan(width=96, generator=(16, 16, 8, 8, 4, 2, 1), critic=(1, 2, 4, 8, 8, 16, 16), downs=5),
        512: _biggan(width=96, generator=(16, 16, 8, 8, 4, 2, 1, 1), critic=(1, 1, 2, 4, 8, 8, 16, 16), downs=6),
    }
)
# StudioGAN's BigGAN for CIFAR-10, whose critic has half the channels; at width 96 with a latent of 80: 9,416,196 and
# 2,415,170 parameters for 10 classes.
STUDIO = _biggan(width=96, generator=(4, 4, 4, 4), critic=(2, 2, 2, 2), downs=1)


def plan_for(plans: Mapping[int, Layout], size: int) -> Layout:
    """The layout for images of ``size`` pixels a side.

    Raises:
        ValueError: There is none; the message names the sizes there are.
    """
    if size not in plans:
        raise ValueError(f"size={size}: there are layouts for {', '.join(map(str, plans))} (resize the images)")
    return plans[size]
