"""What experiments share: weights that depend on a seed alone, a critic that learns alone, games of numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from zerosum.core.dynamics import simultaneous
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import Tensors, sgd
from zerosum.lab.base import Lab
from zerosum.lab.training import Scalar, growth, path, seed_weights, train_critic


def test_seeded_weights_depend_on_the_seed_alone_and_nothing_outside_notices() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seed_weights(1):
        first = nn.Linear(2, 2).weight
    assert torch.equal(torch.rand(3), expected)
    with seed_weights(1):
        assert torch.equal(nn.Linear(2, 2).weight, first)
    with seed_weights(2):
        assert not torch.equal(nn.Linear(2, 2).weight, first)


def test_a_critic_alone_reaches_the_minimum_of_its_loss_within_its_constraint() -> None:
    def loss(n: Nets, b: float, m: Memory) -> Terms:
        return {"square": (n.D() - b).square()}

    def at_most(weights: Tensors, buffers: Tensors) -> tuple[Tensors, Tensors]:
        return {"value": weights["value"].clamp(max=1.5)}, buffers

    batches = iter([3.0] * 100)
    free = train_critic(Scalar(), loss, sgd(0.25), batches, 60, lab=Lab(), label="")
    assert float(free.D()) == pytest.approx(3)
    assert len(list(batches)) == 40  # a batch for each step
    held = train_critic(Scalar(), loss, sgd(0.25), iter([3.0] * 9), 9, lab=Lab(), label="", project={"D": at_most})
    assert float(held.D()) == 1.5


def test_a_path_is_that_of_the_matrix_of_the_game() -> None:
    def x_loss(n: Nets, b: None, m: Memory) -> Terms:
        return {"v": n.x().square() + n.x() * n.y()}

    def y_loss(n: Nets, b: None, m: Memory) -> Terms:
        return {"v": -n.x() * n.y()}

    players = {"x": Player(("x",), x_loss), "y": Player(("y",), y_loss)}
    game = Game({"x": Scalar(), "y": Scalar()}, {"x": sgd(0.1), "y": sgd(0.1)}, players)
    found = path(game, {"y": -2.0, "x": 1.0}, 3, simultaneous)
    step = np.eye(2) - 0.1 * np.array([[2.0, 1.0], [-1.0, 0.0]])  # in the order x, y
    places = [np.linalg.matrix_power(step, k) @ [1.0, -2.0] for k in range(4)]
    assert found == pytest.approx(np.array(places)[:, ::-1])


def test_growth_is_that_of_a_geometric_sequence_after_its_beginning() -> None:
    assert growth(np.array([9.0, 7.0, 8.0, 4.0, 2.0, 1.0])) == pytest.approx(0.5)
