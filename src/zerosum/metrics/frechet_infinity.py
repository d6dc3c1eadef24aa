"""Fréchet distance of infinitely many samples, extrapolated from finite numbers."""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.frechet import frechet_distance
from zerosum.metrics.statistics import FeatureStatistics

POINTS = 15
SMALLEST = 5000


class FrechetInfinity(NamedTuple):
    """The intercept of distances over 1 / N, and the line it comes from.

    Attributes:
        value: the distance at N = infinity; noise can put it slightly below 0.
        standard_error: of the value: the root of the squares' sum of ``line_error`` and of the sampling error of a
            distance at N, from the spread of distances of disjoint subsets of the smallest size. Too large rather than
            too small where the two distributions are equal.
        line_error: standard error of the intercept alone, from the points' scatter about the line. The subsets come
            from one set of features and the larger ones overlap, so this part does not hold how much another set of N
            features would differ.
        slope: of the line; the bias of the distance at N samples is about ``slope / N``.
        sizes: N of each point.
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
        features: (N, D), of the evaluated set.
        reference: statistics of the set it is compared with.
        points: how many sizes, evenly spaced up to N.
        smallest: the smallest size; 5000 (or N / 10, if that is more), but at most N / 2. The line holds where sizes
            are well above D.
        seed: of the subsets.

    Raises:
        ValueError: for fewer than 3 points, a smallest size below 2 or above N / 2, or features that
            :func:`frechet_distance` refuses.

    Warns:
        UserWarning: as :func:`frechet_distance`, if a size is not above D.
    """
    n = len(features)
    first = min(max(SMALLEST, n // 10), n // 2) if smallest is None else smallest
    if points < 3:
        raise ValueError(f"a line with a standard error needs at least 3 points, not {points}")
    if not 2 <= first <= n // 2:
        raise ValueError(f"the smallest of the sizes must be from 2 to half of the {n} samples, not {first}")
    rng = generator(seed, "frechet infinity")

    def shuffled() -> Tensor:
        return torch.randperm(n, generator=rng).to(features.device)

    def distance(chosen: Tensor) -> float:
        return frechet_distance(FeatureStatistics.of(features[chosen]), reference)

    sizes = torch.linspace(first, n, points, dtype=torch.float64).long().tolist()
    distances = [distance(shuffled()[:size]) for size in sizes]
    intercept, line_error, slope = _line(sizes, distances)
    # Variance goes with 1 / N where the distributions differ: the spread of groups of n / g gives that of n.
    disjoint = shuffled()[: n // first * first].view(-1, first)
    apart = torch.tensor([distance(group) for group in disjoint], dtype=torch.float64)
    sampling_error = float(apart.std()) / len(apart) ** 0.5
    error = (line_error**2 + sampling_error**2) ** 0.5
    return FrechetInfinity(intercept, error, line_error, slope, tuple(sizes), tuple(distances))


def _line(sizes: list[int], distances: list[float]) -> tuple[float, float, float]:
    """Least squares of distances over 1 / N: intercept, its standard error, slope."""
    x = 1 / torch.tensor(sizes, dtype=torch.float64)
    y = torch.tensor(distances, dtype=torch.float64)
    spread = (x - x.mean()).square().sum()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / spread
    intercept = y.mean() - slope * x.mean()
    residual_variance = (y - intercept - slope * x).square().sum() / (len(sizes) - 2)
    error = (residual_variance * (1 / len(sizes) + x.mean().square() / spread)).sqrt()
    return float(intercept), float(error), float(slope)
