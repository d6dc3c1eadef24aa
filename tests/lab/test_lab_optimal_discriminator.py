"""The optimal-discriminator lab: D reaches p/(p + q), V reaches 2 JSD - log 4 from below, and -log 4 at equality."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from zerosum.lab import Lab, find
from zerosum.lab.experiments import optimal_discriminator as lab


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    found = find("optimal-discriminator").run(Lab(seed=1), steps=300)
    assert set(found.figures) == {"values"}
    return dict(found.numbers)


def divergence() -> float:
    """JSD of the two densities by adaptive integration."""

    def p(x: float) -> float:
        return float(0.6 * stats.norm.pdf(x, -1.5, 0.6) + 0.4 * stats.norm.pdf(x, 1.5, 0.6))

    def q(x: float) -> float:
        return float(stats.norm.pdf(x, 0.5, 1.2))

    def integrand(x: float) -> float:
        m = (p(x) + q(x)) / 2
        return (p(x) * math.log(p(x) / m) + q(x) * math.log(q(x) / m)) / 2

    return float(integrate.quad(integrand, -6, 7, limit=200)[0])


def test_the_value_reaches_twice_the_divergence_less_log_four(numbers: dict[str, Any]) -> None:
    one, jsd = numbers["cases"]["different"], divergence()
    best = 2 * jsd - math.log(4)
    assert one["v_best"] == pytest.approx(best, abs=1e-5)
    assert best - 0.01 < one["v"] < best
    # Without the 2 the formula is below what D really reaches.
    assert one["v_as_in_the_notes"] == pytest.approx(jsd - math.log(4), abs=1e-5)
    assert one["v"] > one["v_as_in_the_notes"] + 0.1


def test_d_reaches_the_optimal_one(numbers: dict[str, Any]) -> None:
    assert numbers["cases"]["different"]["mean_error"] < 0.025
    assert numbers["cases"]["equal"]["mean_error"] < 0.015


def test_equal_densities_are_worth_minus_log_four(numbers: dict[str, Any]) -> None:
    one = numbers["cases"]["equal"]
    assert one["v_best"] == pytest.approx(-math.log(4))
    assert -math.log(4) - 1e-3 < one["v"] <= -math.log(4) + 1e-12


def test_the_value_is_never_above_the_best(numbers: dict[str, Any]) -> None:
    for name, curve in numbers["curves"].items():
        values = [v for _, v in curve]
        assert max(values) <= numbers["cases"][name]["v_best"] + 1e-9
    first, last = numbers["curves"]["different"][0], numbers["curves"]["different"][-1]
    assert (first[0], last[0]) == (0, 300)
    assert last[1] > first[1] + 0.2


def test_samples_of_a_mixture_have_its_density() -> None:
    mixture = lab.CASES["different"][0]
    drawn = mixture.sample(4000, torch.Generator().manual_seed(0)).numpy()
    assert drawn.shape == (4000, 1)

    def below(x: np.ndarray) -> np.ndarray:
        return np.asarray(0.6 * stats.norm.cdf(x, -1.5, 0.6) + 0.4 * stats.norm.cdf(x, 1.5, 0.6))

    assert stats.kstest(drawn[:, 0], below).pvalue > 0.01
    x = np.linspace(-3, 3, 7)
    expected = 0.6 * stats.norm.pdf(x, -1.5, 0.6) + 0.4 * stats.norm.pdf(x, 1.5, 0.6)
    np.testing.assert_allclose(mixture.density(x), expected)
