"""Historical averaging converges where plain descent runs away, with the exponent that the slow motion predicts."""

import numpy as np
import pytest

from zerosum.core.dynamics import simultaneous
from zerosum.lab import Lab, find
from zerosum.lab.experiments.historical_averaging import exponent, game, paper_value
from zerosum.lab.training import path


@pytest.mark.parametrize(("strength", "power"), [(0.5, -1 / 2), (0.25, -4 / 5)])
def test_distance_falls_as_the_predicted_power_of_time(strength: float, power: float) -> None:
    found = find("historical-averaging").run(Lab(), lr=0.2, steps=350, strength=strength)
    assert found.numbers["predicted"] == pytest.approx(power)
    assert found.numbers["exponent"] == pytest.approx(power, rel=0.05)
    for ends in found.numbers["end_over_start"].values():
        assert ends["plain descent"] > 1.5
        assert ends["historical averaging"] < 0.2


def test_what_runs_out_of_sight_is_followed_no_further() -> None:
    places = path(game(paper_value, 0.1, 0.0), {"x": 1.3, "y": 0.8}, 600, simultaneous, reach=1e3)
    assert len(places) < 600
    assert 1e3 < np.abs(places[-1]).max() < np.inf


def test_the_exponent_of_a_power_law_is_found() -> None:
    t = np.arange(0, 200, dtype=float)
    assert exponent(np.concatenate([[1.0], 3 * t[1:] ** -0.7])) == pytest.approx(-0.7)
