"""``classes``: number of the ten clothes that a generator makes, by the verdicts of the shipped classifier."""

from __future__ import annotations

import torch

from zerosum.metrics.features.shipped import CLASSES
from zerosum.metrics.measure import LOGITS, Context, Measure, NotApplicable, Number
from zerosum.metrics.measures import fd_fashion
from zerosum.metrics.measures.halves import half, reference
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.class_names import pair_names, renumber
from zerosum.metrics.sides import Side

PRESENT = 0.03  # a class counts as generated from this share on: 30% of its fair share among ten
TRUSTED = 0.8  # share of the reference's labels with which the classifier must agree for its verdicts to mean anything


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    count, names = fake.images.count, real.images.classes
    known = reference(real.images, count, fake.looks, fake.reads, fake.batch)
    if known.labels is None or known.verdicts is None or len(names) != len(CLASSES):
        raise NotApplicable(
            f"'classes' needs labels of {len(CLASSES)} classes, and {real.images.name} has {len(names)}"
        )
    # By name; classes of other names count as those of the same number if the classifier agrees with their labels.
    places = pair_names(names, CLASSES) or tuple(range(len(CLASSES)))
    agreement = float((known.verdicts == renumber(known.labels, places)).double().mean())
    if agreement < TRUSTED:
        raise NotApplicable(
            f"'classes' needs images that the shipped classifier of clothes knows: it agrees with {agreement:.0%} of "
            f"the labels of {real.images.name}"
        )
    counts = torch.bincount(fake.logits.argmax(1), minlength=len(CLASSES)).tolist()
    shares = {name: int(counts[place]) / count for name, place in zip(names, places, strict=True)}
    constants: dict[str, Plain] = {
        "reference_count": count,
        "judge": f"fashion classifier, agrees with {agreement:.0%} of the reference's labels",
    }
    return [Number("classes", sum(share >= PRESENT for share in shares.values()), shares, constants)]


MEASURE = Measure(
    name="classes",
    summary="classes of clothes that are made, by the shipped classifier (ours)",
    run=_measure,
    directions={"classes": "higher"},
    constants={**fd_fashion.CONSTANTS, "of": len(CLASSES), "threshold": PRESENT},
    reads=LOGITS,
    features="shipped",
    published_on=None,
    looks_again=True,
    samples=half,
)
