"""Bootstrap intervals against scipy's, known standard errors and coverage."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from zerosum.metrics.bootstrap import bootstrap_interval, bootstrap_mean, bootstrap_mmd2
from zerosum.metrics.frechet import frechet_distance
from zerosum.metrics.inception_score import inception_score
from zerosum.metrics.kernel import full_mmd2, polynomial_kernel
from zerosum.metrics.statistics import FeatureStatistics


def normal(n: int, d: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def kernels(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)


def test_interval_of_a_mean_is_scipy_s() -> None:
    values = normal(200, 1, 0)[:, 0].exp()
    ours = bootstrap_mean(values, resamples=4000)
    theirs = scipy.stats.bootstrap(
        (values.numpy(),), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.value == pytest.approx(float(values.mean()), rel=1e-12)
    assert ours[1:3] == pytest.approx((theirs.low, theirs.high), abs=0.06 * width)
    assert abs(ours.bias) < 0.05 * width


def test_confidence_is_the_share_inside() -> None:
    values = (torch.arange(400) % 4 == 0).double()  # a precision of 1/4
    for confidence, z in ((0.95, 1.96), (0.68, 0.994)):
        found = bootstrap_mean(values, resamples=3000, confidence=confidence)
        assert found.high - found.low == pytest.approx(2 * z * (0.25 * 0.75 / 400) ** 0.5, rel=0.08)


def test_intervals_of_mmd_hold_the_known_value() -> None:
    # N(0, 1) and N(1/2, 1) in one dimension: x . y / 1 + 1 cubed, MMD^2 from the moments of both.
    def moments(m: float) -> np.ndarray:
        return np.array([1, m, m**2 + 1, m**3 + 3 * m])

    gap = moments(0.5) - moments(0.0)
    true = float(np.array([1, 3, 3, 1]) @ gap**2)
    found = [
        bootstrap_mmd2(*kernels(normal(80, 1, s), normal(100, 1, 1000 + s, 0.5)), resamples=200) for s in range(60)
    ]
    held = sum(f.low <= true <= f.high for f in found)
    assert 50 <= held <= 60  # of 57 expected at 95 %
    assert np.mean([f.value for f in found]) == pytest.approx(true, rel=0.25)
    assert abs(np.mean([f.bias for f in found])) < 0.05 * np.mean([f.high - f.low for f in found])


def test_duplicates_would_bias_mmd() -> None:
    x, y = normal(60, 5, 0), normal(60, 5, 1)
    careful = bootstrap_mmd2(*kernels(x, y), resamples=300)
    rng = torch.Generator().manual_seed(0)
    naive = [full_mmd2(*(s[torch.randint(60, (60,), generator=rng)] for s in (x, y))) for _ in range(300)]
    assert abs(careful.bias) < 0.2 * (np.mean(naive) - careful.value)


def test_weights_of_one_are_the_plain_value() -> None:
    x, y = normal(30, 4, 2), normal(20, 4, 3)
    assert bootstrap_mmd2(*kernels(x, y), resamples=2).value == pytest.approx(full_mmd2(x, y), rel=1e-10)


def test_a_frechet_distance_leaves_its_interval() -> None:
    # Why the module refuses to be used for it: the interval lies above the value.
    x, reference = normal(100, 20, 4), FeatureStatistics.of(normal(5000, 20, 5))
    found = bootstrap_interval(lambda i: frechet_distance(FeatureStatistics.of(x[i]), reference), 100, resamples=100)
    assert found.low > found.value
    assert found.bias > found.high - found.low


def test_inception_score_of_many_images() -> None:
    logits = 2 * normal(2000, 4, 6)
    found = bootstrap_interval(lambda i: inception_score(logits[i], splits=1).mean, 2000, resamples=200)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(inception_score(logits, splits=1).mean)


def test_seed_decides() -> None:
    values = normal(50, 1, 7)[:, 0]
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)
    three = kernels(normal(10, 2, 8), normal(10, 2, 9))
    assert bootstrap_mmd2(*three, resamples=20, seed=1) == bootstrap_mmd2(*three, resamples=20, seed=1)
    assert bootstrap_mmd2(*three, resamples=20, seed=1) != bootstrap_mmd2(*three, resamples=20, seed=2)


def test_constant_values_have_no_width() -> None:
    assert bootstrap_mean(torch.full((10,), 0.5)) == (0.5, 0.5, 0.5, 0)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 samples"):
        bootstrap_mean(torch.ones(1))
    with pytest.raises(ValueError, match="1 resample"):
        bootstrap_mean(torch.ones(5), resamples=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        bootstrap_mean(torch.ones(5), confidence=95)
    with pytest.raises(ValueError, match="finite"):
        bootstrap_mean(torch.tensor([1.0, float("nan")]))
    two = torch.eye(2, dtype=torch.float64)
    with pytest.raises(ValueError, match="one sample only"):
        bootstrap_mmd2(two, two, two)
    with pytest.raises(ValueError, match="vector"):
        bootstrap_mean(torch.ones(5, 2))
