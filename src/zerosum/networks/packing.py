"""Packing. Lin et al. 2018, arXiv:1712.04086, Section 2: a critic that sees several samples at once.

One that sees m samples of the same origin together can tell a generator without variety from the data, because its
packs repeat themselves. The critic is any network whose input is m times as large. Packs are made of the samples of one
call: parts of a batch (of several processes, or where gradients are accumulated) must be multiples of m.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from zerosum.networks.common import check_positive
from zerosum.networks.critic import BaseCritic, Judgement


def pack(x: Tensor, m: int) -> Tensor:
    """Each m consecutive samples joined along the first dimension of a sample.

    Args:
        x: Images (B, C, H, W), or points (B, F).
        m: Degree of packing, by which B is divisible.

    Returns:
        (B / m, m C, H, W) or (B / m, m F): sample ``i m + j`` is part ``j`` of pack ``i``.
    """
    check_positive(m=m)
    if x.dim() < 2 or x.shape[0] % m:
        raise ValueError(f"samples of shape {tuple(x.shape)} cannot be packed by {m}: take a batch divisible by {m}")
    return x.reshape(x.shape[0] // m, m * x.shape[1], *x.shape[2:])


def packed_shape(shape: Sequence[int], m: int) -> tuple[int, ...]:
    """The shape of one pack of m samples of ``shape``."""
    check_positive(m=m)
    return (m * shape[0], *shape[1:])


class Packed(BaseCritic):
    """``critic`` on packs of m: (B, ...) -> logits (B / m,).

    Args:
        critic: Takes packs, of :func:`packed_shape`.
        m: Samples in a pack.
    """

    def __init__(self, critic: nn.Module, m: int) -> None:
        super().__init__()
        check_positive(m=m)
        self.critic: Any = critic
        self.m = m

    def judge(self, x: Tensor, y: Tensor | None = None) -> Judgement:
        """(B, ...) -> logits (B / m,) and features (B / m, F)."""
        judged: Judgement = self.critic.judge(pack(x, self.m))
        return judged
