"""A new critic against a frozen generator: one objective's gradient vanishes, the other's grows and gets noisy."""

import math
import statistics
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.core.game import Nets, State, gradient, start
from zerosum.data.images import Images
from zerosum.lab import frozen, training
from zerosum.lab.base import Lab
from zerosum.lab.experiments import unstable_gradient, vanishing_gradient
from zerosum.lab.frozen import gradient_game, train_ages
from zerosum.objectives import minimax
from zerosum.runs.setup import Batches, Setup

SMALL = {"epochs": (0,), "width": 4, "critic_steps": 60, "looks": 6, "repeats": 5}


@pytest.fixture(scope="module")
def untrained() -> tuple[Setup, State]:
    ((setup, state),) = train_ages(Lab(), data="fashion-mini", epochs=(0,), width=4).values()
    return setup, state


def test_the_saturating_gradient_vanishes() -> None:
    found = vanishing_gradient.experiment(Lab(), **SMALL | {"critic_steps": 140})
    first, last = found.numbers["rows"][0][0], found.numbers["rows"][0][-1]
    assert f" {first['minimax_mean'] / last['minimax_mean']:,.0f} times less" in found.says[0]
    assert (first["step"], last["step"]) == (0, 140)
    assert last["minimax_mean"] < first["minimax_mean"] / 5
    assert last["accuracy"] > 0.99
    drawn = [axes.lines[0].get_ydata() for axes in found.figures["norm"].axes]
    assert [d[-1] for d in drawn] == [last["minimax_mean"], last["accuracy"]]
    assert last["critic_loss"] < first["critic_loss"]


def test_the_gradient_of_minus_log_d_grows_in_mean_and_variance() -> None:
    found = unstable_gradient.experiment(Lab(seed=1), **SMALL)
    first, last = found.numbers["rows"][0][0], found.numbers["rows"][0][-1]
    drawn = [axes.lines[0].get_ydata() for axes in found.figures["norm"].axes]
    assert [d[-1] for d in drawn] == [last["ns_mean"], last["ns_variance"]]
    assert last["ns_mean"] > 2 * first["ns_mean"]
    assert last["ns_variance"] > 4 * first["ns_variance"]


def test_the_norm_is_that_of_autograd_and_the_generator_stays(untrained: tuple[Setup, State]) -> None:
    setup, state = untrained
    game, batch = gradient_game(setup), next(Batches(setup))
    leaves = {k: w.clone().requires_grad_() for k, w in state.weights["G"].items()}
    n = Nets(game, state._replace(weights=state.weights | {"G": leaves}), batch)
    grads = torch.autograd.grad(minimax.g(None, n.D(n.G(batch.z))), list(leaves.values()))
    by_hand = sum(float(g.square().sum()) for g in grads) ** 0.5
    asked = gradient(game, "minimax", state, batch)[0]["G"].values()
    assert frozen._norm(asked) == pytest.approx(by_hand, rel=1e-5)


def test_ages_are_epochs(tmp_path: Path, clothes: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "few.npz", images=clothes.pixels[:100])
    monkeypatch.setattr(frozen, "BATCH", 30)  # of 100 images: four updates see each of them
    ages = train_ages(Lab(), data=f"npz:{tmp_path / 'few.npz'}", epochs=(0, 1), width=2)
    assert list(ages) == [0, 1]
    setup, state = ages[1]
    step, expected, _ = next(islice(training.play(setup), 4, None))
    assert step == 4
    assert all(torch.equal(w, state.weights["G"][k]) for k, w in expected.weights["G"].items())
    assert not torch.equal(state.weights["G"]["convs.0.weight"], ages[0][1].weights["G"]["convs.0.weight"])


def test_what_is_told_of_some_batches_is_by_hand_and_on_batches_that_training_did_not_see(
    untrained: tuple[Setup, State], monkeypatch: pytest.MonkeyPatch
) -> None:
    positions = []

    def seen(setup: object, position: int = 0) -> Batches:
        positions.append(position)
        return Batches(setup, position)  # type: ignore[arg-type]

    monkeypatch.setattr(frozen, "Batches", seen)
    setup, state = untrained
    aged = {k: 1.5 * w for k, w in state.weights["G"].items()}  # unlike a new generator's
    state = state._replace(weights=state.weights | {"G": aged})
    row = next(frozen.gradients(Lab(), setup, state, steps=1, looks=1, repeats=3, label=""))
    assert positions == [1_000_000]

    fresh = training.prepare("dcgan", data="fashion-mini", seed=1, steps=1, width=4, kernel=4, batch_size=frozen.BATCH)
    game, batches = gradient_game(setup), list(islice(Batches(setup, 1_000_000), 3))
    begun = start(training.game_of(fresh))
    state = state._replace(
        weights=state.weights | {"D": begun.weights["D"]}, buffers=state.buffers | {"D": begun.buffers["D"]}
    )
    norms = [
        math.sqrt(sum(float(g.double().square().sum()) for g in gradient(game, "ns", state, b)[0]["G"].values()))
        for b in batches
    ]
    assert row["ns_mean"] == pytest.approx(statistics.mean(norms), rel=1e-5)
    assert row["ns_variance"] == pytest.approx(statistics.variance(norms), rel=1e-3)
