"""Relativistic objectives. Jolicoeur-Martineau 2018, arXiv:1807.00734.

The critic C says how much more realistic a real sample is than a generated one, so that only differences of its logits
count: adding a constant to all of them changes nothing. Both players read both kinds; the generator's loss is the
critic's with real and generated exchanged. The averages are over the batch as the loss sees it: a rank's share of it,
or one part of it where gradients are accumulated. Gradients flow through them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives.objective import Objective
from zerosum.precision import wide


def relativistic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """RSGAN's critic loss, Jolicoeur-Martineau 2018 (arXiv:1807.00734): -E log sigmoid(C(x) - C(G(z))).

    Over pairs, the i-th real sample with the i-th generated one.

    Args:
        real: Logits of real samples, (B,).
        fake: Logits of generated samples, (B,).

    Returns:
        A scalar >= 0; at the optimal critic, log p(x)/q(x) up to a constant, it is log 2 - JSD(P x Q, Q x P).

    Raises:
        ValueError: The batches differ in size.
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"real logits have shape {tuple(real.shape)}, fake logits {tuple(fake.shape)}: samples are compared in "
            "pairs, so draw as many of each, or take an average objective (average_relativistic)"
        )
    return F.softplus(wide(fake) - wide(real)).mean()


def average_relativistic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """RaSGAN's critic loss, Jolicoeur-Martineau 2018 (arXiv:1807.00734), with the factor 1/2 of the authors' code.

    (-E log sigmoid(C(x) - E C(G(z))) - E log(1 - sigmoid(C(G(z)) - E C(x)))) / 2.

    Args:
        real: Logits of real samples, (B,).
        fake: Logits of generated samples, (B',).

    Returns:
        A scalar >= 0; log 2 at the optimal critic where P = Q.
    """
    above, below = _from_the_other_mean(real, fake)
    return (F.softplus(-above).mean() + F.softplus(below).mean()) / 2


def average_least_squares_loss(real: Tensor, fake: Tensor) -> Tensor:
    """RaLSGAN's critic loss, Jolicoeur-Martineau 2018 (arXiv:1807.00734), with the factor 1/2 of the authors' code.

    (E (C(x) - E C(G(z)) - 1)^2 + E (C(G(z)) - E C(x) + 1)^2) / 2.

    Args:
        real: Logits of real samples, (B,).
        fake: Logits of generated samples, (B',).

    Returns:
        A scalar >= 0; with S = sum (p - q)^2 / (p + q), it is (2 - S) / (2 + 3 S) at the optimal critic.
    """
    above, below = _from_the_other_mean(real, fake)
    return ((above - 1).square().mean() + (below + 1).square().mean()) / 2


def average_hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """RaHingeGAN's critic loss, Jolicoeur-Martineau 2018 (arXiv:1807.00734), with the factor 1/2 of the authors' code.

    (E max(0, 1 - (C(x) - E C(G(z)))) + E max(0, 1 + (C(G(z)) - E C(x)))) / 2.

    Args:
        real: Logits of real samples, (B,).
        fake: Logits of generated samples, (B',).

    Returns:
        A scalar >= 0; 1 at the optimal critic where P = Q.
    """
    above, below = _from_the_other_mean(real, fake)
    return (F.relu(1 - above).mean() + F.relu(1 + below).mean()) / 2


def _from_the_other_mean(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """(C(x) - E C(G(z)), C(G(z)) - E C(x))."""
    real, fake = wide(real), wide(fake)
    return real - fake.mean(), fake - real.mean()


def _symmetric(critic_loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """The generator minimises what the critic does, with real and generated exchanged."""
    return Objective(critic_loss, lambda real, fake: critic_loss(fake, real), needs_real=True)


relativistic = _symmetric(relativistic_loss)
average_relativistic = _symmetric(average_relativistic_loss)
average_least_squares = _symmetric(average_least_squares_loss)
average_hinge = _symmetric(average_hinge_loss)
OBJECTIVES = {
    "relativistic": relativistic,
    "average-relativistic": average_relativistic,
    "average-least-squares": average_least_squares,
    "average-hinge": average_hinge,
}
