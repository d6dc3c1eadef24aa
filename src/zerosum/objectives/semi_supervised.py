"""The critic as a classifier of K classes and a fake one. Salimans et al. 2016, arXiv:1606.03498, Section 5.

Subtracting a function of x from all logits changes no softmax, so the logit of class K + 1, "generated", is fixed at 0.
With Z(x) = sum_k exp l_k(x) the critic says "real" with probability D(x) = Z / (Z + 1) = sigmoid(log Z).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives.minimax_loss import critic_loss
from zerosum.precision import wide


def real_logit(logits: Tensor) -> Tensor:
    """Section 5, Salimans et al. 2016 (arXiv:1606.03498): log Z(x), the logit of D(x) = Z(x) / (Z(x) + 1).

    Any objective of two players takes it as the critic's logit.

    Args:
        logits: Logits of the K classes, (B, K).

    Returns:
        (B,), in float32 at least.
    """
    if logits.dim() != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits of shape {tuple(logits.shape)}: (B, K) with K >= 2 classes is needed")
    return torch.logsumexp(wide(logits), 1)


def supervised(logits: Tensor, labels: Tensor) -> Tensor:
    """Section 5, Salimans et al. 2016 (arXiv:1606.03498): -E log p(y | x, y < K + 1) = E[log Z(x) - l_y(x)].

    Args:
        logits: Logits of the K classes for labelled real samples, (B, K).
        labels: Labels, int64 in 0 .. K - 1, (B,).

    Returns:
        A scalar >= 0.
    """
    return F.cross_entropy(wide(logits), labels)


def unsupervised(real: Tensor, fake: Tensor) -> Tensor:
    """Section 5, Salimans et al. 2016 (arXiv:1606.03498): -E log(1 - p(K + 1 | x)) - E log p(K + 1 | G(z)).

    That is the game of Goodfellow et al. with D(x) = Z / (Z + 1). The authors' code halves it.

    Args:
        real: Logits of the K classes for unlabelled real samples, (B, K).
        fake: Logits of the K classes for generated samples, (B, K).

    Returns:
        A scalar >= 0.
    """
    return critic_loss(real_logit(real), real_logit(fake))
