"""Relativistic objectives against closed forms and linear programs on two discrete distributions."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linprog, minimize
from torch import Tensor

from zerosum.objectives.objective import Objective
from zerosum.objectives.relativistic_loss import (
    average_hinge,
    average_least_squares,
    average_relativistic,
    relativistic,
)

ALL = [relativistic, average_relativistic, average_least_squares, average_hinge]
# Multiples of 1/16, so that batches can hold exactly these frequencies.
P = torch.tensor([4, 8, 1, 3], dtype=torch.float64) / 16
Q = torch.tensor([2, 2, 8, 4], dtype=torch.float64) / 16
UNEVEN = torch.tensor([0.3, -1.2, 2.0, 0.7], dtype=torch.float64)


def batch(values: Tensor, frequencies: Tensor) -> Tensor:
    """A batch of 16 in which each value occurs as often as its frequency says."""
    return values.repeat_interleave((frequencies * 16).long())


def pairs(critic: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """All 256 pairs of a real and a generated sample: their logits."""
    real, fake = batch(critic, p), batch(critic, q)
    return real.repeat_interleave(16), fake.repeat(16)


def everything(objective: Objective, critic: Tensor, p: Tensor = P, q: Tensor = Q) -> tuple[Tensor, Tensor]:
    """What ``objective`` is given when the batches have frequencies ``p`` and ``q`` exactly."""
    return pairs(critic, p, q) if objective is relativistic else (batch(critic, p), batch(critic, q))


# By hand, and against the criterion that the authors' code calls.


def test_by_hand():
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0])
    # Differences 3 and -1; the means are 1 (real) and 0 (fake).
    assert relativistic.d(real, fake).item() == pytest.approx((math.log1p(math.exp(-3)) + math.log1p(math.e)) / 2)
    assert relativistic.g(real, fake).item() == pytest.approx((math.log1p(math.exp(3)) + math.log1p(1 / math.e)) / 2)
    # real - 0 = 2, 0; fake - 1 = -2, 0
    soft = math.log1p(math.exp(-2)), math.log(2)
    assert average_relativistic.d(real, fake).item() == pytest.approx(sum(soft) / 2)
    assert average_least_squares.d(real, fake).item() == pytest.approx(((1 + 1) / 2 + (1 + 1) / 2) / 2)
    assert average_least_squares.g(real, fake).item() == pytest.approx(((9 + 1) / 2 + (9 + 1) / 2) / 2)
    assert average_hinge.d(real, fake).item() == pytest.approx(((0 + 1) / 2 + (0 + 1) / 2) / 2)
    assert average_hinge.g(real, fake).item() == pytest.approx(((3 + 1) / 2 + (3 + 1) / 2) / 2)


def test_against_binary_cross_entropy():
    real, fake = torch.randn(7).double(), torch.randn(7).double() + 1
    one, zero, bce = torch.ones(7).double(), torch.zeros(7).double(), F.binary_cross_entropy_with_logits
    torch.testing.assert_close(relativistic.d(real, fake), bce(real - fake, one))
    torch.testing.assert_close(relativistic.g(real, fake), bce(fake - real, one))
    above, below = real - fake.mean(), fake - real.mean()
    torch.testing.assert_close(average_relativistic.d(real, fake), (bce(above, one) + bce(below, zero)) / 2)
    torch.testing.assert_close(average_relativistic.g(real, fake), (bce(above, zero) + bce(below, one)) / 2)


@pytest.mark.parametrize("objective", ALL)
def test_only_differences_count(objective: Objective):
    real, fake = torch.randn(6).double(), torch.randn(6).double()
    for side in (objective.d, objective.g):
        torch.testing.assert_close(side(real + 3.7, fake + 3.7), side(real, fake))
        assert abs(side(real + 3.7, fake) - side(real, fake)) > 1e-3


@pytest.mark.parametrize("objective", ALL)
def test_players_want_the_opposite_of_each_logit(objective: Objective):
    assert objective.needs_real
    # Close to each other, so that no hinge is at rest.
    real, fake = torch.rand(6).double() / 10, torch.rand(6).double() / 10
    d_real, d_fake = torch.func.grad(objective.d, argnums=(0, 1))(real, fake)
    g_real, g_fake = torch.func.grad(objective.g, argnums=(0, 1))(real, fake)
    assert (d_real < 0).all()
    assert (d_fake > 0).all()
    assert (g_real > 0).all()
    assert (g_fake < 0).all()
    # A common shift changes nothing: the derivatives sum to zero, through the averages too.
    assert abs(d_real.sum() + d_fake.sum()) < 1e-12
    assert abs(g_real.sum() + g_fake.sum()) < 1e-12


def test_batches_of_different_size():
    real, fake = torch.randn(4), torch.randn(2)
    with pytest.raises(ValueError, match=r"real logits have shape \(4,\), fake logits \(2,\): samples are compared in"):
        relativistic.d(real, fake)
    with pytest.raises(ValueError, match="in pairs"):
        relativistic.g(real, fake[:1])
    for objective in ALL[1:]:
        torch.testing.assert_close(objective.d(real, fake.repeat(2)), objective.d(real, fake))


@pytest.mark.parametrize("objective", ALL)
def test_extreme_logits_bfloat16_and_derivatives(objective: Objective):
    big = torch.tensor([1e4, -1e4])
    assert objective.d(big, -big).isfinite()
    real, fake = torch.randn(64).bfloat16(), torch.randn(64).bfloat16()
    for side in (objective.d, objective.g):
        assert side(real, fake).dtype == torch.float32
        torch.testing.assert_close(side(real, fake).double(), side(real.double(), fake.double()), rtol=1e-5, atol=1e-6)
        inputs = (torch.randn(5).double().requires_grad_(), torch.randn(5).double().requires_grad_())
        assert torch.autograd.gradcheck(side, inputs)
        assert torch.autograd.gradgradcheck(side, inputs)


# At the optimal critic. ``best`` is found without our code: by calculus, or by scipy on formulas of its own.


def product_divergence(p: Tensor, q: Tensor) -> Tensor:
    """JSD(P x Q, Q x P), in nats."""
    a, b = torch.outer(p, q), torch.outer(q, p)
    return (a * (2 * a / (a + b)).log()).sum() / 2 + (b * (2 * b / (a + b)).log()).sum() / 2


def triangle(p: Tensor, q: Tensor) -> Tensor:
    return ((p - q).square() / (p + q)).sum()


def best_least_squares(p: Tensor, q: Tensor) -> Tensor:
    return 4 / (2 + 3 * triangle(p, q)) * (p - q) / (p + q)


def best_average(p: Tensor, q: Tensor) -> Tensor:
    x, y = p.numpy(), q.numpy()

    def loss(c: np.ndarray) -> float:
        return float(x @ np.logaddexp(0, y @ c - c) + y @ np.logaddexp(0, c - x @ c)) / 2

    found = minimize(loss, np.log(x / y), method="BFGS", options={"gtol": 1e-9})
    return torch.tensor(found.x)


def hinge_program(p: Tensor, q: Tensor) -> tuple[Tensor, float]:
    """min (p u + q v) / 2 over C and u >= 1 - C + q C, v >= 1 + C - p C, u and v >= 0: a linear program."""
    x, y, n = p.numpy(), q.numpy(), len(p)
    eye, ones = np.eye(n), np.ones((n, 1))
    rows = np.block([[-eye + ones * y, -eye, 0 * eye], [eye - ones * x, 0 * eye, -eye]])
    bounds = [(0, 0), *[(None, None)] * (n - 1), *[(0, None)] * (2 * n)]
    found = linprog(np.concatenate([0 * x, x, y]) / 2, rows, -np.ones(2 * n), bounds=bounds)
    return torch.tensor(found.x[:n]), float(found.fun)


def best_hinge(p: Tensor, q: Tensor) -> Tensor:
    return hinge_program(p, q)[0]


Best = Callable[[Tensor, Tensor], Tensor]
Value = Callable[[Tensor, Tensor], float]
BEST: list[tuple[Objective, Best, Value]] = [
    (relativistic, lambda p, q: (p / q).log(), lambda p, q: math.log(2) - product_divergence(p, q).item()),
    (average_least_squares, best_least_squares, lambda p, q: float((2 - triangle(p, q)) / (2 + 3 * triangle(p, q)))),
    (average_hinge, best_hinge, lambda p, q: hinge_program(p, q)[1]),
]


@pytest.mark.parametrize(("objective", "best", "value"), BEST, ids=["relativistic", "least squares", "hinge"])
@pytest.mark.parametrize("q", [Q, P], ids=["apart", "equal"])
def test_the_critics_loss_at_its_optimum(objective: Objective, best: Best, value: Value, q: Tensor):
    found = best(P, q)
    loss = objective.d(*everything(objective, found, P, q)).item()
    assert loss == pytest.approx(value(P, q), abs=1e-9)
    for _ in range(20):  # and it is one
        other = found + torch.randn(4).double() / 5
        assert objective.d(*everything(objective, other, P, q)).item() >= loss - 1e-12


@pytest.mark.parametrize(
    ("objective", "best"),
    [(relativistic, BEST[0][1]), (average_relativistic, best_average), (average_least_squares, best_least_squares)],
    ids=["relativistic", "average", "least squares"],
)
def test_the_smooth_critics_are_at_rest_there(objective: Objective, best: Best):
    slope = torch.func.grad(lambda c: objective.d(*everything(objective, c)))
    assert slope(best(P, Q)).abs().max() < 1e-7
    assert slope(UNEVEN).abs().max() > 1e-2


# The generator at that critic. The divergence is what the critic's loss lacks of its value where P = Q.

MANY = 800


def many(critic: Tensor, frequencies: Tensor) -> Tensor:
    """A batch of 800 with these frequencies, multiples of 1/800."""
    return critic.repeat_interleave((frequencies * MANY).round().long())


def player(objective: Objective, side: str, critic: Tensor, q: Tensor) -> float:
    """A player's loss on batches with the frequencies P and ``q``."""
    real, fake = many(critic, P), many(critic, q)
    if objective is relativistic:
        real, fake = real.repeat_interleave(MANY), fake.repeat(MANY)
    return (objective.g if side == "g" else objective.d)(real, fake).item()


