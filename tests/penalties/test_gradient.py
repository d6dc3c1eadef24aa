"""Gradient penalties against closed forms and against double backward through autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from zerosum.networks import dcgan
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.penalties import dragan, r1, r2, slope, wgan_gp
from zerosum.penalties.gradient import Excess, one_sided, two_sided, weighted_wgan_gp, wgan_div


class Bound:
    """A module bound to weights, with the ``frozen`` that penalties look for."""

    def __init__(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        self.module, self.weights = module, weights

    def __call__(self, x: Tensor) -> Tensor:
        raise AssertionError("a penalty must use `frozen`")

    def frozen(self, x: Tensor) -> Tensor:
        scratch = {k: b.clone() for k, b in self.module.named_buffers()}
        return functional_call(self.module, self.weights | scratch, (x,))


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    return {k: w.detach() for k, w in module.named_parameters()}


def test_linear_critics_have_their_weight_as_slope():
    w = torch.tensor([3.0, -4.0])
    real, fake, eps = torch.randn(5, 2), torch.randn(5, 2), torch.rand(5)

    def critic(x: Tensor) -> Tensor:
        return x @ w + 7

    assert torch.equal(slope(critic, real), w.expand(5, 2))
    assert wgan_gp(critic, real, fake, eps).item() == pytest.approx((5 - 1) ** 2)
    assert wgan_gp(critic, real, fake, eps, target=2.0).item() == pytest.approx((5 - 2) ** 2)
    assert dragan(critic, real, torch.rand(5, 2), eps).item() == pytest.approx((5 - 1) ** 2)
    assert r1(critic, real).item() == r2(critic, real).item() == pytest.approx(25)


def test_quadratic_critics_show_where_the_slope_is_taken():
    # D(x) = |x|^2 / 2 has slope x, so each penalty is a function of its points alone.
    def critic(x: Tensor) -> Tensor:
        return x.square().flatten(1).sum(1) / 2

    real, fake, noise = torch.randn(6, 3, 2, 2), torch.randn(6, 3, 2, 2), torch.rand(6, 3, 2, 2)
    t = torch.rand(6)
    points = torch.stack([e * x + (1 - e) * y for e, x, y in zip(t, real, fake, strict=True)])
    assert wgan_gp(critic, real, fake, t).item() == pytest.approx(
        (points.flatten(1).norm(dim=1) - 1).square().mean().item()
    )
    assert wgan_gp(critic, real, fake, t[:, None]).item() == wgan_gp(critic, real, fake, t).item()
    moved = real + 0.5 * real.numpy().std() * noise
    points = torch.stack([x + a * (y - x) for a, x, y in zip(t, real, moved, strict=True)])
    assert dragan(critic, real, noise, t).item() == pytest.approx(
        (points.flatten(1).norm(dim=1) - 1).square().mean().item()
    )


def test_r1_of_a_general_quadratic():
    a, b = torch.randn(3, 3), torch.randn(3)
    a = a + a.T
    x, y = torch.randn(7, 3), torch.randn(7, 3)

    def critic(points: Tensor) -> Tensor:
        return ((points @ a) * points).sum(1) / 2 + points @ b

    assert r1(critic, x).item() == pytest.approx((x @ a + b).square().sum(1).mean().item(), rel=1e-5)
    assert r2(critic, y).item() == pytest.approx((y @ a + b).square().sum(1).mean().item(), rel=1e-5)


def smooth(w: Tensor, v: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.tanh(x @ w) @ v


def test_first_and_second_derivatives():
    torch.manual_seed(0)
    w, v = torch.randn(3, 4).double().requires_grad_(), torch.randn(4).double().requires_grad_()
    real, fake, eps = torch.randn(2, 3).double(), torch.randn(2, 3).double(), torch.rand(2).double()
    for penalty in (
        lambda w, v: wgan_gp(smooth(w, v), real, fake, eps),
        lambda w, v: dragan(smooth(w, v), real, fake, eps),
        lambda w, v: r1(smooth(w, v), real),
    ):
        assert torch.autograd.gradcheck(penalty, (w, v))
        assert torch.autograd.gradgradcheck(penalty, (w, v))


def test_zero_slope_has_finite_derivatives():
    w = torch.zeros(3, dtype=torch.float64)
    x = torch.randn(4, 3).double()

    def penalty(w: Tensor) -> Tensor:
        return wgan_gp(lambda t: t @ w, x, x, torch.rand(4).double())

    assert penalty(w).item() == 1
    assert grad(penalty)(w).isfinite().all()
    assert grad(lambda w: grad(penalty)(w).sum())(w).isfinite().all()


@pytest.mark.parametrize("norm", [BatchNorm, LayerNorm, nn.Identity])
def test_convolutional_critics_agree_with_double_backward(norm: Callable[[int], nn.Module]):
    torch.manual_seed(0)
    critic = dcgan.Critic(width=4, size=16, channels=1, norm=norm)
    real, fake, eps = torch.randn(4, 1, 16, 16), torch.randn(4, 1, 16, 16), torch.rand(4)
    before = {k: b.clone() for k, b in critic.named_buffers()}
    found = grad(lambda w: wgan_gp(Bound(critic, w), real, fake, eps))(weights_of(critic))
    assert all(torch.equal(before[k], b) for k, b in critic.named_buffers())

    e = eps[:, None, None, None]
    points = (e * real + (1 - e) * fake).requires_grad_()
    (slopes,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    ((slopes.flatten(1).norm(dim=1) - 1) ** 2).mean().backward()
    for name, weight in critic.named_parameters():
        expected = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-6)


def test_under_autocast_the_penalty_is_the_one_of_float32():
    torch.manual_seed(0)
    critic = dcgan.Critic(width=4, size=16, channels=1, norm=LayerNorm)
    real, fake, eps = torch.randn(4, 1, 16, 16), torch.randn(4, 1, 16, 16).bfloat16(), torch.rand(4)

    def penalty(w: dict[str, Tensor], enabled: bool) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            return wgan_gp(Bound(critic, w), real, fake, eps)

    w = weights_of(critic)
    plain, under = penalty(w, False), penalty(w, True)
    assert plain.dtype == torch.float32
    assert torch.equal(plain, under)
    expected, found = grad(penalty)(w, False), grad(penalty)(w, True)
    assert all(torch.equal(found[k], expected[k]) for k in w)


def test_compiles_to_one_graph():
    critic = dcgan.Critic(width=2, size=16, channels=1)
    x, y, eps, w = torch.randn(3, 1, 16, 16), torch.randn(3, 1, 16, 16), torch.rand(3), weights_of(critic)

    def gradient(w: dict[str, Tensor]) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return grad(lambda w: wgan_gp(Bound(critic, w), x, y, eps))(w)

    eager, compiled = gradient(w), torch.compile(gradient, backend="aot_eager", fullgraph=True)(w)
    for name in w:
        torch.testing.assert_close(compiled[name], eager[name], rtol=1e-4, atol=1e-6)


def test_refuses_what_does_not_fit():
    x = torch.randn(4, 2)
    with pytest.raises(ValueError, match="eps has shape"):
        wgan_gp(lambda t: t.sum(1), x, x, torch.rand(3))
    with pytest.raises(ValueError, match="fake has shape"):
        wgan_gp(lambda t: t.sum(1), x, x[:3], torch.rand(4))
    with pytest.raises(ValueError, match="noise has shape"):
        dragan(lambda t: t.sum(1), x, x[:1], torch.rand(4))


def test_a_weighted_penalty_is_one_term_and_costs_nothing_without_a_weight():
    real, fake, eps = torch.randn(5, 2), torch.randn(5, 2), torch.rand(5)

    def critic(x: Tensor) -> Tensor:
        return x.square().sum(1)

    def untouched(x: Tensor) -> Tensor:
        raise AssertionError("nobody asks this critic")

    terms = weighted_wgan_gp(3.0, critic, real, fake, eps)
    assert terms.keys() == {"gp"}
    assert torch.equal(terms["gp"], 3 * wgan_gp(critic, real, fake, eps))
    assert weighted_wgan_gp(0.0, untouched, real, fake, eps) == {}


# One-sided and zero-centred penalties, and WGAN-div's.


def test_excesses_by_hand():
    off = torch.tensor([-0.5, 0.0, 2.0])
    assert two_sided(off).tolist() == [0.25, 0, 4]
    assert one_sided(off).tolist() == [0, 0, 4]


@pytest.mark.parametrize(("excess", "steep", "flat"), [(two_sided, 16.0, 0.25), (one_sided, 16.0, 0.0)])
def test_one_sided_penalties_let_flat_critics_be(excess: Excess, steep: float, flat: float):
    x, eps = torch.randn(5, 2), torch.rand(5)
    for weight, expected in (([3.0, -4.0], steep), ([0.3, -0.4], flat)):
        w = torch.tensor(weight)
        assert wgan_gp(lambda t, w=w: t @ w, x, x, eps, excess=excess).item() == pytest.approx(expected)
        assert dragan(lambda t, w=w: t @ w, x, torch.rand(5, 2), eps, excess=excess).item() == pytest.approx(expected)


def test_an_excess_is_taken_per_sample_before_the_mean():
    # |x|^2 / 2 has slope |x|: 0.6 and 2.6, so (0 + 1.6^2) / 2, where the mean slope would give 0.6^2.
    x = torch.tensor([[0.6, 0.0], [1.0, 2.4]])

    def critic(t: Tensor) -> Tensor:
        return t.square().sum(1) / 2

    assert wgan_gp(critic, x, x, torch.rand(2), excess=one_sided).item() == pytest.approx(1.6**2 / 2)
    assert wgan_gp(critic, x, x, torch.rand(2), target=0.0).item() == pytest.approx((0.6**2 + 2.6**2) / 2)
    assert wgan_gp(critic, x, x, torch.rand(2), target=0.0).item() == pytest.approx(r1(critic, x).item())
    assert wgan_div(critic, x, x, torch.rand(2)).item() == pytest.approx((0.6**6 + 2.6**6) / 2, rel=1e-5)
    assert wgan_div(critic, x, x, torch.rand(2), power=2.0).item() == pytest.approx(r1(critic, x).item())


def test_wgan_div_takes_slopes_where_wgan_gp_does():
    def critic(t: Tensor) -> Tensor:
        return t.square().flatten(1).sum(1) / 2

    real, fake, eps = torch.randn(6, 3, 2, 2), torch.randn(6, 3, 2, 2), torch.rand(6)
    points = torch.stack([e * x + (1 - e) * y for e, x, y in zip(eps, real, fake, strict=True)])
    expected = points.flatten(1).norm(dim=1).pow(3).mean().item()
    assert wgan_div(critic, real, fake, eps, power=3.0).item() == pytest.approx(expected)


def test_the_best_critic_of_wgan_div_between_two_points():
    # On linear critics D(x) = w x, E D(fake) - E D(real) + k |w|^p is least at k p w^(p - 1) = real - fake.
    real, fake = torch.full((4, 1), 3.0).double(), torch.full((4, 1), 1.0).double()
    w = torch.tensor((3 - 1) / (2 * 6), dtype=torch.float64) ** (1 / 5)

    def loss(w: Tensor) -> Tensor:
        def critic(x: Tensor) -> Tensor:
            return x[:, 0] * w

        gap = critic(fake).mean() - critic(real).mean()
        return gap + 2 * wgan_div(critic, real, fake, torch.rand(4).double())

    assert grad(loss)(w).item() == pytest.approx(0, abs=1e-12)
    assert grad(grad(loss))(w).item() > 0


def test_derivatives_of_the_new_penalties():
    torch.manual_seed(0)
    # Slopes on both sides of the target.
    w, v = (2 * torch.randn(3, 4).double()).requires_grad_(), torch.randn(4).double().requires_grad_()
    real, fake, eps = torch.randn(4, 3).double(), torch.randn(4, 3).double(), torch.rand(4).double()
    slopes = slope(smooth(w, v), eps[:, None] * real + (1 - eps[:, None]) * fake).norm(dim=1)
    assert slopes.min() < 0.9
    assert slopes.max() > 1.1
    for penalty in (
        lambda w, v: wgan_gp(smooth(w, v), real, fake, eps, excess=one_sided),
        lambda w, v: wgan_gp(smooth(w, v), real, fake, eps, target=0.0),
        lambda w, v: wgan_div(smooth(w, v), real, fake, eps),
        lambda w, v: wgan_div(smooth(w, v), real, fake, eps, power=1.5),
    ):
        assert torch.autograd.gradcheck(penalty, (w, v))
        assert torch.autograd.gradgradcheck(penalty, (w, v))


@pytest.mark.parametrize("power", [1.5, 2.0, 6.0])
def test_wgan_div_at_zero_slope(power: float):
    x, w = torch.randn(4, 3).double(), torch.zeros(3).double()

    def penalty(w: Tensor) -> Tensor:
        return wgan_div(lambda t: t @ w, x, x, torch.rand(4).double(), power)

    assert penalty(w).item() == 0
    assert grad(penalty)(w).tolist() == [0, 0, 0]


def test_wgan_div_refuses_powers_that_make_no_divergence():
    x = torch.randn(4, 2)
    with pytest.raises(ValueError, match="power=1"):
        wgan_div(lambda t: t.sum(1), x, x, torch.rand(4), power=1.0)
    with pytest.raises(ValueError, match="fake has shape"):
        wgan_div(lambda t: t.sum(1), x, x[:2], torch.rand(4))
