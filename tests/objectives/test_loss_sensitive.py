"""The loss-sensitive GAN against hand values, the Wasserstein GAN, and its properties."""

import math

import pytest
import torch
from torch import Tensor

from zerosum.objectives import wasserstein
from zerosum.objectives.loss_sensitive import check_slope, critic_loss, distance_margin, generator_loss

REAL, FAKE, MARGIN = torch.tensor([1.0, 0.5, 2.0]), torch.tensor([4.0, 1.0, 0.5]), torch.tensor([1.0, 2.0, 0.5])
# margin + real - fake = (-2, 1.5, 2)


def cost(a: Tensor, nu: float) -> Tensor:
    """C of each number, by itself."""
    zero = torch.zeros(1, dtype=a.dtype)
    return torch.stack([critic_loss(zero, zero, one[None], nu=nu, real_weight=0.0) for one in a])


@pytest.mark.parametrize(
    ("nu", "pairs"),
    [(0.0, (0 + 1.5 + 2) / 3), (1.0, (-2 + 1.5 + 2) / 3), (-1.0, (2 + 1.5 + 2) / 3), (0.25, (-0.5 + 1.5 + 2) / 3)],
)
def test_critic_by_hand(nu: float, pairs: float):
    mean = 3.5 / 3
    assert critic_loss(REAL, FAKE, MARGIN, nu=nu).item() == pytest.approx(mean + pairs)
    assert critic_loss(REAL, FAKE, MARGIN, nu=nu, real_weight=0.0).item() == pytest.approx(pairs)
    assert critic_loss(REAL, FAKE, MARGIN, nu=nu, weight=3.0, real_weight=0.5).item() == pytest.approx(
        0.5 * mean + 3 * pairs
    )


def test_slope_one_is_the_wasserstein_gan_of_minus_l_plus_the_mean_margin():
    expected = wasserstein.d(-REAL, -FAKE) + MARGIN.mean()
    assert critic_loss(REAL, FAKE, MARGIN, nu=1.0, real_weight=0.0).item() == pytest.approx(expected.item())
    assert generator_loss(None, FAKE).item() == pytest.approx(wasserstein.g(None, -FAKE).item())


@pytest.mark.parametrize("nu", [1.0, 0.5, 0.0, -1.0, -7.0])
def test_the_cost_is_at_least_its_argument_and_equal_above_zero(nu: float):
    a = torch.linspace(-3, 3, 25, dtype=torch.float64)
    c = cost(a, nu)
    assert (c >= a - 1e-12).all()
    torch.testing.assert_close(c[a >= 0], a[a >= 0])
    torch.testing.assert_close(c[a < 0], nu * a[a < 0])


def test_directions():
    """The critic wants less loss on real samples and more on generated ones within the margin; G less on its own."""
    real, fake = torch.func.grad(lambda r, f: critic_loss(r, f, MARGIN), argnums=(0, 1))(REAL, FAKE)
    torch.testing.assert_close(real, torch.tensor([1, 2, 2]) / 3)  # where satisfied, E L(x) alone
    torch.testing.assert_close(fake, torch.tensor([0, -1, -1]) / 3)
    torch.testing.assert_close(torch.func.grad(lambda f: generator_loss(None, f))(FAKE), torch.ones(3) / 3)
    assert generator_loss(None, FAKE).item() == pytest.approx(5.5 / 3)


def test_margin_is_the_scaled_sum_of_absolute_differences_of_each_pair():
    x = torch.tensor([[[[1.0, -1.0], [0.5, 0.0]]], [[[0.0, 0.0], [0.0, 1.0]]]])
    y = torch.tensor([[[[0.0, 1.0], [0.5, 1.0]]], [[[0.0, 0.0], [0.0, 1.0]]]])
    torch.testing.assert_close(distance_margin(x, y, 0.5), torch.tensor([2.0, 0.0]))  # (1 + 2 + 0 + 1) / 2
    torch.testing.assert_close(distance_margin(x.flatten(1), y.flatten(1), 1.0), torch.tensor([4.0, 0.0]))


@pytest.mark.parametrize("nu", [1.0, 0.2, 0.0, -1.0])
def test_derivatives_and_precision(nu: float):
    torch.manual_seed(0)
    real, fake, margin = torch.randn(3, 8, dtype=torch.float64)
    inputs = (real.requires_grad_(), fake.requires_grad_(), margin.abs().requires_grad_())
    assert torch.autograd.gradcheck(lambda r, f, d: critic_loss(r, f, d, nu=nu, weight=2.0), inputs)
    assert torch.autograd.gradgradcheck(lambda r, f, d: critic_loss(r, f, d, nu=nu, weight=2.0), inputs)
    low = [t.detach().bfloat16() for t in inputs]
    loss = critic_loss(*low, nu=nu)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(critic_loss(*(t.double() for t in low), nu=nu).item(), abs=1e-6)
    images = (torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, y: distance_margin(x, y, 0.3), tuple(images))
    assert distance_margin(*torch.zeros(2, 2, 3).bfloat16(), 1.0).dtype == torch.float32


@pytest.mark.parametrize("nu", [1.01, math.inf, -math.inf, math.nan])
def test_slopes_above_one_or_infinite_are_refused(nu: float):
    with pytest.raises(ValueError, match="at most 1"):
        check_slope(nu)
    with pytest.raises(ValueError, match="at most 1"):
        critic_loss(REAL, FAKE, MARGIN, nu=nu)


def test_samples_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs"):
        critic_loss(REAL, FAKE[:2], MARGIN)
    with pytest.raises(ValueError, match="pairs"):
        critic_loss(REAL, FAKE, MARGIN[:, None])
    with pytest.raises(ValueError, match="pairs"):
        distance_margin(torch.zeros(4, 2), torch.zeros(2, 2), 1.0)
    with pytest.raises(ValueError, match="negative"):
        distance_margin(torch.zeros(4, 2), torch.zeros(4, 2), -1.0)
