"""Loss-sensitive GAN and its generalisation. Qi 2017, arXiv:1701.06264.

Here the critic's output L is a loss: it should be small for real samples and large for generated ones, by a margin that
grows with the distance between the two. This is the opposite sign of a logit.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives.objective import Goal
from zerosum.precision import wide

MARGIN = 0.0002 * 3 * 64 * 64  # the published scale, for the mean difference of two samples' numbers


def critic_loss(
    real: Tensor, fake: Tensor, margin: Tensor, *, weight: float = 1.0, nu: float = 0.0, real_weight: float = 1.0
) -> Tensor:
    """The critic's side, Qi 2017 (arXiv:1701.06264): gamma E L(x) + lambda E C(Delta(x, G(z)) + L(x) - L(G(z))).

    C(a) = a for a >= 0 and nu a below, so C(a) >= a. nu = 0 is the loss-sensitive GAN; other nu the generalised one:
    1 is the Wasserstein GAN with L = -D (the margin is then a constant of the critic), -1 is C(a) = |a|.

    Args:
        real: Losses L of real samples, (B,).
        fake: Losses L of generated samples, (B,), paired with the real ones by position.
        margin: Margin Delta >= 0 of each pair, (B,).
        weight: Weight of the pairs: lambda.
        nu: Slope of C below 0, at most 1.
        real_weight: Weight of E L(x): gamma; 1 in the paper, 0 in its author's code.

    Returns:
        A scalar.
    """
    check_slope(nu)
    if not real.shape == fake.shape == margin.shape:
        raise ValueError(
            f"real, fake and margin have shapes {tuple(real.shape)}, {tuple(fake.shape)} and {tuple(margin.shape)}: "
            "they are pairs, one number each"
        )
    real, fake, margin = wide(real), wide(fake), wide(margin)
    pairs = F.leaky_relu(margin + real - fake, nu).mean()
    return real_weight * real.mean() + weight * pairs


def generator_loss(real: Tensor | None, fake: Tensor) -> Tensor:
    """The generator's side, Qi 2017 (arXiv:1701.06264): E L(G(z)).

    Args:
        real: Not read.
        fake: Losses L of generated samples, (B,).

    Returns:
        A scalar; its derivative in each L is 1 / B.
    """
    return wide(fake).mean()


def distance_margin(real: Tensor, fake: Tensor, scale: float) -> Tensor:
    """Delta(x, G(z)) = scale |x - G(z)|_1, summed over all numbers of a sample, as in the code of Qi 2017.

    Args:
        real: Real samples x, (B, ...).
        fake: Generated samples G(z) of the same shape, paired by position.
        scale: Scale tau, at least 0; the code has 0.0002 for 3x64x64 numbers in [-1, 1].

    Returns:
        (B,), at least 0.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real and fake have shapes {tuple(real.shape)} and {tuple(fake.shape)}: they must be pairs")
    if not scale >= 0:
        raise ValueError(f"scale={scale}: a margin cannot be negative; 0 means no margin")
    return scale * (wide(real) - wide(fake)).abs().flatten(1).sum(1)


def check_slope(nu: float) -> None:
    """Refuse slopes of C that :func:`critic_loss` cannot have."""
    if not (math.isfinite(nu) and nu <= 1):
        raise ValueError(
            f"nu={nu}: the slope of C must be finite and at most 1, so that C(a) >= a; 0 is LS-GAN, 1 WGAN, -1 |a|"
        )


def _of_logits(real: Tensor, fake: Tensor, x: Tensor, made: Tensor) -> Tensor:
    """The critic's side, with the published margin, where the loss L is the opposite of a logit."""
    return critic_loss(-real, -fake, distance_margin(x, made, MARGIN / x[0].numel()), real_weight=0.0)


OBJECTIVES = {"loss-sensitive": Goal(_of_logits, lambda real, fake: generator_loss(None, -fake))}
