"""Nash equilibria: who gains by moving alone, on paper and in a GAN of which the best moves are known."""

import math

import pytest
import torch

from zerosum.core.game import State, start
from zerosum.lab import Lab, find
from zerosum.lab.experiments.nash import duality_gap, game, samples, solo_game, value


def with_last_layer(state: State, name: str, weight: float, bias: float) -> State:
    """The network's last layer set to constants: weight 0 makes the network one number."""
    weights = state.weights[name]
    changed = {
        "last.weight": torch.full_like(weights["last.weight"], weight),
        "last.bias": torch.full_like(weights["last.bias"], bias),
    }
    return state._replace(weights=state.weights | {name: weights | changed})


def test_value_of_a_constant_critic_is_that_of_its_logit() -> None:
    rules = game(0)
    for logit in (0.0, 1.5):
        state = with_last_layer(start(rules), "D", 0, logit)
        d = 1 / (1 + math.exp(-logit))
        assert value(rules, state, samples(50, 0)) == pytest.approx(math.log(d) + math.log(1 - d), rel=1e-6)


def test_against_a_constant_critic_no_generator_gains_and_disjoint_data_are_worth_log_4_to_the_critic() -> None:
    rules = game(0)
    # The generator says 2.5 tanh(9) alone, five deviations away from the data: 2 JSD = log 4.
    state = with_last_layer(with_last_layer(start(rules), "D", 0, 0), "G", 0, 9)
    gap = duality_gap(rules, state, 250, 0)
    assert gap.value == pytest.approx(-math.log(4), rel=1e-6)
    assert gap.generator == pytest.approx(0, abs=1e-6)
    assert gap.critic == pytest.approx(math.log(4), abs=0.05)
    assert gap.total == gap.critic + gap.generator


def test_generator_moving_alone_finds_the_point_where_v_is_least() -> None:
    rules = game(0)
    state = with_last_layer(start(rules), "D", 1.0, 0.0)  # logits are sums of relus: they grow outwards
    x = torch.linspace(-2.5, 2.5, 2001)[:, None]
    real = samples(8192, 0, "judge").real
    with torch.no_grad():
        at_x, at_real = (
            torch.func.functional_call(rules.nets["D"], state.weights["D"], (t,)).double() for t in (x, real)
        )
    least = float(torch.log(torch.sigmoid(at_real)).mean() + torch.log(1 - torch.sigmoid(at_x)).min())
    gap = duality_gap(rules, state, 400, 0)
    assert list(solo_game(rules, "g").players) == ["g"]
    assert gap.value - gap.generator == pytest.approx(least, rel=0.03)
    assert gap.generator > 0.1


def test_gap_falls_with_training_and_is_not_negative() -> None:
    found = find("nash").run(Lab(), steps=250, alone=80, looks=2)
    first, *_, last = found.numbers["gan"]
    assert (first["step"], last["step"]) == (0, 250)
    assert last["gap"] < first["gap"] / 2
    for one in found.numbers["gan"]:
        assert one["gap"] == pytest.approx(one["critic"] + one["generator"])
        assert min(one["critic"], one["generator"]) > -0.03  # the luck of 8192 samples
    assert last["V"] == pytest.approx(-math.log(4), abs=0.1)
    tables = found.numbers["matrix games"]
    assert tables["prisoner's dilemma"]["equilibria"] == [[[0, 1], [0, 1]]]
    assert tables["matching pennies"]["equilibria"] == [[[0.5, 0.5], [0.5, 0.5]]]
    assert not tables["prisoner's dilemma"]["zero sum"]
    assert tables["prisoner's dilemma"]["gains"] == [[(1, 1), (1, 0)], [(0, 1), (0, 0)]]
    assert tables["matching pennies"]["gains"] == [[(0, 2), (2, 0)], [(2, 0), (0, 2)]]
    assert set(found.figures) == {"matrix-games", "duality-gap"}
