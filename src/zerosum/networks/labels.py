"""Labels as networks see them: class numbers, or weights of the classes for what lies between."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def rows(table: Tensor, y: Tensor) -> Tensor:
    """The rows of ``table`` (K, C) that labels stand for, (B, C).

    Args:
        table: Table with one row for each class.
        y: Labels, int64 (B,) in 0 .. K - 1, or float (B, K) with the weight of each class, for images between classes.
    """
    return y.to(table.dtype) @ table if y.is_floating_point() else F.embedding(y, table)


def weights(y: Tensor, classes: int) -> Tensor:
    """Labels as weights of the classes, float (B, K): one-hot codes of class numbers; weights as they are."""
    return y if y.is_floating_point() else F.one_hot(y, classes).float()
