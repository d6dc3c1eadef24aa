"""Objectives: what each side minimises, as functions of the logits of real and generated samples.

A module that offers objectives to the recipe ``custom`` says so by ``OBJECTIVES``, name -> objective; see
:class:`zerosum.objectives.objective.Goal`.
"""

from zerosum.objectives.hinge_loss import hinge
from zerosum.objectives.least_squares_loss import least_squares
from zerosum.objectives.minimax_loss import minimax, non_saturating
from zerosum.objectives.wasserstein_loss import wasserstein

__all__ = ["hinge", "least_squares", "minimax", "non_saturating", "wasserstein"]
