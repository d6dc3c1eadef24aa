"""The divergences lab: KL covers both modes, reverse KL seeks one, Jensen-Shannon first covers and then seeks."""

import math
from typing import Any

import numpy as np
import pytest

from zerosum.lab import Lab, find
from zerosum.lab.experiments import divergences as lab


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    found = find("divergences").run(Lab(), cells=801, separations=4)  # 0, 2, 4 and 6 apart
    assert set(found.figures) == {"integrands", "fits"}
    return dict(found.numbers)


def test_integrands_add_up_to_the_closed_form(numbers: dict[str, Any]) -> None:
    # N(0, 1) and N(2, 0.7^2), by hand.
    forward = math.log(0.7) + (1 + 4) / (2 * 0.49) - 0.5
    backward = -math.log(0.7) + (0.49 + 4) / 2 - 0.5
    paid = numbers["integrals"]
    assert paid["KL(p||q)"]["sum"] == pytest.approx(forward, rel=1e-6)
    assert paid["KL(q||p)"]["sum"] == pytest.approx(backward, rel=1e-6)
    assert paid["KL(p||q)"]["closed"] == pytest.approx(forward)
    assert 0 < paid["JSD"]["sum"] < math.log(2)


def test_each_divergence_is_paid_where_the_other_density_is_missing() -> None:
    x = np.linspace(-10, 10, 2001)
    terms = lab.integrands(lab.gaussian(x, *lab.P), lab.gaussian(x, *lab.Q))
    left, right = x < 0.5, x > 1.5
    assert terms["KL(p||q)"][left].sum() > 3
    assert terms["KL(p||q)"][right].sum() < 0
    assert terms["KL(q||p)"][right].sum() > 1.5
    assert terms["KL(q||p)"][left].sum() < 0
    assert min(terms["JSD"][left].sum(), terms["JSD"][right].sum()) > 0.1


def test_kl_takes_the_moments_of_the_mixture(numbers: dict[str, Any]) -> None:
    # Modes at -3 and 3 of weights 0.6 and 0.4: mean -0.6, variance 0.36 + 9 - 0.36.
    fit = numbers["fits"]["KL(p||q)"]
    assert fit["mean"] == pytest.approx(-0.6, abs=1e-4)
    assert fit["std"] == pytest.approx(3.0, rel=1e-4)
    assert (numbers["moments"]["mean"], numbers["moments"]["std"]) == pytest.approx((-0.6, 3.0))


def test_reverse_kl_takes_the_larger_mode_and_pays_the_log_of_its_share(numbers: dict[str, Any]) -> None:
    fit = numbers["fits"]["KL(q||p)"]
    assert (fit["mean"], fit["std"]) == pytest.approx((-3.0, 0.6), abs=1e-3)
    assert fit["nats"] == pytest.approx(-math.log(0.6), abs=1e-3)


def test_jensen_shannon_covers_two_near_modes_and_seeks_one_of_far_ones(numbers: dict[str, Any]) -> None:
    fit = numbers["fits"]["JSD"]
    assert (fit["mean"], fit["std"]) == pytest.approx((-3.0, 0.6), abs=0.01)
    # KL(q||m) = log(2 / 1.6), KL(p||m) = 0.6 log(1.2 / 1.6) + 0.4 log 2
    price = (math.log(1.25) + 0.6 * math.log(0.75) + 0.4 * math.log(2)) / 2
    assert fit["nats"] == pytest.approx(price, abs=1e-3)
    assert numbers["price of one mode"]["JSD"] == pytest.approx(price)
    near, far = numbers["by distance"]["JSD"][2], numbers["by distance"]["KL(q||p)"][2]  # 4 apart
    assert near[1] > 1.9
    assert far[1] < 0.7


def test_modes_in_one_place_are_fitted_exactly_by_all(numbers: dict[str, Any]) -> None:
    for name in lab.MEASURES:
        np.testing.assert_allclose(numbers["by distance"][name][0], [0, 0.6, 0], atol=1e-4)


def test_the_fit_leaves_a_mode_only_once_they_are_apart(numbers: dict[str, Any]) -> None:
    widths = {name: numbers["by distance"][name][1][1] for name in lab.MEASURES}  # 2 apart
    assert all(1 < width < 1.2 for width in widths.values())
    assert widths["KL(q||p)"] < widths["KL(p||q)"]
