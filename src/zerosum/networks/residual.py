"""Residual blocks that double, keep or halve the size of images. He et al. 2016, arXiv:1603.05027.

Nearest-neighbour upsampling and mean pooling commute with the 1x1 convolutions of the shortcuts, bias included. So
these run at the smaller of the two sizes: the same function, for a quarter of the work. The 3x3 convolutions beside
them are joined with them (``UpConv``, ``DownConv``), for less than half of the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain

import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Conditions, Init, Norm, Wrap, one_for_each
from zerosum.networks.layers import DownConv, UpConv, halve, upsample
from zerosum.networks.layers.attention import SelfAttention, attend_at
from zerosum.networks.layers.dropout import Dropout
from zerosum.networks.layers.recompute import Caller

HIDDEN_GAIN = math.sqrt(2)  # of the 3x3 convolutions inside a block, in SNGAN's and WGAN-GP's code; 1 elsewhere
Pool = Callable[[Tensor], Tensor]


class UpBlock(nn.Module):
    """norm-ReLU-upsample-conv3x3-norm-ReLU-conv3x3, plus upsample-conv1x1: (B, C, H, W) -> (B, C', 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, wrap: Wrap, init: Init, *, inner_bias: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.conv1 = wrap(conv3(inputs, outputs, init, HIDDEN_GAIN, bias=inner_bias, kind=UpConv))
        self.conv2 = wrap(conv3(outputs, outputs, init, HIDDEN_GAIN))
        self.shortcut = wrap(conv1(inputs, outputs, init))

    def forward(self, x: Tensor, *condition: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W); ``condition`` is what conditional normalisation takes."""
        h: Tensor = self.conv1(F.relu(self.norm1(x, *condition)))
        h = self.conv2(F.relu(self.norm2(h, *condition)))
        return h + upsample(self.shortcut(x))


class DownBlock(nn.Module):
    """norm-ReLU-conv3x3-norm-ReLU-conv3x3-pool, plus conv1x1-pool: (B, C, H, W) -> (B, C', H/2, W/2).

    Without ``down`` nothing is pooled, and the shortcut is the identity where the channels stay the same. Between the
    convolutions there are as many channels as before them, or with ``wide`` as after them (SAGAN, BigGAN).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: Norm,
        wrap: Wrap,
        init: Init,
        *,
        down: bool,
        inner_bias: bool = True,
        wide: bool = False,
    ) -> None:
        super().__init__()
        hidden = outputs if wide else inputs
        self.norm1, self.norm2 = norm(inputs), norm(hidden)
        self.conv1 = wrap(conv3(inputs, hidden, init, HIDDEN_GAIN, bias=inner_bias))
        self.conv2 = wrap(conv3(hidden, outputs, init, HIDDEN_GAIN, kind=DownConv if down else Conv3))
        self.pool: Pool = halve if down else nn.Identity()
        self.shortcut = wrap(conv1(inputs, outputs, init)) if down or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/2, W/2), or without ``down`` (B, C', H, W)."""
        h = self.conv1(F.relu(self.norm1(x)))
        h = self.conv2(F.relu(self.norm2(h)))
        out: Tensor = h + self.shortcut(self.pool(x))
        return out


class FirstBlock(nn.Module):
    """conv3x3-ReLU-conv3x3-pool, plus pool-conv1x1: a block without activation of its input, which is an image."""

    def __init__(self, inputs: int, outputs: int, wrap: Wrap, init: Init) -> None:
        super().__init__()
        self.conv1 = wrap(conv3(inputs, outputs, init, HIDDEN_GAIN))
        self.conv2 = wrap(conv3(outputs, outputs, init, HIDDEN_GAIN, kind=DownConv))
        self.shortcut = wrap(conv1(inputs, outputs, init))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/2, W/2)."""
        shortcut: Tensor = self.shortcut(halve(x))
        h: Tensor = self.conv2(F.relu(self.conv1(x)))
        return h + shortcut


Conv3 = partial(nn.Conv2d, kernel_size=3, padding=1)


def conv3(
    inputs: int,
    outputs: int,
    init: Init,
    gain: float,
    *,
    bias: bool = True,
    kind: Callable[..., nn.Conv2d] = Conv3,
) -> nn.Conv2d:
    """An initialised 3x3 convolution; ``kind``: by itself, or joined with the resampling beside it."""
    conv = kind(inputs, outputs, bias=bias)
    init(conv, gain)
    return conv


def conv1(inputs: int, outputs: int, init: Init) -> nn.Conv2d:
    """An initialised 1x1 convolution."""
    conv = nn.Conv2d(inputs, outputs, 1)
    init(conv, 1.0)
    return conv


def linear(inputs: int, outputs: int, init: Init, *, bias: bool = True) -> nn.Linear:
    """An initialised linear layer."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    init(layer, 1.0)
    return layer


def attentions(sizes: Sequence[int], outputs: Sequence[tuple[int, int]], wrap: Wrap, init: Init) -> nn.ModuleList:
    """What follows each stage: self-attention after the first one whose output has a size asked for, else nothing.

    Args:
        sizes: Pixels a side at which to attend.
        outputs: Pairs (pixels a side, channels), after each stage.
        wrap: Applied to each convolution (``spectral_norm``).
        init: Function that sets the weights of one layer.
    """
    return attend_at(sizes, outputs, partial(SelfAttention, wrap=wrap, init=init))


class Stages:
    """How a network calls its blocks and its attention, one after the other. (Not a module: the network owns them all.)

    Args:
        stages: Blocks of each stage.
        attention: What follows each stage.
        run: How they are called: ``recomputed`` keeps less for the backward pass. (Dropout, which must not draw twice,
            is called directly.)
    """

    def __init__(self, stages: Iterable[Iterable[nn.Module]], attention: nn.ModuleList, run: Caller) -> None:
        self._run = run
        self._calls = {module: self._prepare(module) for module in (*chain.from_iterable(stages), *attention)}

    def __call__(
        self,
        stages: Iterable[Iterable[nn.Module]],
        attention: nn.ModuleList,
        h: Tensor,
        condition: Conditions = None,
    ) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W').

        Args:
            stages: Blocks as the network has them now: a replica of it has its own (``nn.DataParallel``).
            attention: What follows each stage, likewise.
            h: Feature maps.
            condition: What conditional normalisation gets: one tensor for all stages, or a sequence with one for each.
        """
        conditions = one_for_each(condition, len(attention))
        for blocks, attend, given in zip(stages, attention, conditions, strict=True):
            for block in blocks:
                h = self._call(block)(h, *given)
            h = self._call(attend)(h)
        return h

    def _call(self, module: nn.Module) -> Callable[..., Tensor]:
        return self._calls[module] if module in self._calls else self._prepare(module)

    def _prepare(self, module: nn.Module) -> Callable[..., Tensor]:
        return module if isinstance(module, Dropout) else self._run(module)
