"""Two lines: what is computed is the textbook's, and critics that are trained find it."""

import math

import pytest
from scipy.integrate import quad
from scipy.stats import norm

from zerosum.lab import Findings, Lab, find
from zerosum.lab.experiments.disjoint_supports import exact_distances, noisy_js, samples


@pytest.fixture(scope="module")
def found() -> Findings:
    return find("disjoint-supports").run(Lab(), steps=80, sides=1)


@pytest.mark.parametrize("theta", [-1.0, -0.03, 0.5])
def test_apart_kl_is_infinite_js_is_log_2_and_w1_is_theta(theta: float) -> None:
    one = exact_distances(theta)
    assert one["kl"] == math.inf
    assert one["js"] == pytest.approx(math.log(2), rel=1e-12)
    assert one["w"] == pytest.approx(abs(theta), rel=1e-9)


def test_together_all_are_zero() -> None:
    one = exact_distances(0)
    assert [one[k] for k in ("kl", "js", "w")] == pytest.approx([0, 0, 0], abs=1e-12)


@pytest.mark.parametrize(("theta", "sigma"), [(0.3, 0.2), (-0.3, 0.2), (1, 0.05), (0.5, 1.0), (0, 0.3)])
def test_js_with_noise_is_scipys_integral(theta: float, sigma: float) -> None:
    p, q = norm(0, sigma), norm(theta, sigma)

    def integrand(x: float) -> float:
        a, b = p.pdf(x), q.pdf(x)
        return sum(c * math.log(2 * c / (a + b)) / 2 for c in (a, b) if c > 1e-300)

    low, high = min(0, theta) - 10 * sigma, max(0, theta) + 10 * sigma
    expected = quad(integrand, low, high, points=[0, theta], limit=500, epsabs=1e-12)[0]
    assert noisy_js(theta, sigma) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_js_with_noise_starts_as_a_parabola_and_ends_at_log_2() -> None:
    assert noisy_js(0.01, 0.5) == pytest.approx(0.01**2 / (8 * 0.5**2), rel=1e-3)
    assert noisy_js(5, 0.1) == pytest.approx(math.log(2), rel=1e-9)


def test_samples_lie_on_their_lines() -> None:
    b = samples(0.7, 0.0, 1000, 0)
    assert b.real[:, 0].unique().tolist() == [0]
    assert b.fake[:, 0].unique().tolist() == pytest.approx([0.7])
    for y in (b.real[:, 1], b.fake[:, 1]):
        assert 0 <= float(y.min()) < 0.02 < 0.98 < float(y.max()) <= 1
    noised = samples(0.7, 0.3, 100_000, 0).fake
    assert float(noised[:, 0].std()) == pytest.approx(0.3, rel=0.02)
    assert float(noised[:, 1].std()) == pytest.approx(math.sqrt(0.09 + 1 / 12), rel=0.02)


def test_trained_critics_find_each_distance(found: Findings) -> None:
    rows = {row["theta"]: row for row in found.numbers["lines"]}
    assert list(rows) == [-1, 0, 1]
    for theta, row in rows.items():
        if theta:
            assert row["kl"] == "inf"
            assert math.log(2) - 0.01 < row["js critic"] <= math.log(2)
            # The best slope under the penalty is 1 + theta / (2 lambda), lambda = 10.
            assert row["w critic"] == pytest.approx(abs(theta) * (1 + abs(theta) / 20), rel=0.02)
            assert row["noisy js critic"] == pytest.approx(noisy_js(theta, 0.2), abs=0.02)
    assert abs(rows[0]["js critic"]) < 0.01
    assert abs(rows[0]["w critic"]) < 0.03
    assert abs(rows[0]["noisy js critic"]) < 0.01


def test_figures_and_curves_are_there(found: Findings) -> None:
    assert set(found.figures) == {"distances", "noise"}
    assert len(found.numbers["noise"]["0.1"]) == 101
    assert found.numbers["noise"]["0.05"][30] > found.numbers["noise"]["0.4"][30]
