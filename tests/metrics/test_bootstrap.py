"""Bootstrap intervals against scipy's, known standard errors and coverage."""

from functools import partial

import metric_helpers
import numpy as np
import pytest
import scipy.stats
import torch

from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.measures.inception_score import inception_score
from zerosum.metrics.shared.bootstrap import bootstrap_interval, bootstrap_mean
from zerosum.metrics.shared.statistics import FeatureStatistics

normal = partial(metric_helpers.normal, dtype=torch.float64)


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
    with pytest.raises(ValueError, match="vector"):
        bootstrap_mean(torch.ones(5, 2))
