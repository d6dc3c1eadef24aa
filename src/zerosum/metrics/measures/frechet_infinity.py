"""Fréchet distance of infinitely many samples, extrapolated from finite numbers."""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.measure import VECTORS, Context, Measure, Number, Option
from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.shared.ordering import DRAWN
from zerosum.metrics.shared.statistics import FeatureStatistics
from zerosum.metrics.sides import Side

POINTS = 15
SMALLEST = 5000


class FrechetInfinity(NamedTuple):
    """The intercept of distances over 1 / N, and the line that it comes from.

    Attributes:
        value: Distance at N = infinity; noise can put it slightly below 0.
        standard_error: Standard error of the value: the root of the summed squares of ``line_error`` and of the
            sampling error of a distance at N, which is taken from the spread of distances of disjoint subsets of the
            smallest size. It is too large rather than too small where the two distributions are equal.
        line_error: Standard error of only the intercept, from the scatter of the points about the line. The subsets
            come from one set of features and the larger ones overlap, so this part does not say how much another set
            of N features would differ.
        slope: Slope of the line; the bias of the distance at N samples is about ``slope / N``.
        sizes: Number of samples N of each point.
        distances: Fréchet distance of each point.
    """

    value: float
    standard_error: float
    line_error: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_infinity(
    features: Tensor, reference: FeatureStatistics, *, points: int = POINTS, smallest: int | None = None, seed: int = 0
) -> FrechetInfinity:
    """Fréchet distance without the bias of finitely many samples; FID-infinity where the features are Inception's.

    Chong and Forsyth 2020, arXiv:1911.07023: distances at several N, each of a fresh random subset, a line in 1 / N by
    least squares, its value at 0. The bias of the reference's own finite number stays.

    Args:
        features: Features of the evaluated set, (N, D).
        reference: Statistics of the set that it is compared with.
        points: Number of sizes, evenly spaced up to N.
        smallest: Smallest size; by default 5000 (or N / 10, if that is more), but at most N / 2. The line holds where
            sizes are well above D.
        seed: Seed of the subsets.

    Raises:
        ValueError: There are fewer than 3 points, the smallest size is below 2 or above N / 2, or
            :func:`frechet_distance` refuses the features.

    Warns:
        UserWarning: A size is not above D; see :func:`frechet_distance`.
    """
    n = len(features)
    first = min(max(SMALLEST, n // 10), n // 2) if smallest is None else smallest
    if points < 3:
        raise ValueError(f"a line with a standard error needs at least 3 points, not {points}")
    if not 2 <= first <= n // 2:
        raise ValueError(f"the smallest of the sizes must be from 2 to half of the {n} samples, not {first}")
    rng = generator(seed, "frechet infinity")

    def shuffle() -> Tensor:
        return torch.randperm(n, generator=rng).to(features.device)

    def distance(chosen: Tensor) -> float:
        return frechet_distance(FeatureStatistics.of(features[chosen]), reference)

    sizes = torch.linspace(first, n, points, dtype=torch.float64).long().tolist()
    distances = [distance(shuffle()[:size]) for size in sizes]
    intercept, line_error, slope = _fit_line(sizes, distances)
    # Variance goes with 1 / N where the distributions differ: the spread of groups of n / g gives that of n.
    disjoint = shuffle()[: n // first * first].view(-1, first)
    apart = torch.tensor([distance(group) for group in disjoint], dtype=torch.float64)
    sampling_error = float(apart.std()) / len(apart) ** 0.5
    error = (line_error**2 + sampling_error**2) ** 0.5
    return FrechetInfinity(intercept, error, line_error, slope, tuple(sizes), tuple(distances))


def _fit_line(sizes: list[int], distances: list[float]) -> tuple[float, float, float]:
    """Least squares of distances over 1 / N: intercept, its standard error, slope."""
    x = 1 / torch.tensor(sizes, dtype=torch.float64)
    y = torch.tensor(distances, dtype=torch.float64)
    spread = (x - x.mean()).square().sum()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / spread
    intercept = y.mean() - slope * x.mean()
    residual_variance = (y - intercept - slope * x).square().sum() / (len(sizes) - 2)
    error = (residual_variance * (1 / len(sizes) + x.mean().square() / spread)).sqrt()
    return float(intercept), float(error), float(slope)


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    points, smallest = context.options.get("points", POINTS), context.options.get("smallest")
    vectors = fake.ordered_vectors(context.device)
    found = frechet_infinity(vectors, real.moments, points=points, smallest=smallest, seed=context.seed)
    details = {"standard_error": found.standard_error, "slope": found.slope}
    return [Number("fid_infinity", found.value, details, {"smallest": min(found.sizes)})]


MEASURE = Measure(
    name="fid-infinity",
    summary="Fréchet distance less its finite-sample bias (Chong 2020)",
    run=_measure,
    directions={"fid_infinity": "lower"},
    constants={"points": POINTS, **DRAWN},
    options={
        "points": Option(
            default=POINTS, text="numbers of images on the line", source="Chong and Forsyth 2020", least=3
        ),
        "smallest": Option(
            default=SMALLEST,
            text="smallest of these numbers (by default a tenth of the images where that is more, at most half)",
            source="Chong and Forsyth 2020",
            least=2,
            most=lambda real, fake: fake // 2,
            gives_way=True,
        ),
    },
    reads=VECTORS,
)
