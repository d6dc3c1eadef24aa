"""Parzen windows and the two mixtures: against scikit-learn and scipy, and samples against their density."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KernelDensity

from zerosum.theory import likelihood as lk


def clouds(*sizes: int, d: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, d)) for n in sizes]


@pytest.mark.parametrize("bandwidth", [0.05, 0.5, 3.0])
def test_parzen_windows_are_those_of_scikit_learn(bandwidth: float) -> None:
    x, centres = clouds(40, 25)
    expected = KernelDensity(bandwidth=bandwidth, kernel="gaussian").fit(centres).score_samples(x)
    np.testing.assert_allclose(lk.parzen(x, centres, bandwidth), expected, rtol=1e-9)


def test_far_points_do_not_underflow() -> None:
    far = lk.parzen([[1000.0]], [[0.0], [1.0]], 0.5)
    # The nearer centre alone counts: N(999 | 0, 1/4) / 2
    assert far[0] == pytest.approx(stats.norm(0, 0.5).logpdf(999) - math.log(2))


def test_blocks_of_points_are_put_together_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    x, centres = clouds(40, 25)
    expected = KernelDensity(bandwidth=0.7).fit(centres).score_samples(x)
    monkeypatch.setattr(lk, "_BLOCK", 25 * 7)
    np.testing.assert_allclose(lk.parzen(x, centres, 0.7), expected, rtol=1e-9)


def test_the_mixture_at_the_training_points_takes_a_variance() -> None:
    x, train = clouds(10, 4)
    densities = [stats.multivariate_normal(point, 0.3).pdf(x) for point in train]
    np.testing.assert_allclose(lk.great_samples(x, train, 0.3), np.log(np.mean(densities, 0)), rtol=1e-10)


def test_its_samples_have_its_density() -> None:
    train = np.array([[-1.0], [2.0], [2.5]])
    made = lk.sample_great_samples(train, 0.04, 4000, np.random.default_rng(1))
    assert made.shape == (4000, 1)

    def below(x: np.ndarray) -> np.ndarray:
        return stats.norm.cdf((np.asarray(x)[..., None] - train[:, 0]) / 0.2).mean(-1)

    assert stats.kstest(made[:, 0], below).pvalue > 0.01


def test_great_samples_come_with_poor_likelihood() -> None:
    train, new = clouds(50, 50, d=5)
    losses = [float(lk.great_samples(new, train, e).mean()) for e in (1e-1, 1e-2, 1e-3)]
    entropy = 5 / 2 * math.log(2 * math.pi * math.e)
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < -100 * entropy


def test_a_hundredth_of_the_truth_loses_at_most_log_100() -> None:
    x = np.linspace(-9, 9, 50)
    log_p, log_noise = stats.norm.logpdf(x), stats.norm(0, 5).logpdf(x)
    found = lk.great_likelihood(log_p, log_noise)
    np.testing.assert_allclose(found, np.log(0.01 * stats.norm.pdf(x) + 0.99 * stats.norm(0, 5).pdf(x)), rtol=1e-12)
    assert (found >= log_p - math.log(100)).all()
    # Where the noise has no mass, the bound is met.
    assert lk.great_likelihood(-3.0, -math.inf) == pytest.approx(-3 - math.log(100))
    assert lk.great_likelihood(-5000.0, -9000.0, share=0.2) == pytest.approx(-5000 - math.log(5))


def test_its_samples_are_noise_but_for_a_hundredth() -> None:
    good, noise = np.zeros((20_000, 1)), np.ones((20_000, 1))
    rng = np.random.default_rng(2)
    count = int((lk.sample_great_likelihood(good, noise, rng) == 0).sum())
    assert stats.binomtest(count, 20_000, 0.01).pvalue > 0.01
    count = int((lk.sample_great_likelihood(good, noise, rng, share=0.7) == 0).sum())
    assert stats.binomtest(count, 20_000, 0.7).pvalue > 0.01
    mixed = lk.sample_great_likelihood(*clouds(300, 300), rng, share=0.5)
    rows = [np.isin(mixed, cloud).sum(1) for cloud in clouds(300, 300)]
    assert set(rows[0]) == {0, 3}  # a sample is one or the other, never a mix of their coordinates
    np.testing.assert_array_equal(rows[0] + rows[1], 3)


def test_the_best_bandwidth_is_that_of_an_exhaustive_search() -> None:
    train, validation = clouds(60, 40)
    candidates = np.geomspace(0.05, 3, 9)
    scores = [float(KernelDensity(bandwidth=h).fit(train).score(validation)) / 40 for h in candidates]
    best, found = lk.best_bandwidth(train, validation, candidates)
    assert best == pytest.approx(candidates[int(np.argmax(scores))])
    np.testing.assert_allclose(list(found.values()), scores, rtol=1e-9)
    assert 0 < int(np.argmax(scores)) < 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lk.parzen(np.zeros((2, 3)), np.zeros((2, 2)), 1.0), "dimensions"),
        (lambda: lk.parzen(np.zeros(3), np.zeros((2, 2)), 1.0), "x must be finite points"),
        (lambda: lk.parzen(np.zeros((1, 1)), np.zeros((1, 1)), 0.0), "bandwidth"),
        (lambda: lk.great_samples(np.zeros((1, 1)), np.zeros((1, 1)), -1.0), "epsilon"),
        (lambda: lk.sample_great_samples(np.zeros((1, 1)), 0.0, 3, np.random.default_rng()), "epsilon"),
        (lambda: lk.great_likelihood(0.0, 0.0, share=1.0), "share"),
        (lambda: lk.sample_great_likelihood(np.zeros((2, 1)), np.zeros((3, 1)), np.random.default_rng()), "as many"),
        (lambda: lk.best_bandwidth(np.zeros((1, 1)), np.zeros((1, 1)), []), "candidates"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
