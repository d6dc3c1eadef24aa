"""Instance noise gives the generator the slope of the noised JSD, and without it there is none."""

import math

import pytest

from zerosum.lab.base import Lab
from zerosum.lab.experiments import instance_noise


def test_the_divergence_is_that_of_numerical_integration() -> None:
    from scipy.integrate import quad
    from scipy.stats import norm

    def integrand(x: float) -> float:
        p, q = norm.pdf(x, 0, 0.5), norm.pdf(x, 1.2, 0.5)
        return 0.5 * (p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q)))

    expected, _ = quad(integrand, -3, 4)
    assert instance_noise.divergence(1.2, 0.3, 0.4) == pytest.approx(expected, rel=1e-6)  # 0.3^2 + 0.4^2 = 0.5^2


def test_trained_critics_give_the_exact_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_noise, "NOISES", (0.0, 1.0))
    none, some = instance_noise.experiment(Lab(), theta=2.0, width=0.1, steps=150).numbers["rows"]
    assert none["exact"] == pytest.approx(0, abs=1e-9)
    assert abs(none["trained"]) < 0.01
    assert some["trained"] == pytest.approx(some["exact"], rel=0.1)
    assert some["exact"] > 0.4
    # Too much noise flattens it again.
    assert instance_noise.slope(2.0, 0.1, 4.0) < instance_noise.slope(2.0, 0.1, 1.0) / 4
