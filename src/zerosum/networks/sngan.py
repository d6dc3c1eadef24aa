"""What the authors of SNGAN trained its networks with, by image size.

Their code for Miyato et al. 2018 (arXiv:1802.05957) and for Miyato and Koyama 2018 (arXiv:1802.05637),
github.com/pfnet-research/sngan_projection, has settings for 32, 64 and 128 pixels (``configs``), and a critic of its
own for each (``dis_models``). For 48 pixels, which it does not have, the critic's layers are those of 64, and so is the
bias of the last one; there, and on points, the schedule is that of 32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from zerosum.core.optim import Schedule, linear_decay
from zerosum.networks.common import check_positive

NORM_EPS = 2e-5  # of batch normalisation: the default of Chainer, which the code is written with


@dataclass(frozen=True, kw_only=True)
class SizeSettings:
    """Settings for one image size.

    Attributes:
        steps: Generator updates in all.
        decay_after: Update after which the learning rate falls in a straight line to 0 at the last one.
        g_batches: Size of the generator's batch over that of the critic's.
        head_bias: Whether the critic's last layer has a bias.
    """

    steps: int
    decay_after: int
    g_batches: int
    head_bias: bool

    def rates(self, lr: float, n_critic: int) -> tuple[Schedule, Schedule]:
        """Learning rates of critic and generator by their own updates, ``lr`` at first."""
        check_positive(n_critic=n_critic)
        d, g = (linear_decay(lr, times * self.decay_after, times * self.steps) for times in (n_critic, 1))
        return d, g


_SHORT = SizeSettings(steps=50_000, decay_after=0, g_batches=2, head_bias=False)
PUBLISHED: Mapping[int, SizeSettings] = MappingProxyType(
    {
        32: _SHORT,
        48: replace(_SHORT, head_bias=True),
        64: SizeSettings(steps=250_000, decay_after=200_000, g_batches=1, head_bias=True),
        128: SizeSettings(steps=450_000, decay_after=400_000, g_batches=2, head_bias=True),
    }
)


def settings_for(
    shape: Sequence[int],
    *,
    steps: int | None = None,
    decay_after: int | None = None,
    g_batches: int | None = None,
    head_bias: bool | None = None,
) -> SizeSettings:
    """The published settings for samples of this shape, (C, H, W) or (2,), but for those that are given.

    In a run of other length the learning rate falls over the same share of it as published. A size that has no layout
    has the settings of 32 pixels; the networks refuse it.

    Raises:
        ValueError: A count is below one, or the rate would fall only after the last update.
    """
    published = PUBLISHED.get(shape[-1], _SHORT) if len(shape) == 3 else _SHORT
    length = published.steps if steps is None else steps
    batches = published.g_batches if g_batches is None else g_batches
    fall = length * published.decay_after // published.steps if decay_after is None else decay_after
    check_positive(steps=length, g_batches=batches)
    if not 0 <= fall < length:
        raise ValueError(f"decay_after={fall}: must be at least 0 and below the number of updates, steps={length}")
    return SizeSettings(
        steps=length,
        decay_after=fall,
        g_batches=batches,
        head_bias=published.head_bias if head_bias is None else head_bias,
    )
