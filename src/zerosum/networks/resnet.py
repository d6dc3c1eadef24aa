"""Residual networks of SNGAN and WGAN-GP.

Miyato et al. 2018, arXiv:1802.05957, Appendix B.4, and Gulrajani et al. 2017, arXiv:1704.00028.

Trainable parameters at the published widths, generator and critic:

* ``SNGAN`` plans: 32: 4,276,739 and 1,053,825 (1,053,824 with ``head_bias=False``, as in the authors' code); 48:
  4,878,083 and 10,141,441; 64: 12,220,675 and 10,141,441; 128: 32,150,787 and 29,017,857.
* ``WGAN_GP`` plans: 32: 1,204,483 and 1,053,825; 64, with ``LayerNorm`` in the critic: 8,540,483 and 7,491,841.

Nearest-neighbour upsampling and mean pooling commute with the 1x1 convolutions of the shortcuts, bias included. So
these run at the smaller of the two sizes: the same function, for a quarter of the work. The 3x3 convolutions beside
them are joined with them (``UpConv``, ``DownConv``), for less than half of the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Activation, Init, Norm, Wrap, check_positive, glorot_uniform, keep
from zerosum.networks.layers import BatchNorm, DownConv, UpConv, halve, upsample
from zerosum.networks.layers.dropout import Dropout

Pool = Callable[[Tensor], Tensor]  # (B, C, H, W) -> (B, features)
HIDDEN_GAIN = math.sqrt(2)  # of the 3x3 convolutions inside a block, each followed by a ReLU; 1 elsewhere


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


class UpBlock(nn.Module):
    """norm-ReLU-upsample-conv3x3-norm-ReLU-conv3x3, plus upsample-conv1x1: (B, C, H, W) -> (B, C', 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, init: Init, *, inner_bias: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.conv1 = _conv3(inputs, outputs, init, HIDDEN_GAIN, bias=inner_bias, kind=UpConv)
        self.conv2 = _conv3(outputs, outputs, init, HIDDEN_GAIN)
        self.shortcut = _conv1(inputs, outputs, init)

    def forward(self, x: Tensor) -> Tensor:
        """Double the size."""
        h: Tensor = self.conv1(F.relu(self.norm1(x)))
        h = self.conv2(F.relu(self.norm2(h)))
        return h + upsample(self.shortcut(x))


class DownBlock(nn.Module):
    """norm-ReLU-conv3x3-norm-ReLU-conv3x3-pool, plus conv1x1-pool: (B, C, H, W) -> (B, C', H/2, W/2).

    Without ``down`` nothing is pooled, and the shortcut is the identity where the channels stay the same.
    """

    def __init__(
        self, inputs: int, outputs: int, norm: Norm, wrap: Wrap, init: Init, *, down: bool, inner_bias: bool
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(inputs)
        self.conv1 = wrap(_conv3(inputs, inputs, init, HIDDEN_GAIN, bias=inner_bias))
        self.conv2 = wrap(_conv3(inputs, outputs, init, HIDDEN_GAIN, kind=DownConv if down else _Conv3))
        self.pool: Pool = halve if down else nn.Identity()
        self.shortcut = wrap(_conv1(inputs, outputs, init)) if down or inputs != outputs else nn.Identity()

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
        self.conv1 = wrap(_conv3(inputs, outputs, init, HIDDEN_GAIN))
        self.conv2 = wrap(_conv3(outputs, outputs, init, HIDDEN_GAIN, kind=DownConv))
        self.shortcut = wrap(_conv1(inputs, outputs, init))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/2, W/2)."""
        shortcut: Tensor = self.shortcut(halve(x))
        h: Tensor = self.conv2(F.relu(self.conv1(x)))
        return h + shortcut


def first_conv(inputs: int, outputs: int, wrap: Wrap, init: Init) -> nn.Module:
    """A single 3x3 convolution as the critic's first layer, which keeps the size."""
    return wrap(_conv3(inputs, outputs, init, 1.0))


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


class Generator(nn.Module):
    """z -> linear -> upsampling blocks -> norm-ReLU-conv3x3-tanh.

    Args:
        latent: dimension of z.
        width: the unit of the plan's channels; ``None`` for the published one.
        size: pixels a side, one of the plans'.
        channels: of the image.
        plans: the published layouts by size, ``SNGAN`` or ``WGAN_GP``.
        norm: channels -> normalisation layer.
        init: sets the weights of one layer.
    """

    def __init__(
        self,
        latent: int = 128,
        width: int | None = None,
        size: int = 32,
        channels: int = 3,
        *,
        plans: Mapping[int, Plan] = SNGAN,
        norm: Norm = BatchNorm,
        init: Init = glorot_uniform,
    ) -> None:
        super().__init__()
        plan = _plan(plans, size)
        width = plan.generator_width if width is None else width
        check_positive(latent=latent, width=width, channels=channels)
        widths = [width * k for k in plan.generator]
        self.bottom = plan.bottom
        self.first = nn.Linear(latent, widths[0] * plan.bottom**2)
        init(self.first, 1.0)
        self.blocks = nn.ModuleList(UpBlock(i, o, norm, init, inner_bias=plan.inner_bias) for i, o in pairwise(widths))
        self.norm = norm(widths[-1])
        self.last = _conv3(widths[-1], channels, init, plan.output_gain)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent) -> images (B, channels, size, size) in [-1, 1]."""
        h = self.first(z).reshape(z.shape[0], -1, self.bottom, self.bottom)
        for block in self.blocks:
            h = block(h)
        return torch.tanh(self.last(F.relu(self.norm(h))))


class Critic(nn.Module):
    """first layer -> residual blocks, some halving the size -> ReLU -> pool -> linear.

    Args:
        width: the unit of the plan's channels; ``None`` for the published one.
        size: pixels a side, one of the plans'.
        channels: of the image.
        plans: the published layouts by size, ``SNGAN`` or ``WGAN_GP``.
        norm: channels -> normalisation layer: ``nn.Identity`` for none, or ``LayerNorm``.
        wrap: applied to each convolution and the linear layer (``spectral_norm``).
        pool: (B, C, H, W) -> (B, features); ``None`` for the plan's.
        head_bias: has the linear layer a bias? (Not in SNGAN's own code, but in most ports.)
        dropout: after each block, how likely a unit is dropped, such as CT-GAN's (0.2, 0.5, 0.5); ``()`` for none.
        init: sets the weights of one layer.
    """

    def __init__(
        self,
        width: int | None = None,
        size: int = 32,
        channels: int = 3,
        *,
        plans: Mapping[int, Plan] = SNGAN,
        norm: Norm = nn.Identity,
        wrap: Wrap = keep,
        pool: Pool | None = None,
        head_bias: bool = True,
        dropout: Sequence[float] = (),
        init: Init = glorot_uniform,
    ) -> None:
        super().__init__()
        plan = _plan(plans, size)
        width = plan.critic_width if width is None else width
        check_positive(width=width, channels=channels)
        widths = [width * k for k in plan.critic]
        self.pool, self.end = plan.pool if pool is None else pool, plan.critic_end
        self.first = plan.first(channels, widths[0], wrap, init)
        self.blocks = nn.ModuleList(
            DownBlock(i, o, norm, wrap, init, down=down, inner_bias=plan.inner_bias)
            for (i, o), down in zip(pairwise(widths), plan.downs, strict=True)
        )
        if len(dropout) not in (0, len(self.blocks)):
            raise ValueError(f"dropout={tuple(dropout)}: one rate for each of {len(self.blocks)} blocks, or ()")
        rates = dropout or (0.0,) * len(self.blocks)
        self.drops = nn.ModuleList(Dropout(rate) for rate in rates)
        top = size // 2 ** (sum(plan.downs) + isinstance(self.first, FirstBlock))
        features = self.pool(torch.zeros(1, widths[-1], top, top)).shape[1]
        head = nn.Linear(features, 1, bias=head_bias)
        init(head, 1.0)
        self.last = wrap(head)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, features), after pooling."""
        h = self.first(x)
        for block, drop in zip(self.blocks, self.drops, strict=True):
            h = drop(block(h))
        return self.pool(self.end(h))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> logits (B,)."""
        logits: Tensor = self.last(self.features(x))
        return logits.squeeze(1)


def _plan(plans: Mapping[int, Plan], size: int) -> Plan:
    if size not in plans:
        raise ValueError(f"size={size}: there are layouts for {', '.join(map(str, plans))} (resize the images)")
    return plans[size]


_Conv3 = partial(nn.Conv2d, kernel_size=3, padding=1)


def _conv3(
    inputs: int,
    outputs: int,
    init: Init,
    gain: float,
    *,
    bias: bool = True,
    kind: Callable[..., nn.Conv2d] = _Conv3,
) -> nn.Conv2d:
    conv = kind(inputs, outputs, bias=bias)
    init(conv, gain)
    return conv


def _conv1(inputs: int, outputs: int, init: Init) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 1)
    init(conv, 1.0)
    return conv
