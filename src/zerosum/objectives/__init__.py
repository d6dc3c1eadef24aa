"""Objectives: what each side minimises, as functions of the logits of real and generated samples.

``objectives.hinge.d(real, fake)`` is the loss of the critic and ``objectives.hinge.g(real, fake)`` that of the
generator, where ``real`` may be ``None`` unless ``objectives.hinge.needs_real``. Names without ``d`` and ``g`` are
functions that make such a pair, or losses of other shapes.

A module that offers objectives to the recipe ``custom`` says so by ``OBJECTIVES``, name -> objective; see
:class:`zerosum.objectives.objective.Goal`.
"""

from zerosum.objectives import classification, energy, f_divergence, loss_sensitive, semi_supervised
from zerosum.objectives.classification import class_loss
from zerosum.objectives.energy import boundary_equilibrium, energy_based
from zerosum.objectives.f_divergence import f_gan, f_gan_heuristic
from zerosum.objectives.hinge_loss import hinge
from zerosum.objectives.least_squares_loss import least_squares
from zerosum.objectives.minimax_loss import minimax, non_saturating
from zerosum.objectives.objective import Goal, Objective
from zerosum.objectives.relativistic_loss import (
    average_hinge,
    average_least_squares,
    average_relativistic,
    relativistic,
)
from zerosum.objectives.smoothed_loss import smoothed
from zerosum.objectives.wasserstein_loss import wasserstein

__all__ = [
    "Goal",
    "Objective",
    "average_hinge",
    "average_least_squares",
    "average_relativistic",
    "boundary_equilibrium",
    "class_loss",
    "classification",
    "energy",
    "energy_based",
    "f_divergence",
    "f_gan",
    "f_gan_heuristic",
    "hinge",
    "least_squares",
    "loss_sensitive",
    "minimax",
    "non_saturating",
    "relativistic",
    "semi_supervised",
    "smoothed",
    "wasserstein",
]


def __dir__() -> list[str]:
    return __all__
