"""Scores: features -> statistics -> a number, with the protocol it was measured under."""

from zerosum.metrics.evaluate import evaluate, why_not
from zerosum.metrics.frechet import frechet_distance
from zerosum.metrics.modes import ModeReport, measure_modes
from zerosum.metrics.score import Score, comparable, differences, require_comparable
from zerosum.metrics.statistics import FeatureStatistics

__all__ = [
    "FeatureStatistics",
    "ModeReport",
    "Score",
    "comparable",
    "differences",
    "evaluate",
    "frechet_distance",
    "measure_modes",
    "require_comparable",
    "why_not",
]
