"""Fréchet distance within each class, for generators that are given the class."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.measure import VECTORS, Context, Measure, Number
from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.shared.statistics import FeatureStatistics
from zerosum.metrics.sides import Side


class IntraClassDistance(NamedTuple):
    """The mean of the classes' Fréchet distances, and each class's own, by its label."""

    mean: float
    by_class: dict[int, float]


def intra_class_distance(
    real: Tensor,
    real_labels: Tensor,
    generated: Tensor,
    generated_labels: Tensor,
    *,
    names: Sequence[str] | None = None,
) -> IntraClassDistance:
    """Mean over classes of the Fréchet distance between real and generated features of the class.

    Intra-class FID where the features are Inception's; Miyato and Koyama 2018, arXiv:1802.05637, Section 5. Unlike the
    distance of the whole sets, it sees a generator that ignores the class or repeats one image per class.

    Args:
        real: Features of real images, (N, D).
        real_labels: Classes of the real images, integers (N,).
        generated: Features of generated images, (M, D).
        generated_labels: Classes that were asked for, integers (M,), with the same numbers.
        names: Names of the classes, for messages. ``None``: their numbers.

    Raises:
        ValueError: The labels do not fit the features, or a class has fewer than two samples on a side.

    Warns:
        UserWarning: A class has no more samples than dimensions; see :func:`frechet_distance`.
    """
    sides = {"real": _split_by_class(real, real_labels), "generated": _split_by_class(generated, generated_labels)}
    classes = sorted(sides["real"].keys() | sides["generated"].keys())
    if not classes:
        raise ValueError("there are no samples of any class")
    for side, found in sides.items():
        if short := [c for c in classes if len(found.get(c, ())) < 2]:
            told = short if names is None else [names[c] for c in short]
            raise ValueError(f"classes with fewer than 2 {side} samples: {told}; each class needs 2 on both sides")
    by_class = {c: frechet_distance(*(FeatureStatistics.of(found[c]) for found in sides.values())) for c in classes}
    return IntraClassDistance(sum(by_class.values()) / len(classes), by_class)


def _split_by_class(features: Tensor, labels: Tensor) -> dict[int, Tensor]:
    """Features of each label that occurs."""
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(f"features must be (N, D) with N labels, not {tuple(features.shape)}, {tuple(labels.shape)}")
    if labels.is_floating_point():
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    return {int(c): features[labels == c] for c in torch.unique(labels)}


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    names = real.class_names
    x, y = (side.ordered_vectors(context.device) for side in (real, fake))
    labels = (side.labels_among(real).to(x.device) for side in (real, fake))
    found = intra_class_distance(x, next(labels), y, next(labels), names=names)
    details = {names[label]: value for label, value in found.by_class.items()}
    return [Number("intra_fid", found.mean, details, {"classes": len(details)})]


MEASURE = Measure(
    name="intra-fid",
    summary="Fréchet distance within each class (Miyato 2018)",
    run=_measure,
    directions={"intra_fid": "lower"},
    reads=VECTORS,
    needs=frozenset({"labels", "every-class"}),
)
