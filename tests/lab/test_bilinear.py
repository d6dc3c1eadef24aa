"""The bilinear game: every dynamics moves at the rate that its eigenvalues predict."""

import math

import pytest

from zerosum.lab import Lab, find


def test_measured_rates_are_those_of_the_eigenvalues() -> None:
    found = find("bilinear").run(Lab(), lr=0.2, steps=100)
    rates = found.numbers["rates"]
    for name, one in rates.items():
        assert math.log(one["rate"]) == pytest.approx(math.log(one["predicted"]), rel=0.05, abs=1e-3), name
    assert rates["simultaneous"]["rate"] == pytest.approx(math.sqrt(1.04), rel=1e-4)
    assert rates["extragradient"]["rate"] < 1
    assert rates["optimistic"]["rate"] < 1
    assert rates["consensus"]["rate"] < rates["extragradient"]["rate"]
    assert sorted(found.numbers["eigenvalues"]) == [[0, -1], [0, 1]]
    assert set(found.figures) == {"paths"}
