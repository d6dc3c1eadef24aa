"""Label smoothing: optimal critics on two discrete distributions, found per point by bisection."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives import non_saturating
from zerosum.objectives.smoothed_loss import smoothed

# Multiples of 1/16, so that batches can hold exactly these frequencies; at the last point there are hardly real ones.
P = torch.tensor([5, 9, 2, 0], dtype=torch.float64) / 16
Q = torch.tensor([2, 1, 5, 8], dtype=torch.float64) / 16


def batch(values: Tensor, frequencies: Tensor) -> Tensor:
    return values.repeat_interleave((frequencies * 16).long())


def best_critic(a: float, b: float) -> Tensor:
    """D = sigmoid(logit) where the loss's derivative in the logit of each point changes its sign."""
    objective = smoothed(a, b)
    slope = torch.func.grad(lambda d: objective.d(batch(d, P), batch(d, Q)))
    low, high = torch.full((4,), -40.0).double(), torch.full((4,), 40.0).double()
    for _ in range(80):
        middle = (low + high) / 2
        up = slope(middle) > 0
        low, high = torch.where(up, low, middle), torch.where(up, middle, high)
    return torch.sigmoid((low + high) / 2)


@pytest.mark.parametrize("a", [0.0, 0.1, 0.25])
def test_one_sided_smoothing_scales_the_optimal_critic(a: float) -> None:
    torch.testing.assert_close(best_critic(a, 0.0), (1 - a) * P / (P + Q), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.1), (0.2, 0.05)])
def test_two_sided_smoothing_puts_the_model_into_the_numerator(a: float, b: float) -> None:
    found = best_critic(a, b)
    torch.testing.assert_close(found, ((1 - a) * P + b * Q) / (P + Q), atol=1e-9, rtol=1e-9)
    # Where there are no real samples D* is b whatever q is; one-sided smoothing says 0 there.
    assert found[3].item() == pytest.approx(b)
    assert best_critic(a, 0.0)[3].item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.0), (0.2, 0.05), (0.0, 0.3)])
def test_the_loss_is_the_cross_entropy_with_these_targets(a: float, b: float) -> None:
    real, fake = torch.randn(7).double(), torch.randn(5).double()
    expected = F.binary_cross_entropy_with_logits(real, torch.full_like(real, 1 - a))
    expected += F.binary_cross_entropy_with_logits(fake, torch.full_like(fake, b))
    torch.testing.assert_close(smoothed(a, b).d(real, fake), expected)


def test_by_hand_and_the_default() -> None:
    zero, three = torch.zeros(1).double(), torch.full((1,), math.log(3)).double()
    # D = 3/4 on real and 1/2 on generated samples, targets 0.9 and 0.
    expected = -0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4) - math.log(1 / 2)
    assert smoothed().d(three, zero).item() == pytest.approx(expected)


def test_without_smoothing_it_is_the_non_saturating_game_and_the_generator_is_always_its() -> None:
    real, fake = torch.randn(6), torch.randn(6)
    torch.testing.assert_close(smoothed(0.0).d(real, fake), non_saturating.d(real, fake))
    assert torch.equal(smoothed(0.3, 0.2).g(None, fake), non_saturating.g(None, fake))
    assert not smoothed().needs_real


def test_extreme_and_bfloat16_logits() -> None:
    big = torch.tensor([1e4, -1e4])
    assert smoothed(0.1).d(big, big).item() == pytest.approx((1e3 + 0.9e4) / 2 + 0.5e4)
    real, fake = torch.randn(64).bfloat16(), torch.randn(64).bfloat16()
    loss = smoothed(0.1, 0.05).d(real, fake)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(smoothed(0.1, 0.05).d(real.double(), fake.double()).item(), abs=1e-6)


@pytest.mark.parametrize(("a", "b"), [(-0.1, 0.0), (0.1, -0.1), (0.5, 0.5), (1.0, 0.0), (math.nan, 0.0)])
def test_refuses_targets_that_are_not_apart(a: float, b: float) -> None:
    with pytest.raises(ValueError, match="the first above the second"):
        smoothed(a, b)
