"""BigGAN-deep. Brock et al. 2019, arXiv:1809.11096, Appendix B, Figure 16 and Tables 7-9.

Bottleneck blocks, two at each size. Where the channels fall or grow, the skip connection drops or adds channels
instead of being convolved. Trainable parameters without labels: ``docs/conditioning.md``. (The released 128-pixel
generator ends in a convolution of as many outputs as inputs, of which it keeps three: 50,388,609 parameters in place
of 50,244,484. Here it ends in three.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Conditions, Init, Norm, Wrap, check_positive, keep, orthogonal
from zerosum.networks.critic import BaseCritic
from zerosum.networks.layers import BatchNorm, UpConv, halve, upsample
from zerosum.networks.layers.recompute import Caller, directly
from zerosum.networks.plans import plan_for, sum_pool
from zerosum.networks.residual import Conv3, Stages, attentions, conv1, conv3, linear

BOTTOM = 4  # pixels a side of the smallest feature map
SQUEEZE = 4  # channels outside a bottleneck / inside
WIDTH = 128  # as published


@dataclass(frozen=True, kw_only=True)
class DeepPlan:
    """The layout for one image size; channels are in units of ``width``.

    Attributes:
        generator: Channels of the smallest feature map and after each doubling.
        critic: Channels after the first layer and after each pair of blocks.
        downs: Number of the critic's pairs that halve the size; the others follow.
    """

    generator: tuple[int, ...]
    critic: tuple[int, ...]
    downs: int


# For 512 pixels only the generator is published; the critic continues the pattern of the others.
PLANS: Mapping[int, DeepPlan] = MappingProxyType(
    {
        32: DeepPlan(generator=(4, 4, 4, 4), critic=(4, 4, 4, 4), downs=2),
        64: DeepPlan(generator=(16, 16, 8, 4, 2), critic=(1, 2, 4, 8, 16), downs=4),
        128: DeepPlan(generator=(16, 16, 8, 4, 2, 1), critic=(1, 2, 4, 8, 16, 16), downs=5),
        256: DeepPlan(generator=(16, 16, 8, 8, 4, 2, 1), critic=(1, 2, 4, 8, 8, 16, 16), downs=6),
        512: DeepPlan(generator=(16, 16, 8, 8, 4, 2, 1, 1), critic=(1, 1, 2, 4, 8, 8, 16, 16), downs=7),
    }
)


class UpBottleneck(nn.Module):
    """norm-ReLU-conv1x1, norm-ReLU-(upsample)-conv3x3, norm-ReLU-conv3x3, norm-ReLU-conv1x1, plus the input.

    Of the input only the first ``outputs`` channels are added.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, wrap: Wrap, init: Init, *, up: bool) -> None:
        super().__init__()
        hidden = inputs // SQUEEZE
        self.outputs, self.resize = outputs, upsample if up else nn.Identity()
        self.norms = nn.ModuleList(norm(c) for c in (inputs, hidden, hidden, hidden))
        self.convs = nn.ModuleList(
            [
                wrap(conv1(inputs, hidden, init)),
                wrap(conv3(hidden, hidden, init, 1.0, kind=UpConv if up else Conv3)),
                wrap(conv3(hidden, hidden, init, 1.0)),
                wrap(conv1(hidden, outputs, init)),
            ]
        )

    def forward(self, x: Tensor, *condition: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), or twice the size; ``condition`` is what conditional normalisation takes."""
        h = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = conv(F.relu(norm(h, *condition)))
        return h + self.resize(x[:, : self.outputs])


class DownBottleneck(nn.Module):
    """ReLU-conv1x1, ReLU-conv3x3, ReLU-conv3x3, ReLU-(pool)-conv1x1, plus the input (pooled).

    Where there are more outputs than inputs, a 1x1 convolution of the input provides the others.
    """

    def __init__(self, inputs: int, outputs: int, wrap: Wrap, init: Init, *, down: bool) -> None:
        super().__init__()
        hidden = outputs // SQUEEZE
        self.resize: Callable[[Tensor], Tensor] = halve if down else nn.Identity()
        self.conv1 = wrap(conv1(inputs, hidden, init))
        self.conv2 = wrap(conv3(hidden, hidden, init, 1.0))
        self.conv3 = wrap(conv3(hidden, hidden, init, 1.0))
        self.conv4 = wrap(conv1(hidden, outputs, init))
        self.further = wrap(conv1(inputs, outputs - inputs, init)) if outputs > inputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), or half the size."""
        h = self.conv1(F.relu(x))
        for conv in (self.conv2, self.conv3):
            h = conv(F.relu(h))
        h = self.conv4(self.resize(F.relu(h)))
        x = self.resize(x)
        if self.further is not None:
            x = torch.cat([x, self.further(x)], 1)
        out: Tensor = h + x
        return out


