"""Published layouts of residual networks, by image size.

Trainable parameters at the published widths, generator and critic, without labels (with labels, as
``zerosum.conditioning`` adds them: ``docs/conditioning.md``):

* ``SNGAN``: 32: 4,276,739 and 1,053,825 (1,053,824 with ``head_bias=False``, as in the authors' code); 48: 4,878,083
  and 10,141,441; 64: 12,220,675 and 10,141,441; 128: 32,150,787 and 29,017,857.
* ``WGAN_GP``: 32: 1,204,483 and 1,053,825; 64, with ``LayerNorm`` in the critic: 8,540,483 and 7,491,841.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Activation, Init, Wrap
from zerosum.networks.residual import HIDDEN_GAIN, FirstBlock, Pool, conv3


def sum_pool(h: Tensor) -> Tensor:
    """Sum over positions, (B, C, H, W) -> (B, C): SNGAN's head."""
    return h.sum((2, 3))


def mean_pool(h: Tensor) -> Tensor:
    """Mean over positions, (B, C, H, W) -> (B, C): the head of WGAN-GP's CIFAR-10 critic."""
    return h.mean((2, 3))


def flatten(h: Tensor) -> Tensor:
    """All positions, (B, C, H, W) -> (B, C H W): the head of WGAN-GP's 64x64 critic."""
    return torch.flatten(h, 1)


class Plan(NamedTuple):
    """The layout for one image size; channels are in units of ``width``.

    Attributes:
        bottom: pixels a side of the generator's smallest feature map.
        generator: channels of that map and after each upsampling block.
        generator_width: as published.
        critic: channels after the first layer and after each block.
        critic_width: as published.
        downs: which of the critic's blocks halve the size.
        first: builds the critic's first layer.
        pool: the critic's head.
        inner_bias: does the first convolution of a block have a bias?
        critic_end: what the critic applies before pooling.
        output_gain: initial gain of the generator's last convolution.
        wide: do the critic's blocks widen at their first convolution?
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


SNGAN: Mapping[int, Plan] = MappingProxyType(
    {
        32: Plan(4, (1, 1, 1, 1), 256, (1, 1, 1, 1), 128, (True, False, False), FirstBlock),
        48: Plan(6, (8, 4, 2, 1), 64, (1, 2, 4, 8, 16), 64, (True, True, True, False), FirstBlock),
        64: Plan(4, (16, 8, 4, 2, 1), 64, (1, 2, 4, 8, 16), 64, (True, True, True, True), FirstBlock),
        128: Plan(4, (16, 16, 8, 4, 2, 1), 64, (1, 2, 4, 8, 16, 16), 64, (True, True, True, True, False), FirstBlock),
    }
)
WGAN_GP: Mapping[int, Plan] = MappingProxyType(
    {
        32: Plan(4, (1, 1, 1, 1), 128, (1, 1, 1, 1), 128, (True, False, False), FirstBlock, mean_pool),
        64: Plan(
            4,
            (8, 8, 4, 2, 1),
            64,
            (1, 2, 4, 8, 8),
            64,
            (True,) * 4,
            first_conv,
            flatten,
            False,
            nn.Identity(),
            HIDDEN_GAIN,
        ),
    }
)
# SNGAN's, with critics that widen at the first convolution of a block.
SAGAN: Mapping[int, Plan] = MappingProxyType({size: plan._replace(wide=True) for size, plan in SNGAN.items()})


def _biggan(width: int, generator: tuple[int, ...], critic: tuple[int, ...], downs: int) -> Plan:
    """``downs``: how many of the critic's blocks halve the size, after the first, which does; the others follow."""
    kept = len(critic) - 1 - downs
    return Plan(4, generator, width, critic, width, (True,) * downs + (False,) * kept, FirstBlock, wide=True)


BIGGAN: Mapping[int, Plan] = MappingProxyType(
    {
        32: _biggan(64, (4, 4, 4, 4), (4, 4, 4, 4), 1),
        64: _biggan(64, (16, 16, 8, 4, 2), (1, 2, 4, 8, 16), 3),
        128: _biggan(96, (16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 4),
        256: _biggan(96, (16, 16, 8, 8, 4, 2, 1), (1, 2, 4, 8, 8, 16, 16), 5),
        512: _biggan(96, (16, 16, 8, 8, 4, 2, 1, 1), (1, 1, 2, 4, 8, 8, 16, 16), 6),
    }
)
# StudioGAN's BigGAN for CIFAR-10, whose critic has half the channels; at width 96 with a latent of 80: 9,416,196 and
# 2,415,170 parameters for 10 classes.
STUDIO = _biggan(96, (4, 4, 4, 4), (2, 2, 2, 2), 1)


def plan_for(plans: Mapping[int, Plan], size: int) -> Plan:
    """The layout for images of ``size`` pixels a side.

    Raises:
        ValueError: there is none; names the sizes there are.
    """
    if size not in plans:
        raise ValueError(f"size={size}: there are layouts for {', '.join(map(str, plans))} (resize the images)")
    return plans[size]
