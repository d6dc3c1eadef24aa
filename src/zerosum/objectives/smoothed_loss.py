"""One-sided label smoothing. Salimans et al. 2016, arXiv:1606.03498, Section 3.4.

In logits a, with D = sigmoid(a): -t log D - (1 - t) log(1 - D) = softplus(-a) + (1 - t) a = softplus(a) - t a.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives.minimax_loss import non_saturating_loss
from zerosum.objectives.objective import Objective
from zerosum.precision import wide


def smoothed(a: float = 0.1, b: float = 0.0) -> Objective:
    """Section 3.4, Salimans et al. 2016 (arXiv:1606.03498): the critic's targets are 1 - a for real and b for fake.

    L_D is the cross-entropy with these targets, so that D* = ((1 - a) p + b q) / (p + q). One-sided smoothing has
    b = 0, and D* is the usual one times 1 - a. With b > 0 the numerator contains q: where p is nearly 0 and q is not,
    D* is b and nearly flat, and nothing calls the samples there back. L_G is -E log D(G(z)).

    Args:
        a: Distance by which the target of real samples is below 1.
        b: Distance by which the target of generated samples is above 0.
    """
    if not (a >= 0 and b >= 0 and b < 1 - a):
        raise ValueError(
            f"a={a}, b={b}: the targets 1 - a (real) and b (generated) must be in [0, 1], the first above the second; "
            "published: a=0.1, b=0"
        )

    def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
        x, y = wide(real), wide(fake)
        return (F.softplus(-x) + a * x).mean() + (F.softplus(y) - b * y).mean()

    return Objective(critic_loss, non_saturating_loss)


OBJECTIVES = {"smoothed": smoothed()}
