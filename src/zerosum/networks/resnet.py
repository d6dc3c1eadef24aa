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

from zerosum.networks.common import Conditions, Init, Norm, Wrap, check_positive, glorot_uniform, keep, one_for_each
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.attention import SelfAttention, attend_at
from zerosum.networks.layers.dropout import Dropout
from zerosum.networks.layers.recompute import Run, directly
from zerosum.networks.plans import BIGGAN, SAGAN, SNGAN, WGAN_GP, Plan, flatten, mean_pool, plan_for, sum_pool
from zerosum.networks.residual import DownBlock, FirstBlock, Pool, UpBlock, conv3

__all__ = [
    "BIGGAN", "SAGAN", "SNGAN", "WGAN_GP", "Critic", "DownBlock", "FirstBlock", "Generator", "Plan", "Pool", "UpBlock",
    "flatten", "mean_pool", "sum_pool",
]  # fmt: skip


class Generator(nn.Module):
    """z -> linear -> upsampling blocks, attention between them -> norm-ReLU-conv3x3-tanh.

    Args:
        latent: dimension of z.
        width: the unit of the plan's channels; ``None`` for the published one.
        size: pixels a side, one of the plans'.
        channels: of the image.
        plans: the published layouts by size: ``SNGAN``, ``WGAN_GP``, ``SAGAN`` or ``BIGGAN``.
        norm: channels -> normalisation layer of a block; conditional ones (``zerosum.conditioning``) also take what
            ``forward`` is given for their block.
        last_norm: channels -> the normalisation layer after the blocks, not conditional; ``None`` for ``norm``.
        wrap: applied to each convolution and the linear layer (``spectral_norm``).
        attention: pixels a side at which to attend, after the first block that gets there.
        init: sets the weights of one layer.
        run: how blocks and attention are called: ``recomputed`` keeps less for the backward pass.
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
        run: Run = directly,
    ) -> None:
        super().__init__()
        plan = plan_for(plans, size)
        width = plan.generator_width if width is None else width
        check_positive(latent=latent, width=width, channels=channels)
        widths = [width * k for k in plan.generator]
        self.bottom = plan.bottom
        first = nn.Linear(latent, widths[0] * plan.bottom**2)
        init(first, 1.0)
        self.first = wrap(first)
        self.blocks = nn.ModuleList(
            UpBlock(i, o, norm, wrap, init, inner_bias=plan.inner_bias) for i, o in pairwise(widths)
        )
        outputs = [(plan.bottom * 2**k, w) for k, w in enumerate(widths[1:], 1)]
        self.attention = attend_at(attention, outputs, lambda c: SelfAttention(c, wrap, init))
        self._calls = [(run(block), run(attend)) for block, attend in zip(self.blocks, self.attention, strict=True)]
        self.norm = (last_norm or norm)(widths[-1])
        self.last = wrap(conv3(widths[-1], channels, init, plan.output_gain))

    def forward(self, z: Tensor, condition: Conditions = None) -> Tensor:
        """(B, latent) -> images (B, channels, size, size) in [-1, 1].

        ``condition`` goes to conditional normalisation: one tensor for all blocks, or a sequence with one for each.
        """
        h = self.first(z).reshape(z.shape[0], -1, self.bottom, self.bottom)
        conditions = one_for_each(condition, len(self.blocks))
        for (block, attend), given in zip(self._calls, conditions, strict=True):
            h = attend(block(h, *given))
        return torch.tanh(self.last(F.relu(self.norm(h))))


class Critic(nn.Module):
    """first layer -> residual blocks, some halving the size, attention between them -> ReLU -> pool -> linear.

    Args:
        width: the unit of the plan's channels; ``None`` for the published one.
        size: pixels a side, one of the plans'.
        channels: of the image.
        plans: the published layouts by size: ``SNGAN``, ``WGAN_GP``, ``SAGAN`` or ``BIGGAN``.
        norm: channels -> normalisation layer: ``nn.Identity`` for none, or ``LayerNorm``.
        wrap: applied to each convolution and the linear layer (``spectral_norm``).
        pool: (B, C, H, W) -> (B, features); ``None`` for the plan's.
        head_bias: has the linear layer a bias? (Not in SNGAN's own code, but in most ports.)
        dropout: after each block, how likely a unit is dropped, such as CT-GAN's (0.2, 0.5, 0.5); ``()`` for none.
        attention: pixels a side at which to attend, after the first layer or block that gets there.
        init: sets the weights of one layer.
        run: how blocks and attention are called: ``recomputed`` keeps less for the backward pass.
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
        run: Run = directly,
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
        rates = dropout or (0.0,) * len(self.blocks)
        self.drops = nn.ModuleList(Dropout(rate) for rate in rates)
        sizes = _sizes(size, (isinstance(self.first, FirstBlock), *plan.downs))
        outputs = list(zip(sizes, widths, strict=True))
        self.attention = attend_at(attention, outputs, lambda c: SelfAttention(c, wrap, init))
        first, *others = self.attention
        self._first = run(self.first), run(first)
        self._calls = [(run(block), run(attend)) for block, attend in zip(self.blocks, others, strict=True)]
        features = self.pool(torch.zeros(1, widths[-1], sizes[-1], sizes[-1])).shape[1]
        head = nn.Linear(features, 1, bias=head_bias)
        init(head, 1.0)
        self.last = wrap(head)

    def features(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, features), after pooling."""
        first, attend = self._first
        h = attend(first(x))
        for (block, attend), drop in zip(self._calls, self.drops, strict=True):
            h = attend(drop(block(h)))
        return self.pool(self.end(h))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> logits (B,)."""
        logits: Tensor = self.last(self.features(x))
        return logits.squeeze(1)


def _sizes(size: int, halved: Sequence[bool]) -> list[int]:
    """Pixels a side after each layer."""
    return list(accumulate(halved, lambda pixels, half: pixels // 2 if half else pixels, initial=size))[1:]
