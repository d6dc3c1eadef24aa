"""Residual networks of SNGAN, WGAN-GP, SAGAN and BigGAN, by plan.

Miyato et al. 2018, arXiv:1802.05957, Appendix B.4; Gulrajani et al. 2017, arXiv:1704.00028; Zhang et al. 2019,
arXiv:1805.08318; Brock et al. 2019, arXiv:1809.11096, Appendix B.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Conditions, Init, Norm, Wrap, check_positive, glorot_uniform, keep
from zerosum.networks.critic import BaseCritic
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.dropout import Dropout
from zerosum.networks.layers.recompute import Caller, directly
from zerosum.networks.plans import BIGGAN, SAGAN, SNGAN, WGAN_GP, Plan, flatten, mean_pool, plan_for, sum_pool
from zerosum.networks.residual import DownBlock, FirstBlock, Pool, Stages, UpBlock, attentions, conv3, linear

__all__ = [
    "BIGGAN", "SAGAN", "SNGAN", "WGAN_GP", "Critic", "DownBlock", "FirstBlock", "Generator", "Plan", "Pool", "UpBlock",
    "flatten", "mean_pool", "sum_pool",
]  # fmt: skip


class Generator(nn.Module):
    """z -> linear -> upsampling blocks, attention between them -> norm-ReLU-conv3x3-tanh.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        width: Unit of the plan's channels; ``None`` for the published one.
        size: Pixels a side, one of the plans'.
        plans: Published layouts by size: ``SNGAN``, ``WGAN_GP``, ``SAGAN`` or ``BIGGAN``.
        norm: Function from a number of channels to a normalisation layer of a block; conditional ones
            (``zerosum.conditioning``) also take what ``forward`` is given for their block.
        last_norm: Likewise for the layer after the blocks, which is not conditional; ``None`` for ``norm``.
        attention: Pixels a side at which to attend, after the first block that gets there.
        run: How blocks and attention are called: ``recomputed`` keeps less for the backward pass.
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
        last_norm: Norm | None = None,
        wrap: Wrap = keep,
        attention: Sequence[int] = (),
        init: Init = glorot_uniform,
        run: Caller = directly,
    ) -> None:
        super().__init__()
        plan = plan_for(plans, size)
        width = plan.generator_width if width is None else width
        check_positive(latent=latent, width=width, channels=channels)
        widths = [width * k for k in plan.generator]
        self.bottom = plan.bottom
        self.first = wrap(linear(latent, widths[0] * plan.bottom**2, init))
        self.blocks = nn.ModuleList(
            UpBlock(i, o, norm, wrap, init, inner_bias=plan.inner_bias) for i, o in pairwise(widths)
        )
        outputs = [(plan.bottom * 2**k, w) for k, w in enumerate(widths[1:], 1)]
        self.attention = attentions(attention, outputs, wrap, init)
        self._call = Stages(((block,) for block in self.blocks), self.attention, run)
        self.norm = (last_norm or norm)(widths[-1])
        self.last = wrap(conv3(widths[-1], channels, init, plan.output_gain))

    def forward(self, z: Tensor, condition: Conditions = None) -> Tensor:
        """(B, latent) -> images (B, channels, size, size) in [-1, 1].

        ``condition`` goes to conditional normalisation: one tensor for all blocks, or a sequence with one for each.
        """
        h = self.first(z).reshape(z.shape[0], -1, self.bottom, self.bottom)
        h = self._call(((block,) for block in self.blocks), self.attention, h, condition)
        return torch.tanh(self.last(F.relu(self.norm(h))))


class Critic(BaseCritic):
    """First layer -> residual blocks, some halving the size, attention between them -> ReLU -> pool -> linear.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        width: Unit of the plan's channels; ``None`` for the published one.
        size: Pixels a side, one of the plans'.
        plans: Published layouts by size: ``SNGAN``, ``WGAN_GP``, ``SAGAN`` or ``BIGGAN``.
        pool: Function from (B, C, H, W) to (B, features); ``None`` for the plan's.
        head_bias: Whether the linear layer has a bias. (In SNGAN's own code not at 32 pixels; in most ports always.)
        dropout: Probabilities that a unit is dropped, after each block, such as CT-GAN's (0.2, 0.5, 0.5); ``()`` for
            none.
        attention: Pixels a side at which to attend, after the first layer or block that gets there.
        run: How blocks and attention are called: ``recomputed`` keeps less for the backward pass.
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
        attention: Sequence[int] = (),
        init: Init = glorot_uniform,
        run: Caller = directly,
    ) -> None:
        super().__init__()
        plan = plan_for(plans, size)
        width = plan.critic_width if width is None else width
        check_positive(width=width, channels=channels)
        widths = [width * k for k in plan.critic]
        self.pool, self.end = plan.pool if pool is None else pool, plan.critic_end
        self.first = plan.first(channels, widths[0], wrap, init)
        self.blocks = nn.ModuleList(
            DownBlock(i, o, norm, wrap, init, down=down, inner_bias=plan.inner_bias, wide=plan.wide)
            for (i, o), down in zip(pairwise(widths), plan.downs, strict=True)
        )
        if len(dropout) not in (0, len(self.blocks)):
            raise ValueError(f"dropout={tuple(dropout)}: one rate for each of {len(self.blocks)} blocks, or ()")
        self.drops = nn.ModuleList(Dropout(rate) for rate in dropout or (0.0,) * len(self.blocks))
        sizes = _sizes(size, (isinstance(self.first, FirstBlock), *plan.downs))
        self.attention = attentions(attention, list(zip(sizes, widths, strict=True)), wrap, init)
        self._call = Stages(self._stages(), self.attention, run)
        features = self.pool(torch.zeros(1, widths[-1], sizes[-1], sizes[-1])).shape[1]
        self.last = wrap(linear(features, 1, init, bias=head_bias))

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, features), after pooling."""
        return self.pool(self.end(self._call(self._stages(), self.attention, x)))

    def _stages(self) -> list[tuple[nn.Module, ...]]:
        return [(self.first,), *zip(self.blocks, self.drops, strict=True)]


def _sizes(size: int, halved: Sequence[bool]) -> list[int]:
    """Pixels a side after each layer."""
    return list(accumulate(halved, lambda pixels, half: pixels // 2 if half else pixels, initial=size))[1:]
