"""Ways of playing, on games whose trajectories are known in closed form."""

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.dynamics import Dynamics, alternating, consensus, extragradient, optimistic, simultaneous
from zerosum.core.game import Game, Nets, Player, State, apply, field, start
from zerosum.core.optim import Optimizer, adam, sgd
from zerosum.core.train import train

ETA = 0.1


class Point(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self) -> Tensor:
        return self.at


def bilinear(opt: Optimizer | None = None, **players: Any) -> Game:
    """min over x, max over y of x y, from (1, 0.5)."""
    nets = {"X": Point(1.0), "Y": Point(0.5)}
    both = {
        "x": Player(("X",), lambda n, b, m: {"l": n.X() * n.Y()}, **players),
        "y": Player(("Y",), lambda n, b, m: {"l": -n.X() * n.Y()}),
    }
    return Game(nets, {name: opt or sgd(ETA) for name in nets}, both)


def path(game: Game, dynamics: Dynamics, steps: int) -> np.ndarray:
    """The points visited, as complex numbers x + iy."""
    begin = start(game)
    turns = train(game, begin, iter([None] * (2 * steps)), steps, dynamics=dynamics)
    return np.array([where(begin), *(where(state) for _, state, _ in turns)])


def where(state: State) -> complex:
    return complex(state.weights["X"]["at"].item(), state.weights["Y"]["at"].item())


# With z = x + iy the field of this game is v = -iz, so each rule is multiplication by a number.


@pytest.mark.parametrize(
    ("dynamics", "factor"),
    [
        (simultaneous, 1 + 1j * ETA),
        (extragradient, 1 - ETA**2 + 1j * ETA),
        (consensus(2.0), 1 - 2 * ETA + 1j * ETA),
    ],
)
def test_each_step_multiplies_by_the_known_factor(dynamics: Dynamics, factor: complex):
    points = path(bilinear(), dynamics, 20)
    np.testing.assert_allclose(points[1:] / points[:-1], factor, rtol=1e-6)


def test_the_factors_say_what_is_known_about_them():
    growth = abs(path(bilinear(), simultaneous, 1)[-1]) / abs(1 + 0.5j)
    assert growth == pytest.approx(math.sqrt(1 + ETA**2))
    contraction = abs(path(bilinear(), extragradient, 1)[-1]) / abs(1 + 0.5j)
    assert contraction == pytest.approx(math.sqrt((1 - ETA**2) ** 2 + ETA**2))
    assert contraction < 1 < growth


def test_alternating_play_stays_on_an_ellipse():
    # x' = x - eta y, y' = y + eta x' keeps x^2 + y^2 - eta x y: neither to the solution nor away from it.
    points = path(bilinear(), alternating, 150)
    x, y = points.real, points.imag
    np.testing.assert_allclose(x**2 + y**2 - ETA * x * y, 1.25 - ETA * 0.5, rtol=1e-6)
    assert np.ptp(np.angle(points)) > 6, "it went around"


def test_optimistic_descent_converges_along_its_recursion():
    points = path(bilinear(optimistic(sgd(ETA))), simultaneous, 300)
    expected = [1 + 0.5j, (1 + 0.5j) * (1 + 2j * ETA)]
    for _ in range(299):
        expected.append(expected[-1] * (1 + 2j * ETA) - 1j * ETA * expected[-2])
    np.testing.assert_allclose(points, expected, atol=1e-6)
    slowest = max(abs(np.roots([1, -(1 + 2j * ETA), 1j * ETA])))
    assert abs(points[300] / points[200]) == pytest.approx(slowest**100, rel=1e-3)
    assert abs(points[-1]) < 0.3


def test_optimistic_adam_by_hand():
    game = bilinear(optimistic(adam(ETA, beta1=0.5, beta2=0.9)))
    x, y = 1.0, 0.5
    m = v = last = 0.0
    for t, state, _ in train(game, start(game), iter([None] * 3), 3, dynamics=simultaneous):
        g = y  # the slope in x, as it was before this step
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g * g
        u = -ETA * (m / (1 - 0.5 ** (t + 1))) / (math.sqrt(v / (1 - 0.9 ** (t + 1))) + 1e-8)
        x, last = x + 2 * u - last, u
        y = where(state).imag
        assert where(state).real == pytest.approx(x, rel=1e-6)
    assert abs(x - 1) > ETA


@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_dirac_gan_has_the_eigenvalues_of_its_theory(gamma: float):
    # Mescheder et al. 2018 (arXiv:1801.04406), Theorem 4.1 for R1: -gamma/2 +- sqrt(gamma^2/4 - f'(0)^2), f'(0) = 1/2.
    def d(n: Nets, b: Any, m: Any) -> dict[str, Tensor]:
        return {"adv": F.softplus(n.D() * n.G()) + math.log(2), "r1": gamma / 2 * n.D().square()}

    def g(n: Nets, b: Any, m: Any) -> dict[str, Tensor]:
        return {"adv": -F.softplus(n.D() * n.G())}

    nets = {"G": Point(0.0), "D": Point(0.0)}
    game = Game(nets, {k: sgd(ETA) for k in nets}, {"D": Player(("D",), d), "G": Player(("G",), g)})
    state = start(game)

    def motion(at: Tensor) -> Tensor:
        v, _, _ = field(game, state._replace(weights={"G": {"at": at[0]}, "D": {"at": at[1]}}), None)
        return -torch.stack([v["G"]["at"], v["D"]["at"]])

    jacobian = torch.func.jacrev(motion)(torch.zeros(2, dtype=torch.float64))
    found = sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda e: (e.real, e.imag))
    root = cmath.sqrt(gamma**2 / 4 - 0.25)
    expected = sorted((-gamma / 2 - root, -gamma / 2 + root), key=lambda e: (e.real, e.imag))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("dynamics", [simultaneous, extragradient, consensus(0.1)])
