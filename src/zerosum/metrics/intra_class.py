"""Fréchet distance within each class, for generators that are told the class."""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.frechet import frechet_distance
from zerosum.metrics.statistics import FeatureStatistics


class IntraClassDistance(NamedTuple):
    """The mean of the classes' Fréchet distances, and each class's own, by its label."""

    mean: float
    by_class: dict[int, float]


def intra_class_distance(
    real: Tensor, real_labels: Tensor, generated: Tensor, generated_labels: Tensor
) -> IntraClassDistance:
    """Mean over classes of the Fréchet distance between real and generated features of the class.

    Intra-class FID where the features are Inception's; Miyato and Koyama 2018, arXiv:1802.05637, Section 5. Unlike the
    distance of the whole sets, it sees a generator that ignores the class or repeats one image per class.

    Args:
        real: (N, D).
        real_labels: (N,), integers.
        generated: (M, D).
        generated_labels: (M,), integers: the classes asked for.

    Raises:
        ValueError: if labels do not fit features, or a class has fewer than two samples on a side.

    Warns:
        UserWarning: as :func:`frechet_distance`, if a class has no more samples than dimensions.
    """
    sides = {"real": _by_class(real, real_labels), "generated": _by_class(generated, generated_labels)}
    classes = sorted(sides["real"].keys() | sides["generated"].keys())
    if not classes:
        raise ValueError("there are no samples of any class")
    for side, found in sides.items():
        if short := [c for c in classes if len(found.get(c, ())) < 2]:
            raise ValueError(f"classes with fewer than 2 {side} samples: {short}; each class needs 2 on both sides")
    by_class = {c: frechet_distance(*(FeatureStatistics.of(found[c]) for found in sides.values())) for c in classes}
    return IntraClassDistance(sum(by_class.values()) / len(classes), by_class)


def _by_class(features: Tensor, labels: Tensor) -> dict[int, Tensor]:
    """Features of each label that occurs."""
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(f"needs features (N, D) and N labels, not {tuple(features.shape)}, {tuple(labels.shape)}")
    if labels.is_floating_point():
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    return {int(c): features[labels == c] for c in torch.unique(labels)}
