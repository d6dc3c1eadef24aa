"""Energies instead of logits: EBGAN (Zhao et al. 2017, arXiv:1609.03126) and BEGAN (Berthelot et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zerosum.objectives.objective import ENERGIES, Goal, Objective
from zerosum.precision import wide


def energy_based(margin: float = 1.0) -> Objective:
    """Section 2.1, Zhao et al. 2017 (arXiv:1609.03126): L_D = E D(x) + E [m - D(G(z))]+, L_G = E D(G(z)).

    D is an energy, at least 0, (B,); both losses are scalars >= 0. The critic lowers the energy of real samples and
    raises that of generated ones up to m. At its optimum L_D = m (1 - TV(P, Q)), TV being half the L1 distance: m where
    P = Q, and then any constant energy in [0, m] is optimal.

    Args:
        margin: Energy up to which that of generated samples is raised: m, above 0.
    """
    if not margin > 0:
        raise ValueError(
            f"margin={margin}: must be above 0, since energies are at least 0 and those of generated samples are "
            "raised up to it"
        )

    def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
        return wide(real).mean() + F.relu(margin - wide(fake)).mean()

    def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
        return wide(fake).mean()

    return Objective(critic_loss, generator_loss)


def boundary_equilibrium(k: Tensor) -> Objective:
    """Section 3.4, Berthelot et al. 2017 (arXiv:1703.10717): L_D = E L(x) - k E L(G(z)), L_G = E L(G(z)).

    The arguments of both are reconstruction errors L, at least 0, (B,). L_D is a scalar of either sign, L_G at least 0.

    Args:
        k: Weight k_t in [0, 1], a scalar tensor; :func:`balance` gives the next one.
    """

    def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
        return wide(real).mean() - k * wide(fake).mean()

    def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
        return wide(fake).mean()

    return Objective(critic_loss, generator_loss)


def balance(k: Tensor, real: Tensor, fake: Tensor, gamma: float, rate: float) -> Tensor:
    """Section 3.4, Berthelot et al. 2017 (arXiv:1703.10717): k <- k + lambda_k (gamma L(x) - L(G(z))), in [0, 1].

    Proportional control: k rises while generated samples are reconstructed better than gamma asks for.

    Args:
        k: Weight k_t, a scalar tensor.
        real: Mean error of real samples, E L(x), a scalar tensor.
        fake: Mean error of generated samples, E L(G(z)), a scalar tensor.
        gamma: Diversity ratio E L(G(z)) / E L(x) that is held, in [0, 1].
        rate: Proportional gain lambda_k, above 0.

    Returns:
        k_(t+1), a scalar tensor in [0, 1].
    """
    _check_gamma(gamma)
    if not rate > 0:
        raise ValueError(f"the rate of k, lambda_k, must be above 0, got {rate} (published: 0.001)")
    return torch.clamp(k + rate * (gamma * real - fake), 0, 1)


def convergence(real: Tensor, fake: Tensor, gamma: float) -> Tensor:
    """Section 3.4.1, Berthelot et al. 2017 (arXiv:1703.10717): M = L(x) + |gamma L(x) - L(G(z))|.

    Args:
        real: Mean error of real samples, E L(x), a scalar tensor.
        fake: Mean error of generated samples, E L(G(z)), a scalar tensor.
        gamma: Diversity ratio, in [0, 1].

    Returns:
        A scalar >= 0: the lower, the nearer to convergence.
    """
    _check_gamma(gamma)
    return real + (gamma * real - fake).abs()


def _check_gamma(gamma: float) -> None:
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma={gamma}: the diversity ratio must be in [0, 1]")


OBJECTIVES = {"energy-based": Goal.of(energy_based(0.2), ENERGIES)}
