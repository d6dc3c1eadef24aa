"""The Dirac-GAN: rates are those of the eigenvalues, and these those of Mescheder et al. 2018."""

import cmath
import math

import numpy as np
import pytest

from zerosum.theory.lab import Lab, find


def test_regularised_games_converge_at_the_predicted_rate_and_others_do_not() -> None:
    found = find("dirac-gan").run(Lab(), lr=0.1, steps=400, gamma=0.3, noise=1.0)
    games = found.numbers["games"]
    for name, one in games.items():
        if "rate" in one:
            assert math.log(one["rate"]) == pytest.approx(math.log(one["predicted"]), rel=0.05, abs=2e-5), name

    # By hand: f'(0) = 1/2 for the log loss. The Jacobian is [[gamma, 1/2], [-1/2, 0]].
    eigenvalue = 0.15 + cmath.sqrt(0.15**2 - 0.25)
    first, second = (complex(*v) for v in games["R1, gamma 0.3"]["eigenvalues"])
    assert {round(first.imag, 6), round(second.imag, 6)} == {round(eigenvalue.imag, 6), -round(eigenvalue.imag, 6)}
    assert first.real == pytest.approx(0.15)
    assert games["R1, gamma 0.3"]["predicted"] == pytest.approx(abs(1 - 0.1 * eigenvalue))
    assert games["minimax"]["predicted"] == pytest.approx(math.hypot(1, 0.05))
    assert games["the same, alternating"]["predicted"] == pytest.approx(1)
    assert games["instance noise 1"]["predicted"] < 0.99

    assert games["WGAN, clipped at 1"]["least_late_distance"] > 0.9
    assert games["WGAN-GP, weight 0.2"]["least_late_distance"] > 0.3


def test_wgan_gp_of_weight_one_stops_beside_the_equilibrium() -> None:
    from zerosum.theory.lab import dirac_gan

    game, dynamics = dirac_gan.games(0.1, 0.3, 1.0)["WGAN-GP, weight 1"]
    theta, psi = dirac_gan.path(game, dirac_gan.FAR, 500, dynamics)[-1]
    assert theta == pytest.approx(2.0, abs=1e-2)  # theta = 2 weight, where 2 weight (1 - |psi|) = theta
    assert abs(psi) < 1e-2


def test_wgan_gp_of_small_weight_circles_for_ever() -> None:
    from zerosum.theory.lab import dirac_gan

    game, dynamics = dirac_gan.games(0.1, 0.3, 1.0)["WGAN-GP, weight 0.2"]
    late = dirac_gan.path(game, dirac_gan.FAR, 800, dynamics)[400:]
    for player in late.T:
        assert (np.diff(np.sign(player)) != 0).sum() >= 4
    assert np.abs(late[-200:]).max(0) == pytest.approx(np.abs(late[:200]).max(0), rel=0.01)


def test_noise_pulls_the_critic_as_its_second_derivative_says() -> None:
    """With noise sigma the critic's own second derivative is 2 sigma^2 f''(0) = sigma^2 / 2 for f = log(1 + exp)."""
    from zerosum.theory.lab import dirac_gan

    game, _ = dirac_gan.games(0.1, 0.3, 1.0)["instance noise 1"]
    values, _ = dirac_gan.at_equilibrium(game, dirac_gan.simultaneous, 0.1)
    assert sum(values).real == pytest.approx(0.5, rel=0.02)  # the trace; 64 quantiles stand for the normal law
    assert np.prod(values).real == pytest.approx(0.25, rel=1e-6)