class Generator(nn.Module):
    """z -> linear -> for each size a bottleneck that keeps it and one that doubles it -> norm-ReLU-conv3x3-tanh.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        latent: Dimension of the input: with the label's embedding, where there is one.
        width: Unit of channels, a multiple of 4; ``None`` for the published 128.
        size: Pixels a side: 32, 64, 128, 256 or 512.
        norm: Function from a number of channels to a normalisation layer of a block, such as
            ``partial(VectorBatchNorm, inputs=256)``.
        last_norm: Likewise for the layer after the blocks; ``None`` for ``norm``.
        attention: Pixels a side at which to attend.
        run: How blocks and attention are called: ``recomputed`` keeps less for the backward pass.
    """

    def __init__(
        self,
        latent: int = 128,
        width: int | None = None,
        size: int = 128,
        channels: int = 3,
        *,
        norm: Norm = BatchNorm,
        last_norm: Norm | None = None,
        wrap: Wrap = keep,
        attention: Sequence[int] = (),
        init: Init = orthogonal,
        run: Caller = directly,
    ) -> None:
        super().__init__()
        check_positive(latent=latent, channels=channels)
        widths = [_width(width) * k for k in plan_for(PLANS, size).generator]
        self.first = wrap(linear(latent, widths[0] * BOTTOM**2, init))
        self.pairs = nn.ModuleList(
            nn.ModuleList(
                [UpBottleneck(i, i, norm, wrap, init, up=False), UpBottleneck(i, o, norm, wrap, init, up=True)]
            )
            for i, o in pairwise(widths)
        )
        outputs = [(BOTTOM * 2**k, w) for k, w in enumerate(widths[1:], 1)]
        self.attention = attentions(attention, outputs, wrap, init)
        self._call = Stages(self._stages(), self.attention, run)
        self.norm = (last_norm or norm)(widths[-1])
        self.last = wrap(conv3(widths[-1], channels, init, 1.0))

    def forward(self, z: Tensor, condition: Conditions = None) -> Tensor:
        """(B, latent) -> images (B, channels, size, size) in [-1, 1].

        ``condition`` goes to conditional normalisation: one tensor for all pairs of blocks, or one for each.
        """
        h = self.first(z).reshape(z.shape[0], -1, BOTTOM, BOTTOM)
        h = self._call(self._stages(), self.attention, h, condition)
        return torch.tanh(self.last(F.relu(self.norm(h))))

    def _stages(self) -> Sequence[nn.ModuleList]:
        return cast(Sequence[nn.ModuleList], self.pairs)


class Critic(BaseCritic):
    """conv3x3 -> for each size a bottleneck that halves it and one that keeps it -> ReLU -> sum pool -> linear.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        width: Unit of channels, a multiple of 4; ``None`` for the published 128.
        size: Pixels a side: 32, 64, 128, 256 or 512.
        attention: Pixels a side at which to attend.
        run: How blocks and attention are called: ``recomputed`` keeps less for the backward pass.
    """

    def __init__(
        self,
        width: int | None = None,
        size: int = 128,
        channels: int = 3,
        *,
        wrap: Wrap = keep,
        attention: Sequence[int] = (),
        init: Init = orthogonal,
        run: Caller = directly,
    ) -> None:
        super().__init__()
        check_positive(channels=channels)
        plan = plan_for(PLANS, size)
        widths = [_width(width) * k for k in plan.critic]
        self.first = wrap(conv3(channels, widths[0], init, 1.0))
        pairs, outputs = [], []
        for k, (i, o) in enumerate(pairwise(widths)):
            down = k < plan.downs
            size = size // 2 if down else size
            halving = DownBottleneck(i, o, wrap, init, down=down)
            pairs.append(nn.Sequential(halving, DownBottleneck(o, o, wrap, init, down=False)))
            outputs.append((size, o))
        self.pairs = nn.ModuleList(pairs)
        self.attention = attentions(attention, outputs, wrap, init)
        self._call = Stages(self._stages(), self.attention, run)
        self.last = wrap(linear(widths[-1], 1, init))

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, features), summed over positions."""
        return sum_pool(F.relu(self._call(self._stages(), self.attention, self.first(x))))

    def _stages(self) -> Sequence[nn.Sequential]:
        return cast(Sequence[nn.Sequential], self.pairs)


def _width(width: int | None) -> int:
    chosen = WIDTH if width is None else width
    if chosen < SQUEEZE or chosen % SQUEEZE:
        raise ValueError(f"width={chosen}: must be a multiple of {SQUEEZE}, into which bottlenecks squeeze channels")
    return chosen
