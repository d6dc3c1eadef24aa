"""``fd_random``: a Fréchet distance with a floor in the space of a network that was never trained, for all images."""

from __future__ import annotations

from zerosum.metrics.measure import Context, Measure, Number
from zerosum.metrics.measures import halves
from zerosum.metrics.sides import Side


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    return halves.halved_distance("fd_random", real, fake)


MEASURE = Measure(
    name="fd_random",
    summary="Fréchet distance with a floor, on random convolutions, for images of any kind (after Naeem 2020)",
    run=_measure,
    directions={"fd_random": "lower", "fd_random_floor": "neither"},
    constants=halves.CONSTANTS,
    features="random",
    published_on=None,
    looks_again=True,
    samples=halves.half,
    most=halves.half,
)
