"""The label-smoothing lab: one-sided smoothing scales D and keeps its pull, two-sided takes nearly all of it away."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from zerosum.lab import Lab, find
from zerosum.lab.experiments import label_smoothing as lab


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    found = find("label-smoothing").run(Lab(), steps=300)
    assert set(found.figures) == {"smoothing"}
    return dict(found.numbers)


def ratio() -> float:
    """p/(p + q) in the middle of the wrong samples."""
    p = float(stats.norm.pdf(1.5, -1.5, 1))
    q = 0.5 * p + 0.5 * float(stats.norm.pdf(0, 0, 0.6))
    return p / (p + q)


def test_trained_discriminators_reach_the_optimal_ones(numbers: dict[str, Any]) -> None:
    w = ratio()
    assert numbers["w_at_wrong"] == pytest.approx(w, rel=1e-6)
    expected = {"no smoothing": w, "one-sided": 0.9 * w, "two-sided": 0.1 + 0.8 * w}
    for name, d in expected.items():
        one = numbers["targets"][name]
        assert one["best_at_wrong"] == pytest.approx(d, rel=1e-6)
        assert one["found_at_wrong"] == pytest.approx(d, abs=0.01)
        assert one["mean_error"] < 0.015


def test_one_sided_smoothing_keeps_the_pull_and_two_sided_takes_it(numbers: dict[str, Any]) -> None:
    plain, one, two = (numbers["targets"][name] for name in ("no smoothing", "one-sided", "two-sided"))
    assert plain["best_pull"] < -2  # towards the data, on the left
    assert one["best_pull"] == pytest.approx(plain["best_pull"], rel=1e-9)
    assert two["best_pull"] > 0.3 * plain["best_pull"]
    assert one["found_pull"] == pytest.approx(plain["found_pull"], rel=0.15)
    assert plain["found_pull"] < -1.5
    assert two["found_pull"] > 0.4 * plain["found_pull"]
    w = ratio()
    assert numbers["pull_left"] == pytest.approx(0.8 * w / (0.1 + 0.8 * w), rel=1e-6)
    assert numbers["pull_left"] < 0.1


def test_no_targets_make_a_bump_in_the_optimal_discriminator(numbers: dict[str, Any]) -> None:
    # p/(p + q) = 1/(1.5 + r/2) with r the ratio of two Gaussians, which has one maximum: a minimum, and no bump.
    assert [one["maxima_of_best"] for one in numbers["targets"].values()] == [0, 0, 0]


def test_pull_and_maxima_by_hand() -> None:
    np.testing.assert_allclose(lab.pull(np.exp(0.3 * lab.GRID)), 0.3)
    assert lab.maxima(np.sin(lab.GRID)) == 2  # at -3 pi/2 and pi/2
    assert lab.maxima(np.exp(lab.GRID)) == 0