def moves() -> list[Tensor]:
    """Changes of a distribution: 1/800 from one of the four places to another."""
    unit = torch.eye(4).double() / MANY
    return [unit[j] - unit[i] for i in range(4) for j in range(4) if i != j]


def average_value(p: Tensor, q: Tensor) -> float:
    c = best_average(p, q)
    return float(p @ F.softplus(q @ c - c) + q @ F.softplus(c - p @ c)) / 2


WITH_AVERAGE = [*BEST, (average_relativistic, best_average, average_value)]
NAMES = ["relativistic", "least squares", "hinge", "average"]


@pytest.mark.parametrize(("objective", "best", "value"), WITH_AVERAGE, ids=NAMES)
def test_the_generator_decreases_the_divergence(objective: Objective, best: Best, value: Value):
    critic, now = best(P, Q), value(P, Q)
    assert value(P, P) > now, "P and Q differ"
    before = player(objective, "g", critic, Q)
    wanted = [player(objective, "g", critic, Q + move) - before for move in moves()]
    gained = [value(P, Q + move) - now for move in moves()]
    favourite, least = int(np.argmin(wanted)), int(np.argmax(wanted))
    assert wanted[favourite] < 0 < gained[favourite], "where it would go, the divergence falls"
    assert gained[least] < 0 < wanted[least], "and where it would not, it rises"
    if objective is not average_hinge:  # whose best critic leaves places with equal logits undecided
        assert np.corrcoef(wanted, gained)[0, 1] < -0.8


@pytest.mark.parametrize(("objective", "best", "value"), [BEST[0], BEST[1], WITH_AVERAGE[3]], ids=NAMES[:2] + NAMES[3:])
def test_the_divergence_has_the_slope_of_the_critics_loss(objective: Objective, best: Best, value: Value):
    # The envelope theorem: at the optimum only the samples move, not the critic.
    critic = best(P, Q)
    for move in moves():
        slope = player(objective, "d", critic, Q + move) - player(objective, "d", critic, Q - move)
        assert slope == pytest.approx(value(P, Q + move) - value(P, Q - move), rel=1e-3, abs=1e-8)
