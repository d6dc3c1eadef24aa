"""Extrapolation to infinitely many samples, on Gaussians whose distance is known, and lines against scipy."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.measures.frechet_infinity import frechet_infinity
from zerosum.metrics.shared.statistics import FeatureStatistics

D = 16


def standard_normal() -> FeatureStatistics:
    """Exactly N(0, 1), as if from very many samples."""
    n = 10**9
    return FeatureStatistics(n, torch.zeros(D, dtype=torch.float64), torch.eye(D, dtype=torch.float64) * (n - 1))


def drawn(n: int, seed: int, mean: float = 0.1, scale: float = 1.1) -> Tensor:
    """N(mean, scale^2): at distance D (mean^2 + (scale - 1)^2) of the standard normal."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, D, generator=rng, dtype=torch.float64) * scale + mean


def test_removes_the_bias_and_states_its_error() -> None:
    true = D * (0.1**2 + 0.1**2)
    found, plain = [], []
    for seed in range(30):
        features = drawn(1500, seed)
        plain.append(frechet_distance(FeatureStatistics.of(features), standard_normal()))
        found.append(frechet_infinity(features, standard_normal(), points=8, smallest=150, seed=seed))
    values, errors = (np.array([getattr(f, name) for f in found]) for name in ("value", "standard_error"))
    scatter = values.std(ddof=1) / 30**0.5
    assert np.mean(plain) - true > 3 * scatter  # biased
    assert abs(values.mean() - true) < 3 * scatter  # not any more
    assert 0.7 < errors.mean() / values.std(ddof=1) < 1.4
    assert np.mean([f.slope for f in found]) / 1500 == pytest.approx(np.mean(plain) - true, rel=0.4)


def test_equal_distributions_are_at_zero_within_the_error() -> None:
    found = frechet_infinity(drawn(3000, 0, 0.0, 1.0), standard_normal(), smallest=300)
    assert abs(found.value) < 3 * found.standard_error
    assert abs(found.value) < found.distances[-1] / 2


def test_line_is_scipy_s() -> None:
    found = frechet_infinity(drawn(800, 1), standard_normal(), points=6, smallest=100)
    line = scipy.stats.linregress(1 / np.array(found.sizes), found.distances)
    assert (found.value, found.line_error, found.slope) == pytest.approx(
        (line.intercept, line.intercept_stderr, line.slope), rel=1e-9
    )
    assert found.standard_error > found.line_error


def test_sizes_and_the_largest_distance() -> None:
    features = drawn(1000, 2)
    found = frechet_infinity(features, standard_normal(), points=4)
    assert found.sizes == (500, 666, 833, 1000)
    whole = frechet_distance(FeatureStatistics.of(features), standard_normal())
    assert found.distances[-1] == pytest.approx(whole, rel=1e-9)  # in whatever order
    assert frechet_infinity(drawn(12_000, 2), standard_normal(), points=3).sizes == (5000, 8500, 12_000)


def test_subsets_are_random() -> None:
    # Sorted by a trend: the first samples alone are far from all.
    features = drawn(1000, 5).sort(dim=0).values
    found = frechet_infinity(features, standard_normal(), points=3, smallest=200)
    first = frechet_distance(FeatureStatistics.of(features[:200]), standard_normal())
    assert max(found.distances) < 0.7 * first


def test_seed_decides() -> None:
    features = drawn(400, 3)
    first = frechet_infinity(features, standard_normal(), points=3, seed=1)
    assert first == frechet_infinity(features, standard_normal(), points=3, seed=1)
    assert first != frechet_infinity(features, standard_normal(), points=3, seed=2)


def test_what_is_refused() -> None:
    features = drawn(100, 4)
    with pytest.raises(ValueError, match="at least 3 points"):
        frechet_infinity(features, standard_normal(), points=2)
    with pytest.raises(ValueError, match="from 2 to half of the 100 samples, not 51"):
        frechet_infinity(features, standard_normal(), smallest=51)
    with pytest.raises(ValueError, match="half of the 1 samples"):
        frechet_infinity(features[:1], standard_normal())
    with pytest.raises(ValueError, match="NaN"):
        frechet_infinity(features * float("nan"), standard_normal())
    with pytest.raises(ValueError, match="3 with features of 16 dimensions"):
        frechet_infinity(features[:, :3], standard_normal())
    with pytest.warns(UserWarning, match="biased upwards"):
        frechet_infinity(features, standard_normal(), smallest=5, points=3)
