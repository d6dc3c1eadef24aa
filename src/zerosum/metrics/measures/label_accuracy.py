"""Whether generated images show the class that was asked for; Odena et al. 2017, arXiv:1610.09585."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.features.base import Extractor
from zerosum.metrics.measure import LOGITS, Context, Measure, Number, share
from zerosum.metrics.shared.class_names import are_numbers, check_pairs, renumber
from zerosum.metrics.sides import Side


class LabelAgreement(NamedTuple):
    """How often a classifier takes images for the class that was asked for.

    Attributes:
        overall: Share of all images, 0 to 1.
        by_class: Share of the images of each class, (K,); nan where there are none.
    """

    overall: float
    by_class: Tensor


def label_accuracy(logits: Tensor, labels: Tensor) -> LabelAgreement:
    """The share of images whose largest logit is that of their label.

    It says nothing of variety: one good image of each class, repeated, scores 1. And the classifier errs too: compare
    with its verdicts on real images.

    Args:
        logits: Logits of a classifier trained on real images, (N, K).
        labels: Classes that were asked for, int64 (N,) in 0 .. K - 1.

    Raises:
        ValueError: There are no images, counts differ, or the classifier does not know a label.
    """
    count, classes = logits.shape
    if labels.shape != (count,) or not count:
        raise ValueError(f"each of at least 1 image needs a label: {count} images, labels {tuple(labels.shape)}")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        low, high = int(labels.min()), int(labels.max())
        raise ValueError(f"labels {low} to {high}: the classifier knows {classes} classes")
    labels = labels.cpu()
    right = (logits.argmax(1).cpu() == labels).double()
    asked = torch.bincount(labels, minlength=classes)
    by_class = torch.zeros(classes, dtype=torch.float64).index_add_(0, labels, right) / asked
    return LabelAgreement(float(right.mean()), by_class)


def _places(real: Side, judge: Extractor, known: int) -> tuple[int, ...]:
    """The classifier's number of each class of the real images: by name, if it has names and they have any."""
    names, theirs = real.class_names, tuple(getattr(judge, "classes", ()))
    if len(names) != known:
        raise ValueError(
            f"'labels' needs a classifier of the {len(names)} classes of {real.images.name}; {judge.name!r} knows "
            f"{known}"
        )
    if not theirs or are_numbers(names):
        return tuple(range(known))
    return check_pairs(names, real.images.name, theirs, f"the classifier {judge.name!r}")


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    places = _places(real, fake.looks, fake.logits.shape[1])
    found, judge = (
        label_accuracy(side.ordered_logits(), renumber(side.labels_among(real), places)) for side in (fake, real)
    )
    by_class = found.by_class[list(places)].tolist()
    details = {name: value for name, value in zip(real.class_names, by_class, strict=True) if value == value}
    number = share("label_accuracy", found.overall, fake.images.count, context.seed)
    return [number._replace(details={**number.details, "real": judge.overall, **details})]


MEASURE = Measure(
    name="labels",
    summary="share of images of the class that was asked for (Odena 2017)",
    run=_measure,
    directions={"label_accuracy": "higher"},
    reads=LOGITS,
    needs=frozenset({"labels"}),
)
