"""The hinge version of the adversarial loss. Miyato et al. 2018, arXiv:1802.05957."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives.objective import Objective
from zerosum.precision import wide


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Eq. 16, Miyato et al. 2018 (arXiv:1802.05957), negated: E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))).

    Args:
        real: Logits of real samples, (B,).
        fake: Logits of generated samples, (B,).

    Returns:
        A scalar >= 0; at the optimal critic it is 2 - 2 TV(P, Q), TV being half the L1 distance.
    """
    return F.relu(1 - wide(real)).mean() + F.relu(1 + wide(fake)).mean()


def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Eq. 17, Miyato et al. 2018 (arXiv:1802.05957), negated: -E D(G(z)).

    Args:
        real: Not read.
        fake: Logits of generated samples, (B,).

    Returns:
        A scalar.
    """
    return -wide(fake).mean()


hinge = Objective(critic_loss, generator_loss)
OBJECTIVES = {"hinge": hinge}
