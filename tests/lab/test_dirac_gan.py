"""The Dirac-GAN: rates are those of the eigenvalues, and these those of Mescheder et al. 2018."""

import cmath
import math
from typing import Any

import numpy as np
import pytest

from zerosum.core.dynamics import Dynamics, simultaneous
from zerosum.core.game import Game
from zerosum.lab import Lab, find
from zerosum.lab.experiments import dirac_gan
from zerosum.lab.training import path


@pytest.fixture(scope="module")
def games() -> dict[str, tuple[Game, Dynamics]]:
    return dirac_gan.games(0.1, 0.3, 1.0)


@pytest.fixture(scope="module")
def numbers() -> dict[str, dict[str, Any]]:
    found = find("dirac-gan").run(Lab(), lr=0.1, steps=400, gamma=0.3, noise=1.0)
    return dict(found.numbers["games"])


def test_regularised_games_converge_at_the_predicted_rate_and_others_do_not(numbers: dict[str, dict[str, Any]]) -> None:
    for name, one in numbers.items():
        if "rate" in one:
            assert math.log(one["rate"]) == pytest.approx(math.log(one["predicted"]), rel=0.05, abs=2e-5), name

    # By hand: f'(0) = 1/2 for the log loss. The Jacobian is [[gamma, 1/2], [-1/2, 0]].
    eigenvalue = 0.15 + cmath.sqrt(0.15**2 - 0.25)
    first, second = (complex(*v) for v in numbers["R1, gamma 0.3"]["eigenvalues"])
    assert {round(first.imag, 6), round(second.imag, 6)} == {round(eigenvalue.imag, 6), -round(eigenvalue.imag, 6)}
    assert first.real == pytest.approx(0.15)
    assert numbers["R1, gamma 0.3"]["predicted"] == pytest.approx(abs(1 - 0.1 * eigenvalue))
    assert numbers["minimax"]["predicted"] == pytest.approx(math.hypot(1, 0.05))
    assert numbers["the same, alternating"]["predicted"] == pytest.approx(1)
    assert numbers["instance noise 1"]["predicted"] < 0.99

    assert numbers["WGAN, clipped at 1"]["least_late_distance"] > 0.9
    assert numbers["WGAN-GP, weight 0.2"]["least_late_distance"] > 0.3


def test_wgan_gp_of_weight_one_stops_beside_the_equilibrium(numbers: dict[str, dict[str, Any]]) -> None:
    last = numbers["WGAN-GP, weight 1"]
    assert last["theta"] == pytest.approx(2.0, abs=1e-2)  # theta = 2 weight, where 2 weight (1 - |psi|) = theta
    assert abs(last["psi"]) < 1e-2


def test_wgan_gp_of_small_weight_circles_for_ever(games: dict[str, tuple[Game, Dynamics]]) -> None:
    game, dynamics = games["WGAN-GP, weight 0.2"]
    late = path(game, dirac_gan.FAR, 800, dynamics)[400:]
    for player in late.T:
        assert (np.diff(np.sign(player)) != 0).sum() >= 4
    assert np.abs(late[-200:]).max(0) == pytest.approx(np.abs(late[:200]).max(0), rel=0.01)


def test_noise_pulls_the_critic_as_its_second_derivative_says(games: dict[str, tuple[Game, Dynamics]]) -> None:
    """With noise sigma the critic's own second derivative is 2 sigma^2 f''(0) = sigma^2 / 2 for f = log(1 + exp)."""
    game, _ = games["instance noise 1"]
    values, _ = dirac_gan.analyse(game, simultaneous, 0.1)
    assert sum(values).real == pytest.approx(0.5, rel=0.02)  # the trace; 64 quantiles stand for the normal law
    assert np.prod(values).real == pytest.approx(0.25, rel=1e-6)


def test_near_the_equilibrium_it_spirals_out_and_far_from_it_in(games: dict[str, tuple[Game, Dynamics]]) -> None:
    """The picture begins far away and the rate is measured nearby: both are right, and meet on one circle."""
    game, dynamics = games["non-saturating"]
    far, near = (np.linalg.norm(path(game, begin, 300, dynamics), axis=1) for begin in (dirac_gan.FAR, dirac_gan.NEAR))
    assert far[-1] < 0.8 * far[0]
    assert near[-1] > 1.3 * near[0]
    assert near[-1] < dirac_gan.cycle(0.1) < far[-1]


@pytest.mark.parametrize("lr", [0.05, 0.2])
@pytest.mark.parametrize("share", [0.8, 1.2])
def test_simultaneous_steps_of_the_non_saturating_game_end_on_the_predicted_circle(lr: float, share: float) -> None:
    """The same steps in plain numbers, from inside and from outside."""
    theta, psi = share * dirac_gan.cycle(lr), 0.0
    late = []
    for t in range(int(200 / lr**2)):
        falls, rises = 1 / (1 + math.exp(psi * theta)), 1 / (1 + math.exp(-psi * theta))
        theta, psi = theta + lr * psi * falls, psi - lr * theta * rises
        late += [math.hypot(theta, psi)] if t > 190 / lr**2 else []
    assert np.mean(late) == pytest.approx(dirac_gan.cycle(lr), rel=2e-3)


def test_plain_numbers_are_what_the_engine_plays(games: dict[str, tuple[Game, Dynamics]]) -> None:
    game, dynamics = games["non-saturating"]
    theta, psi = 0.6, 0.4
    for place in path(game, dirac_gan.FAR, 20, dynamics)[1:]:
        falls, rises = 1 / (1 + math.exp(psi * theta)), 1 / (1 + math.exp(-psi * theta))
        theta, psi = theta + 0.1 * psi * falls, psi - 0.1 * theta * rises
        assert place == pytest.approx([theta, psi])


def test_in_turn_the_distance_falls_as_the_root_of_time() -> None:
    theta, psi, lr, steps = 0.6, 0.4, 0.1, 20_000
    for _ in range(steps):
        psi -= lr * theta / (1 + math.exp(-psi * theta))
        theta += lr * psi / (1 + math.exp(psi * theta))
    assert math.hypot(theta, psi) == pytest.approx(math.sqrt(8 / (lr * steps)), rel=0.03)


def test_the_page_says_both_and_draws_both() -> None:
    found = find("dirac-gan").run(Lab(), steps=40)
    assert set(found.figures) == {"paths", "distances"}
    (sentence,) = (line for line in found.says if line.startswith("non-saturating: from afar"))
    assert "both go to a circle of radius 0.447" in sentence
    assert [axes.get_title() for axes in found.figures["distances"].axes] == [
        "minimax",
        "non-saturating",
        "the same, alternating",
    ]
