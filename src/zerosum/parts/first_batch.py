"""Real samples from which a network is set before training."""

from __future__ import annotations

import torch
from torch import Tensor

from zerosum.data.base import Data


def drawn_seed() -> int:
    """A number that follows from the seed of the run, as initial weights do."""
    return int(torch.randint(2**31, ()))


def first_batch(data: Data, size: int) -> Tensor | None:
    """A batch of real samples that follows from the seed of the run, the same on every process.

    Args:
        data: Data to learn.
        size: Samples in a batch of training. There are fewer where the data have not so many.

    Returns:
        Samples, (size, ...). ``None`` where there are not two to compare, or where the data only stand for those of a
        run that is opened again, whose checkpoint has what was set from them.
    """
    count = size if data.count is None else min(size, data.count)
    return data.batch(0, count, seed=drawn_seed())[0] if data.at_hand and count > 1 else None
