"""The likelihood lab: great samples with poor likelihood, great likelihood with poor samples, and what either costs."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from zerosum.lab import Lab, find
from zerosum.lab.experiments import likelihood as lab


@pytest.fixture(scope="module")
def rows() -> list[dict[str, float]]:
    found = find("likelihood").run(Lab(), count=300)
    assert set(found.figures) == {"models"}
    assert found.numbers["bound"] == pytest.approx(math.log(100))
    return list(found.numbers["rows"])


def test_great_samples_are_near_the_data_and_their_model_fails_held_out(rows: list[dict[str, float]]) -> None:
    assert [row["dimensions"] for row in rows] == [1, 3, 10, 30, 100, 300, 1000]
    for row in rows:
        assert row["great_samples_near"] > 0.95
    last = rows[-1]
    # The nearest training point is at a squared distance of about 2d, less for the best of 300: -1.8d/(2 epsilon).
    assert -1.1e6 < last["great_samples"] < -0.7e6
    assert last["true"] == pytest.approx(-500 * math.log(2 * math.pi * math.e), abs=10)


def test_great_likelihood_loses_log_100_at_most_and_ever_less_relatively(rows: list[dict[str, float]]) -> None:
    losses = [row["great_likelihood_loss"] for row in rows]
    assert max(losses) <= math.log(100) + 1e-9
    assert losses[-1] == pytest.approx(math.log(100), rel=1e-9)
    relative = [row["relative_loss"] for row in rows]
    assert all(later < earlier for earlier, later in pairwise(relative))
    # 4.605 nats of 1419 in 1000 dimensions
    assert relative[-1] == pytest.approx(math.log(100) / (500 * math.log(2 * math.pi * math.e)), rel=0.02)


def test_its_samples_are_nearly_all_noise(rows: list[dict[str, float]]) -> None:
    for row in rows:
        predicted = row["great_likelihood_near_predicted"]
        error = math.sqrt(predicted * (1 - predicted) / 1200)
        assert row["great_likelihood_near"] == pytest.approx(predicted, abs=4 * error)
    assert rows[-1]["great_likelihood_near"] < 0.03
    # On a line: the middle 99 % of squares, against a Gaussian three times as wide.
    low, high = stats.chi2(1).ppf([0.005, 0.995])
    wide = 2 * (stats.norm.cdf(math.sqrt(high) / 3) - stats.norm.cdf(math.sqrt(low) / 3))
    assert rows[0]["great_likelihood_near_predicted"] == pytest.approx(0.01 * 0.99 + 0.99 * wide)


def test_parzen_windows_fall_behind_as_dimensions_grow(rows: list[dict[str, float]]) -> None:
    short = [row["true"] - row["parzen"] for row in rows]
    assert short[0] < 0.2
    assert all(later > earlier for earlier, later in pairwise(short))
    assert short[-1] > 0.1 * abs(rows[-1]["true"])


def test_lengths_and_densities_by_hand() -> None:
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(lab.log_gaussian(x, 3.0), stats.multivariate_normal([0, 0], 9 * np.eye(2)).logpdf(x))
    assert lab.share_near(np.array([[1.0, 0], [0, 1.5], [0, 0.01], [4, 0]])) == 0.5
