"""Scores: samples -> features -> statistics -> a number, with the protocol that it was measured under.

For a loop of one's own there is a class for each measure, such as :class:`FID`; ``Metric(name)`` is any of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zerosum.metrics.measures.frechet import frechet_distance
    from zerosum.metrics.measures.modes import ModeReport, measure_modes
    from zerosum.metrics.named import (
        CMMD,
        FID,
        KID,
        MSSSIM,
        PRD,
        SFID,
        Copying,
        DensityCoverage,
        FDDINOv2,
        FDFashion,
        FDRandom,
        FIDInfinity,
        InceptionScore,
        IntraFID,
        LabelAccuracy,
        PrecisionRecall,
        SlicedWasserstein,
        TwoSampleTests,
    )
    from zerosum.metrics.objects import Metric
    from zerosum.metrics.registry import defaults_for, why_not
    from zerosum.metrics.score import Score, comparable, differences, require_comparable
    from zerosum.metrics.scores import Scores
    from zerosum.metrics.shared.statistics import FeatureStatistics
    from zerosum.metrics.suite import evaluate

__all__ = [
    "CMMD",
    "FID",
    "KID",
    "MSSSIM",
    "PRD",
    "SFID",
    "Copying",
    "DensityCoverage",
    "FDDINOv2",
    "FDFashion",
    "FDRandom",
    "FIDInfinity",
    "FeatureStatistics",
    "InceptionScore",
    "IntraFID",
    "LabelAccuracy",
    "Metric",
    "ModeReport",
    "PrecisionRecall",
    "Score",
    "Scores",
    "SlicedWasserstein",
    "TwoSampleTests",
    "comparable",
    "defaults_for",
    "differences",
    "evaluate",
    "frechet_distance",
    "measure_modes",
    "require_comparable",
    "why_not",
]

_HOME = {
    "FeatureStatistics": "shared.statistics",
    "Metric": "objects",
    "ModeReport": "measures.modes",
    "Score": "score",
    "Scores": "scores",
    "comparable": "score",
    "defaults_for": "registry",
    "differences": "score",
    "evaluate": "suite",
    "frechet_distance": "measures.frechet",
    "measure_modes": "measures.modes",
    "require_comparable": "score",
    "why_not": "registry",
}


if not TYPE_CHECKING:  # for checkers of types the names above are all that there are

    def __getattr__(name: str) -> Any:
        # Loaded on first use: importing this must not wait for torch.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME.get(name, 'named')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
