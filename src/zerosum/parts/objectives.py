"""Objectives by name, each as a function of all there is to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from zerosum.core.game import Objective
from zerosum.objectives import hinge, least_squares, loss_sensitive, minimax, non_saturating, wasserstein
from zerosum.objectives.energy import energy_based
from zerosum.objectives.f_divergence import DIVERGENCES, f_gan
from zerosum.objectives.relativistic import (
    average_hinge,
    average_least_squares,
    average_relativistic,
    relativistic,
)
from zerosum.objectives.smoothed import smoothed
from zerosum.parts.situation import Situation

LOGITS, ENERGIES = "logits", "energies"  # logits have any sign, large for real; energies are >= 0, small for real
MARGIN = 0.0002 * 3 * 64 * 64  # of the loss-sensitive GAN, for the mean difference of two samples' numbers


@dataclass(frozen=True)
class Goal:
    """What both players minimise.

    Attributes:
        d: the critic.
        g: the generator.
        needs_real: does ``g`` read what the critic says of real samples?
        reads: ``"logits"`` or ``"energies"``.
    """

    d: Callable[[Situation], Tensor]
    g: Callable[[Situation], Tensor]
    needs_real: bool = False
    reads: str = LOGITS


def of(objective: Objective, reads: str = LOGITS) -> Goal:
    """An objective of logits or energies alone."""
    return Goal(
        lambda s: objective.d(s.real_value, s.fake_value),
        lambda s: objective.g(s.real_value if objective.needs_real else None, s.fake_value),
        objective.needs_real,
        reads,
    )


def _margin(s: Situation) -> Tensor:
    return loss_sensitive.distance_margin(s.x, s.fake, MARGIN / s.x[0].numel())


GOALS: dict[str, Goal] = {
    "minimax": of(minimax),
    "non-saturating": of(non_saturating),
    "smoothed": of(smoothed()),
    "least-squares": of(least_squares()),
    "wasserstein": of(wasserstein),
    "hinge": of(hinge),
    "relativistic": of(relativistic),
    "average-relativistic": of(average_relativistic),
    "average-least-squares": of(average_least_squares),
    "average-hinge": of(average_hinge),
    **{f"f-{name}": of(f_gan(row)) for name, row in DIVERGENCES.items()},
    # Its loss L is the opposite of a logit.
    "loss-sensitive": Goal(
        lambda s: loss_sensitive.critic_loss(-s.real_value, -s.fake_value, _margin(s), real_weight=0.0),
        lambda s: loss_sensitive.generator_loss(None, -s.fake_value),
    ),
    "energy-based": of(energy_based(0.2), ENERGIES),
}
