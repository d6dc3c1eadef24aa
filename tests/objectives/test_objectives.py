"""Objectives against closed forms on two discrete distributions, where the optimal critics are known."""

import math
import pkgutil
from importlib import import_module

import pytest
import torch
from torch import Tensor

from zerosum.objectives import hinge, least_squares, minimax, non_saturating, wasserstein
from zerosum.objectives.objective import ENERGIES, LOGITS, Goal, Objective

# Multiples of 1/16, so that batches can hold exactly these frequencies.
P = torch.tensor([4, 8, 1, 3], dtype=torch.float64) / 16
Q = torch.tensor([2, 2, 8, 4], dtype=torch.float64) / 16


def batch(values: Tensor, frequencies: Tensor) -> Tensor:
    """A batch of 16 in which each value occurs as often as its frequency says."""
    return values.repeat_interleave((frequencies * 16).long())


def kl(p: Tensor, q: Tensor) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True))


def jsd(p: Tensor, q: Tensor) -> float:
    return (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2


@pytest.mark.parametrize("objective", [minimax, non_saturating])
def test_minimax_critic_at_its_optimum_is_log_4_minus_twice_the_jensen_shannon_divergence(objective: Objective):
    a = (P / Q).log()
    assert objective.d(batch(a, P), batch(a, Q)).item() == pytest.approx(math.log(4) - 2 * jsd(P, Q), abs=1e-12)


def test_minimax_generator_at_the_optimal_critic():
    a = (P / Q).log()
    fake = batch(a, Q)
    expected = sum(q * math.log(q / (p + q)) for p, q in zip(P.tolist(), Q.tolist(), strict=True))
    assert minimax.g(fake, fake).item() == pytest.approx(expected, abs=1e-12)
    expected = -sum(q * math.log(p / (p + q)) for p, q in zip(P.tolist(), Q.tolist(), strict=True))
    assert non_saturating.g(fake, fake).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("a", [-30.0, -2.0, 0.0, 0.7, 30.0])
def test_generator_derivatives_saturate_and_do_not(a: float):
    logit = torch.tensor([a], dtype=torch.float64)
    sigmoid = 1 / (1 + math.exp(-a))
    mm = torch.func.grad(lambda t: minimax.g(t, t))(logit).item()
    ns = torch.func.grad(lambda t: non_saturating.g(t, t))(logit).item()
    assert mm == pytest.approx(-sigmoid, rel=1e-9)
    assert ns == pytest.approx(-(1 - sigmoid), rel=1e-2 if a > 20 else 1e-9)


def test_minimax_is_finite_for_extreme_logits():
    big = torch.tensor([1e4, -1e4])
    assert minimax.d(big, big).item() == pytest.approx(1e4)


def test_least_squares_by_hand():
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([-1.0, 0.25])
    assert least_squares().d(real, fake).item() == pytest.approx((0.25 + 1 + 1 + 0.0625) / 4)
    assert least_squares().g(real, fake).item() == pytest.approx((4 + 0.5625) / 4)


def test_least_squares_minimises_pearson_divergence():
    objective = least_squares(-1, 1, 0)
    best = (P - Q) / (P + Q)  # (b p + a q) / (p + q)
    assert torch.allclose(
        torch.func.grad(lambda d: objective.d(batch(d, P), batch(d, Q)))(best), torch.zeros(4).double()
    )
    both = objective.g(batch(best, P), batch(best, Q)) + objective.g(batch(best, Q), batch(best, P))
    pearson = sum((2 * q - (p + q)) ** 2 / (p + q) for p, q in zip(P.tolist(), Q.tolist(), strict=True))
    assert 2 * both.item() == pytest.approx(pearson, abs=1e-12)


def test_least_squares_refuses_equal_targets():
    with pytest.raises(ValueError, match="different targets"):
        least_squares(1, 1, 0)


def test_wasserstein_is_the_distance_for_the_optimal_potential():
    scipy = pytest.importorskip("scipy.stats")
    places = torch.tensor([0.0, 1.0, 2.5, 4.0], dtype=torch.float64)
    # In one dimension the optimal potential has slope sign(F_Q - F_P).
    slopes = torch.sign((Q - P).cumsum(0))[:-1]
    potential = torch.cat([torch.zeros(1), (slopes * places.diff()).cumsum(0)])
    expected = scipy.wasserstein_distance(places.tolist(), places.tolist(), P.tolist(), Q.tolist())
    real, fake = batch(potential, P), batch(potential, Q)
    assert -wasserstein.d(real, fake).item() == pytest.approx(expected, abs=1e-12)
    assert wasserstein.g(real, fake).item() == pytest.approx(-(potential @ Q).item())


def test_hinge_critic_at_its_optimum_is_two_minus_twice_total_variation():
    best = torch.sign(P - Q)
    variation = (P - Q).abs().sum().item() / 2
    assert hinge.d(batch(best, P), batch(best, Q)).item() == pytest.approx(2 - 2 * variation, abs=1e-12)


def test_hinge_by_hand():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.5])
    assert hinge.d(real, fake).item() == pytest.approx(0.25 + 0.75)
    assert hinge.g(real, fake).item() == pytest.approx(1.25)


@pytest.mark.parametrize("objective", [minimax, non_saturating, least_squares(), wasserstein, hinge])
def test_bfloat16_logits_give_float32_losses_and_derivatives_agree(objective: Objective):
    real, fake = torch.randn(64).bfloat16(), torch.randn(64).bfloat16()
    for side in (objective.d, objective.g):
        loss = side(real, fake)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(side(real.double(), fake.double()).item(), abs=1e-6)
    inputs = (torch.randn(5).double().requires_grad_(), torch.randn(5).double().requires_grad_())
    assert torch.autograd.gradcheck(objective.d, inputs)
    assert torch.autograd.gradgradcheck(objective.d, inputs)


@pytest.mark.parametrize("package", ["objectives", "penalties", "constraints", "parts"])
def test_no_name_in_a_package_hides_a_module_of_its(package: str):
    whole = import_module(f"zerosum.{package}")
    names = [found.name for found in pkgutil.iter_modules(whole.__path__)]
    assert names
    for name in names:  # what `import zerosum.package.name as m` binds
        module = import_module(f"zerosum.{package}.{name}")
        assert getattr(whole, name) is module


def test_a_goal_of_an_objective_reads_nothing_of_the_samples():
    real, fake, nothing = torch.randn(5), torch.randn(5), torch.empty(0)
    for objective in (hinge, Objective(hinge.d, hinge.g, needs_real=True)):
        goal = Goal.of(objective)
        assert torch.equal(goal.d(real, fake, nothing, nothing), objective.d(real, fake))
        assert torch.equal(goal.g(real, fake), objective.g(real, fake))
        assert (goal.needs_real, goal.reads) == (objective.needs_real, LOGITS)
    assert Goal.of(hinge, ENERGIES).reads == ENERGIES
