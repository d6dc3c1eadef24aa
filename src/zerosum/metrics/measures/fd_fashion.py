"""``fd_fashion``: a Fréchet distance with a floor in the space of the shipped classifier of clothes, 1x32x32."""

from __future__ import annotations

from zerosum.metrics.features.shipped import FEATURES
from zerosum.metrics.measure import LOGITS, Context, Measure, Number
from zerosum.metrics.measures import halves
from zerosum.metrics.score import Plain
from zerosum.metrics.sides import Side

CONSTANTS: dict[str, Plain] = {
    **halves.CONSTANTS,
    "features": f"fashion classifier, {FEATURES} averaged activations",
    "resize": "none",
}


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    return halves.halved_distance("fd_fashion", real, fake)


MEASURE = Measure(
    name="fd_fashion",
    summary="Fréchet distance with a floor, on the shipped classifier of clothes (ours)",
    run=_measure,
    directions={"fd_fashion": "lower", "fd_fashion_floor": "neither"},
    constants=CONSTANTS,
    reads=LOGITS,  # those of the same pass are read by `classes`
    features="shipped",
    published_on=None,
    looks_again=True,
    samples=halves.half,
    most=halves.half,
)
