"""Wasserstein GAN. Arjovsky et al. 2017, arXiv:1701.07875."""

from __future__ import annotations

from torch import Tensor

from zerosum.objectives.objective import Objective
from zerosum.precision import wide


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Eq. 3, Arjovsky et al. 2017 (arXiv:1701.07875), negated: E D(G(z)) - E D(x).

    Args:
        real: Values of the critic at real samples, (B,).
        fake: Values of the critic at generated samples, (B,).

    Returns:
        A scalar; its negative estimates the Wasserstein-1 distance if D is the best 1-Lipschitz function.
    """
    return wide(fake).mean() - wide(real).mean()


def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Algorithm 1, line 10, Arjovsky et al. 2017 (arXiv:1701.07875): -E D(G(z)).

    Args:
        real: Not read.
        fake: Values of the critic at generated samples, (B,).

    Returns:
        A scalar.
    """
    return -wide(fake).mean()


wasserstein = Objective(critic_loss, generator_loss)
OBJECTIVES = {"wasserstein": wasserstein}
