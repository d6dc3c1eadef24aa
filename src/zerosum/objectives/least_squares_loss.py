"""Least squares GAN. Mao et al. 2017, arXiv:1611.04076."""

from __future__ import annotations

from torch import Tensor

from zerosum.objectives.objective import Objective
from zerosum.precision import wide


def least_squares(a: float = 0.0, b: float = 1.0, c: float = 1.0) -> Objective:
    """Eq. 2, Mao et al. 2017 (arXiv:1611.04076): L_D = E[(D(x)-b)^2 + (D(G(z))-a)^2] / 2, L_G = E(D(G(z))-c)^2 / 2.

    D is the raw logit, (B,); both losses are scalars >= 0. With b - c = 1 and b - a = 2, such as (-1, 1, 0), the
    generator minimises the Pearson divergence chi^2(P + Q, 2Q) (Eq. 8) at the optimal critic, once the term that does
    not depend on it is added.

    Args:
        a: Target of the critic for generated samples.
        b: Target of the critic for real samples.
        c: Target of the generator for its samples.
    """
    if a == b:
        raise ValueError(f"a = b = {a}: the critic needs different targets for generated (a) and real (b) samples")

    def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
        return ((wide(real) - b).square().mean() + (wide(fake) - a).square().mean()) / 2

    def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
        return (wide(fake) - c).square().mean() / 2

    return Objective(critic_loss, generator_loss)


OBJECTIVES = {"least-squares": least_squares()}
