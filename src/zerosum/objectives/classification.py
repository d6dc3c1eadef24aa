"""What a classifier of the critic's minimises. Odena et al. 2017, arXiv:1610.09585, Section 3."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zerosum.precision import wide


def class_loss(classes: Tensor | None, y: Tensor) -> Tensor:
    """L_C of Section 3, Odena et al. 2017 (arXiv:1610.09585), negated: -E log P(C = y | x).

    Args:
        classes: Logits of the classes, (B, K), as ``Judgement.classes`` has them.
        y: Labels, int64 (B,) in 0 .. K - 1.

    Returns:
        A scalar >= 0; log K for a classifier that says the same of all classes.

    Raises:
        TypeError: The critic does not classify.
    """
    if classes is None:
        raise TypeError("this critic does not classify: give it an auxiliary classifier (conditioning.auxiliary)")
    return F.cross_entropy(wide(classes), y)