@pytest.mark.parametrize("turns", [{"steps": 2}, {"every": 2}])
def test_turns_mean_nothing_where_all_move_at_once(dynamics: Dynamics, turns: dict[str, int]):
    with pytest.raises(ValueError, match=r"player 'x' has .* set both to 1, or use alternating play"):
        dynamics(bilinear(**turns))


@pytest.mark.parametrize("dynamics", [simultaneous, extragradient, consensus(0.1)])
def test_all_at_once_takes_one_batch_per_iteration(dynamics: Dynamics):
    batches = iter(range(10))
    list(train(bilinear(), start(bilinear()), batches, 4, dynamics=dynamics))
    assert next(batches) == 4


def test_turns_come_in_order_each_on_a_batch_of_its_own():
    turns: list[tuple[str, int]] = []

    def says(who: str) -> Callable[..., dict[str, Tensor]]:
        def loss(n: Nets, b: int, m: Any) -> dict[str, Tensor]:
            turns.append((who, b))
            n.note(batch=torch.tensor(b))
            return {"l": n.X() * 0}

        return loss

    players = {
        "often": Player(("X",), says("often"), steps=2),
        "once": Player(("X",), says("once")),
        "rarely": Player(("X",), says("rarely"), steps=2, every=3),
    }
    game = Game({"X": Point(0.0)}, {"X": sgd(ETA)}, players)
    heard = [said for _, _, said in train(game, start(game), iter(range(100)), 5, first=1)]
    three = ("often", "often", "once")
    expected = [*three, *three, *three, "rarely", "rarely", *three]  # iterations 1, 2, 3, 4
    assert turns == list(zip(expected, range(14), strict=True))
    assert [list(said) for said in heard] == [["often", "once"]] * 2 + [list(players)] + [["often", "once"]]
    assert heard[2]["rarely"]["batch"].item() == 10, "of several updates the last one is heard"


def test_updates_per_turn_may_depend_on_the_iteration():
    turns: list[tuple[str, int]] = []

    def says(who: str) -> Callable[..., dict[str, Tensor]]:
        def loss(n: Nets, b: int, m: Any) -> dict[str, Tensor]:
            turns.append((who, b))
            return {"l": n.X() * 0}

        return loss

    def steps(t: int) -> int:
        return (3, 1, 0, 2)[t % 4]

    players = {"d": Player(("X",), says("d"), steps=steps), "g": Player(("X",), says("g"), steps=lambda t: 1, every=2)}
    game = Game({"X": Point(0.0)}, {"X": sgd(ETA)}, players)
    assert [players["d"].updates(t) for t in range(5)] == [3, 1, 0, 2, 3]
    assert [players["g"].updates(t) for t in range(5)] == [1, 0, 1, 0, 1]
    batches = iter(range(100))
    list(train(game, start(game), batches, 5))
    whole = ["d", "d", "d", "g", "d", "g", "d", "d", "d", "d", "d", "g"]
    assert turns == list(zip(whole, range(12), strict=True))
    turns.clear()  # resumed before iteration 3, at batch 6
    list(train(game, start(game), iter(range(6, 100)), 5, first=3))
    assert turns == list(zip(whole[6:], range(6, 12), strict=True))


def test_updates_that_vary_mean_nothing_where_all_move_at_once():
    with pytest.raises(ValueError, match="use alternating play"):
        simultaneous(bilinear(steps=lambda t: 1))


def test_extragradient_moves_from_where_it_was_along_the_slope_ahead():
    game = bilinear(adam(ETA))
    ((run, _),) = extragradient(game)
    state, said = run(start(game), None)
    assert state.opt["X"]["t"].item() == 1, "the look ahead is no update"
    ahead = 0.5 + ETA  # Adam's first step has length eta
    assert said["y"]["l"].item() == pytest.approx(-(1 - ETA) * ahead)
    assert state.opt["X"]["m"]["at"].item() == pytest.approx(0.1 * ahead)


def test_extragradient_keeps_what_layers_recorded_where_it_looked_last():
    torch.manual_seed(0)
    nets = {"X": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))}
    players = {"x": Player(("X",), lambda n, b, m: {"l": n.X(b).square().mean()})}
    game, b = Game(nets, {"X": sgd(ETA)}, players), torch.randn(8, 3) + 1
    begin = start(game)
    ((run, _),) = extragradient(game)
    found, _ = run(begin, b)
    v, _, first = field(game, begin, b)
    _, _, last = field(game, apply(game, begin, v), b)
    for name, recorded in last.buffers["X"].items():
        assert torch.equal(found.buffers["X"][name], recorded)
    assert not torch.equal(last.buffers["X"]["1.running_mean"], first.buffers["X"]["1.running_mean"])


def test_optimistic_steps_are_made_as_those_of_its_base():
    base = Optimizer(lambda w: {}, lambda g, s, w: ({"a": w["a"] + 1}, s), lambda g, s, w: ({"a": w["a"] + 10}, s))
    opt, w = optimistic(base), {"a": torch.zeros(())}
    assert [step({}, opt.init(w), w)[0]["a"].item() for step in (opt.update, opt.fast)] == [2, 20]
