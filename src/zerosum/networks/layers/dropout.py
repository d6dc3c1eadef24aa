"""Dropout that drops the same units whatever the memory layout."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Srivastava et al. 2014: while training, y = x m / (1 - rate), each m being 0 with probability ``rate``, else 1.

    ``nn.Dropout`` fills its mask in the order in which ``x`` lies in memory, which is not the same in a compiled graph.
    This one goes by index, so that a compiled step and an uncompiled one drop the same units from the same seed.

    Args:
        rate: Probability that a unit is dropped, in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"dropout rate {rate}: must be at least 0 and below 1 (it is what is dropped, not kept)")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """A tensor of any shape, with some of its units dropped."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(x.shape, device=x.device) >= self.rate
        return x * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        """The rate."""
        return f"rate={self.rate}"
