"""Clipped critics lose their gradient at the predicted rate per layer; penalised ones keep it."""

import numpy as np
import pytest
import torch

from zerosum.core.game import Game, Nets, Player, gradient, start
from zerosum.data import load
from zerosum.lab.base import Lab
from zerosum.lab.experiments import gradient_norms as lab


def test_factors_per_layer() -> None:
    found = lab.experiment(Lab(), steps=40, width=64).numbers
    factors, ends = found["factor_per_layer"], found["share_at_the_ends"]
    # By hand: c sqrt(64 / 2), and 64 c / 2.
    for name, c in {"clipped at 0.1": 0.1, "clipped at 0.01": 0.01, "clipped at 0.001": 0.001}.items():
        assert found["predicted"][name] == pytest.approx((c * 5.657, c * 32), rel=1e-3)
    assert all(len(norms) == 12 for norms in found["norms"].values())
    for name in ("clipped at 0.01", "clipped at 0.001"):
        assert factors[name] == pytest.approx(found["predicted"][name][0], rel=0.15)
    assert 0.8 < factors["gradient penalty"] < 1.25
    assert ends["clipped at 0.001"] > 0.9 > ends["clipped at 0.1"]


def test_norms_are_those_of_autograd_through_the_network_itself() -> None:
    way, net, batch = (
        lab.WAYS["gradient penalty"],
        lab.build_critic(8, 0),
        next(lab.batches(load("swiss-roll"), 1.0, 0)),
    )
    game = Game({"D": net}, {"D": way.optimizer}, {"D": Player(("D",), way.loss)})
    state = start(game)
    found = lab.norms(state.weights["D"], batch)
    seen: list[torch.Tensor] = []
    activation = net.activation
    net.activation = lambda x: seen.append(activation(x)) or seen[-1]  # type: ignore[func-returns-value]
    loss = Nets(game, state, batch).D
    value = loss(batch.fake.requires_grad_()).mean() - loss(batch.x.requires_grad_()).mean()
    grads = torch.autograd.grad(value, seen)
    expected = [float(torch.cat([grads[i], grads[i + lab.DEPTH]]).norm()) for i in range(lab.DEPTH)]
    assert found == pytest.approx(expected, rel=1e-4)
    assert set(gradient(game, "D", state, batch)[1]) == {"w", "gp"}


def test_a_geometric_sequence_has_its_own_factor() -> None:
    assert lab.factor([8.0, 4.0, 2.0]) == pytest.approx(2)
    assert lab.share_at_the_ends(np.array([0.1, -0.0999, 0.098, 0.0]), 0.1) == 0.5
