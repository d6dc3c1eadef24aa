"""Jacobians and rates of small games, against hand computation and against steps that the engine makes."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.core.dynamics import alternating, consensus, extragradient, optimistic, simultaneous
from zerosum.core.game import Game, Memory, Nets, Player, Terms, start
from zerosum.core.optim import sgd
from zerosum.core.train import train
from zerosum.theory import differentiable

A = np.array([[0.5, -1.2, 0.3], [0.9, 0.1, -0.4], [0.2, 0.7, 0.6]])


class Vector(nn.Module):
    def __init__(self, *values: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(values, dtype=torch.float64))

    def forward(self) -> Tensor:
        return self.w


def linear_game(lr: float = 0.1, hopeful: bool = False) -> Game:
    """A field v = A theta, theta = (p's two numbers, q's one): each player's loss is its own part of theta times it."""
    a = torch.tensor(A)

    def loss(rows: slice) -> object:
        def told(n: Nets, b: None, m: Memory) -> Terms:
            theta = torch.cat([n.p(), n.q()])
            mine = theta[rows]
            own = a[rows, rows]
            # The gradient of this in `mine` is A[rows] theta only if the own block is symmetric.
            symmetric = (own + own.T) / 2
            others = theta.clone()
            others[rows] = 0
            return {"l": mine @ symmetric @ mine / 2 + mine @ (a[rows] @ others)}

        return told

    optimizer = optimistic(sgd(lr)) if hopeful else sgd(lr)
    players = {"P": Player(("p",), loss(slice(0, 2))), "Q": Player(("q",), loss(slice(2, 3)))}  # type: ignore[arg-type]
    return Game({"p": Vector(1.0, -0.5), "q": Vector(0.7)}, {"p": optimizer, "q": optimizer}, players)


def expected() -> np.ndarray:
    j = A.copy()
    j[:2, :2] = (A[:2, :2] + A[:2, :2].T) / 2
    return j


def test_the_jacobian_is_that_of_the_field() -> None:
    game = linear_game()
    j, blocks = differentiable.jacobian(game, start(game))
    np.testing.assert_allclose(j, expected(), rtol=1e-12)
    assert blocks == [slice(0, 2), slice(2, 3)]


@pytest.mark.parametrize(
    ("dynamics", "step"),
    [
        (simultaneous, lambda j, b: differentiable.simultaneous(j, 0.1)),
        (alternating, lambda j, b: differentiable.alternating(j, 0.1, b)),
        (extragradient, lambda j, b: differentiable.extragradient(j, 0.1)),
        (consensus(0.3), lambda j, b: differentiable.consensus(j, 0.1, 0.3)),
    ],
)
def test_each_linear_map_is_the_engines_step(dynamics: object, step: object) -> None:
    game = linear_game()
    j, blocks = differentiable.jacobian(game, start(game))
    theta = np.array([1.0, -0.5, 0.7])
    for _, state, _ in train(game, start(game), itertools.repeat(None), 3, dynamics=dynamics):  # type: ignore[arg-type]
        theta = step(j, blocks) @ theta  # type: ignore[operator]
        moved = torch.cat([state.weights["p"]["w"], state.weights["q"]["w"]]).numpy()
        np.testing.assert_allclose(moved, theta, rtol=1e-6)


def test_the_optimistic_map_is_the_engines_step() -> None:
    game = linear_game(hopeful=True)
    j, _ = differentiable.jacobian(game, start(game))
    theta = np.array([1.0, -0.5, 0.7])
    both = None
    for t, state, _ in train(game, start(game), itertools.repeat(None), 5, dynamics=simultaneous):
        moved = torch.cat([state.weights["p"]["w"], state.weights["q"]["w"]]).numpy()
        if t == 0:  # there was no step before the first: it counts as none
            both = np.concatenate([moved, theta])
            np.testing.assert_allclose(moved, theta - 2 * 0.1 * j @ theta, rtol=1e-6)
        else:
            assert both is not None
            both = differentiable.optimistic(j, 0.1) @ both
            np.testing.assert_allclose(moved, both[:3], rtol=1e-6)


def test_rates_of_the_bilinear_game() -> None:
    j = np.array([[0.0, 1.0], [-1.0, 0.0]])
    lr = 0.1
    assert differentiable.rate(differentiable.simultaneous(j, lr)) == pytest.approx(math.sqrt(1 + lr**2))
    assert differentiable.rate(differentiable.alternating(j, lr, [slice(0, 1), slice(1, 2)])) == pytest.approx(1)
    # |1 - i lr - lr^2|
    assert differentiable.rate(differentiable.extragradient(j, lr)) == pytest.approx(math.hypot(1 - lr**2, lr))
    # Consensus: J^T J = I, so 1 - lr (i + strength)
    assert differentiable.rate(differentiable.consensus(j, lr, 2.0)) == pytest.approx(math.hypot(1 - 0.2, lr))
    assert differentiable.turn(differentiable.simultaneous(j, lr)) == pytest.approx(math.atan(lr))
    assert differentiable.largest_step(j) == 0


def test_the_largest_step_is_where_the_rate_passes_one() -> None:
    j = np.array([[0.3, 1.0], [-1.0, 0.1]])
    limit = differentiable.largest_step(j)
    assert differentiable.rate(differentiable.simultaneous(j, limit)) == pytest.approx(1)
    assert differentiable.rate(differentiable.simultaneous(j, 0.9 * limit)) < 1
    assert differentiable.largest_step(-np.eye(2)) == 0


def test_a_field_is_its_potential_part_and_its_turning_part() -> None:
    s, h = differentiable.potential(A), differentiable.hamiltonian(A)
    np.testing.assert_array_equal(s, s.T)
    np.testing.assert_array_equal(h, -h.T)
    np.testing.assert_allclose(s + h, A)
    assert h[0, 1] == pytest.approx((-1.2 - 0.9) / 2)


def test_players_that_share_a_network_are_refused() -> None:
    def loss(n: Nets, b: None, m: Memory) -> Terms:
        return {"l": n.p().sum()}

    game = Game({"p": Vector(1.0)}, {"p": sgd(0.1)}, {"A": Player(("p",), loss), "B": Player(("p",), loss)})
    with pytest.raises(ValueError, match="own a network together"):
        differentiable.jacobian(game, start(game))
