"""Objectives: what each side minimises, as functions of the logits of real and generated samples."""

from zerosum.objectives.hinge import hinge
from zerosum.objectives.least_squares import least_squares
from zerosum.objectives.minimax import minimax, non_saturating
from zerosum.objectives.wasserstein import wasserstein

__all__ = ["hinge", "least_squares", "minimax", "non_saturating", "wasserstein"]
