"""CT-GAN's consistency term: what a critic with dropout says twice of the same samples should agree."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zerosum.networks.critic import Judgement
from zerosum.precision import in_float32


def consistency(one: Judgement, two: Judgement, margin: float = 0.0, share: float = 0.1) -> Tensor:
    """The consistency term of Wei et al. 2018 (arXiv:1803.01541), without its weight lambda_2.

    E max(0, d(D(x'), D(x'')) + share d(D_(x'), D_(x'')) - margin), with x' and x'' two passes of the same real x. As
    in the authors' code, d is the squared difference of two logits, and its mean over the units of two feature maps.

    Args:
        one: First pass, x'.
        two: Second pass, x'', of the same samples in the same order.
        margin: Difference M' that costs nothing, >= 0.
        share: Weight of the features.

    Returns:
        A scalar >= 0.

    Raises:
        ValueError: The passes differ in shape.
    """
    for name, a, b in (("logits", one.logits, two.logits), ("features", one.features, two.features)):
        if a.shape != b.shape:
            raise ValueError(f"{name} have shapes {tuple(a.shape)} and {tuple(b.shape)}: pass the same samples twice")

    def term(logits: Tensor, other: Tensor, features: Tensor, others: Tensor) -> Tensor:
        apart = (logits - other).square() + share * (features - others).square().flatten(1).mean(1)
        return F.relu(apart - margin).mean()

    return in_float32(term, one.logits, two.logits, one.features, two.features)
