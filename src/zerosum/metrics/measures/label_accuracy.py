"""Whether generated images show the class that was asked for; Odena et al. 2017, arXiv:1610.09585."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.measure import LOGITS, Context, Measure, Number, share
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
    right = (logits.argmax(1) == labels).double()
    asked = torch.bincount(labels, minlength=classes)
    by_class = torch.zeros(classes, dtype=torch.float64).index_add_(0, labels.cpu(), right.cpu()) / asked.cpu()
    return LabelAgreement(float(right.mean()), by_class)


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    names, known = fake.images.classes, fake.logits.shape[1]
    if len(names) != known:
        raise ValueError(
            f"'labels' needs a classifier of the {len(names)} classes of {fake.images.name}; {fake.looks.name!r} "
            f"knows {known}"
        )
    found, judge = label_accuracy(fake.logits, fake.labels), label_accuracy(real.logits, real.labels)
    details = {name: value for name, value in zip(names, found.by_class.tolist(), strict=True) if value == value}
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
