"""Scores: samples -> features -> statistics -> a number, with the protocol that it was measured under."""

from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.measures.modes import ModeReport, measure_modes
from zerosum.metrics.registry import defaults_for, why_not
from zerosum.metrics.score import Score, comparable, differences, require_comparable
from zerosum.metrics.shared.statistics import FeatureStatistics
from zerosum.metrics.suite import evaluate

__all__ = [
    "FeatureStatistics",
    "ModeReport",
    "Score",
    "comparable",
    "defaults_for",
    "differences",
    "evaluate",
    "frechet_distance",
    "measure_modes",
    "require_comparable",
    "why_not",
]
