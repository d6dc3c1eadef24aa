"""The original game, minimax and non-saturating. Goodfellow et al. 2014, arXiv:1406.2661.

In logits a, with D = sigmoid(a): -log D = softplus(-a) and -log(1 - D) = softplus(a), which never overflow.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives.objective import Objective
from zerosum.precision import wide


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Eq. 1, Goodfellow et al. 2014 (arXiv:1406.2661), negated: -E log D(x) - E log(1 - D(G(z))).

    Args:
        real: Logits of real samples, (B,).
        fake: Logits of generated samples, (B,).

    Returns:
        A scalar >= 0; at the optimal critic it is log 4 - 2 JSD(P, Q).
    """
    return F.softplus(-wide(real)).mean() + F.softplus(wide(fake)).mean()


def minimax_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Eq. 1, Goodfellow et al. 2014 (arXiv:1406.2661), the part that G moves: E log(1 - D(G(z))).

    Args:
        real: Not read.
        fake: Logits of generated samples, (B,).

    Returns:
        A scalar <= 0; its derivative in a logit a is -sigmoid(a) / B, which vanishes where D rejects.
    """
    return -F.softplus(wide(fake)).mean()


def non_saturating_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Section 3, Goodfellow et al. 2014 (arXiv:1406.2661): -E log D(G(z)).

    Args:
        real: Not read.
        fake: Logits of generated samples, (B,).

    Returns:
        A scalar >= 0; its derivative in a logit a is -(1 - sigmoid(a)) / B.
    """
    return F.softplus(-wide(fake)).mean()


minimax = Objective(critic_loss, minimax_loss)
non_saturating = Objective(critic_loss, non_saturating_loss)
OBJECTIVES = {"minimax": minimax, "non-saturating": non_saturating}
