"""Minibatch discrimination against an explicit loop and the cases that its definition settles."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn.utils.parametrizations import weight_norm

from zerosum.constraints import spectral_norm
from zerosum.networks import dcgan, infogan, mlp
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.minibatch import MinibatchDiscrimination
from zerosum.networks.minibatch_critic import MinibatchCritic
from zerosum.penalties import wgan_gp


def by_loops(weight: Tensor, f: Tensor) -> Tensor:
    """o(x_i)_b = sum over j != i of exp(-|M_ib - M_jb|_1), written out in Python numbers."""
    samples, (inputs, kernels, dims) = len(f), weight.shape
    t, rows = weight.tolist(), f.tolist()
    m = [
        [[sum(rows[i][a] * t[a][k][c] for a in range(inputs)) for c in range(dims)] for k in range(kernels)]
        for i in range(samples)
    ]
    out = torch.zeros(samples, kernels, dtype=torch.float64)
    for i in range(samples):
        for k in range(kernels):
            for j in range(samples):
                if j != i:
                    out[i, k] += math.exp(-sum(abs(m[i][k][c] - m[j][k][c]) for c in range(dims)))
    return out


def layer_of(inputs: int = 4, kernels: int = 3, dims: int = 2) -> MinibatchDiscrimination:
    """The paper's formula, without scales and biases."""
    torch.manual_seed(0)
    return MinibatchDiscrimination(inputs, kernels, dims, scaled=False).double()


def authors(theta: Tensor, log_scale: Tensor, f: Tensor) -> tuple[Any, Any, Any]:
    """What `MinibatchLayer` of openai/improved-gan does with a batch when it is set, in numpy.

    Returns:
        Its output for that batch (which is centred), and its scales and biases from then on.
    """
    t, s, x = (a.detach().double().numpy() for a in (theta, log_scale, f))
    w = t * (np.exp(s) / np.sqrt((t**2).sum(0)))[None]
    m = np.einsum("ba,akc->bkc", x, w)
    apart = np.abs(m[:, :, :, None] - m.transpose(1, 2, 0)[None]).sum(2) + 1e6 * np.eye(len(x))[:, None, :]
    half = 0.5 * apart.min(2).mean(0)
    near = np.exp(-apart / half[None, :, None]).sum(2)
    return near - near.mean(0), s - np.log(half)[:, None], -near.mean(0)


def scaled(inputs: int = 6, kernels: int = 5, dims: int = 3, **more: Any) -> Any:
    torch.manual_seed(0)
    return MinibatchDiscrimination(inputs, kernels, dims, **more)


def test_a_batch_sets_scales_and_biases_as_the_authors_code_does() -> None:
    torch.manual_seed(1)
    layer, f = scaled().double(), 7 * torch.randn(12, 6).double()
    nn.init.normal_(layer.log_scale)  # what they were before counts, too
    expected, log_scale, bias = authors(layer.weight, layer.log_scale, f)
    layer.calibrate(f)
    torch.testing.assert_close(layer.nearness(f), torch.from_numpy(expected), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(layer.log_scale.detach(), torch.from_numpy(log_scale), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(layer.bias.detach(), torch.from_numpy(bias), rtol=1e-10, atol=1e-10)


def test_it_begins_as_the_authors_code_does_before_it_is_set() -> None:
    layer = scaled(400, 100, 5)
    assert layer.weight.std().item() == pytest.approx(0.05, rel=0.02)
    assert not layer.log_scale.any()
    assert (layer.bias == -1).all()
    # The length of a column does not matter, only its direction does.
    f = torch.randn(5, 400) / 5
    before = layer.nearness(f)
    with torch.no_grad():
        layer.weight *= 3 * torch.rand(1, 100, 5) + 0.1
    torch.testing.assert_close(layer.nearness(f), before, rtol=1e-4, atol=1e-5)
    assert before.std() > 0.01


@pytest.mark.parametrize("size", [10, 100, 400])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
def test_once_set_it_begins_at_zero_whatever_the_batch_and_the_features(size: int, spread: float) -> None:
    layer, f = scaled(), spread * torch.randn(size, 6)
    layer.calibrate(f)
    assert layer.nearness(f).mean(0).abs().max() < 1e-4
    nearest = layer._distances(f).masked_fill(torch.eye(size, dtype=torch.bool)[:, :, None], math.inf).amin(1).mean(0)
    torch.testing.assert_close(nearest, torch.full((5,), 2.0), rtol=1e-3, atol=0)


def test_samples_that_are_all_alike_leave_the_scale_as_it_is() -> None:
    layer = scaled()
    layer.calibrate(torch.ones(4, 6))
    assert not layer.log_scale.any()
    assert torch.equal(layer.bias, torch.full((5,), -3.0))


def test_parts_of_a_batch_expect_what_the_batch_has() -> None:
    """Over all ways to cut a part, the sum over a part's other samples, multiplied up, is the batch's sum."""
    layer, f = scaled(batch=6).double(), torch.randn(6, 6).double()
    layer.calibrate(f)
    whole = layer.nearness(f)
    torch.testing.assert_close(whole, scaled_like(layer)(f)[:, 6:], rtol=0, atol=0)  # the batch itself is as it is
    parts = [layer.nearness(f[[0, *others]])[0] for others in itertools.combinations(range(1, 6), 2)]
    torch.testing.assert_close(torch.stack(parts).mean(0), whole[0], rtol=1e-10, atol=1e-10)
    assert torch.equal(layer.nearness(f[:1])[0], layer.bias)


def scaled_like(layer: Any) -> Any:
    other = scaled().double()
    other.load_state_dict(layer.state_dict())
    return other


def test_only_what_has_scales_can_be_set_and_only_by_two_samples() -> None:
    with pytest.raises(ValueError, match="neither scales nor biases"):
        layer_of().calibrate(torch.randn(3, 4))
    with pytest.raises(ValueError, match="at least 2 samples"):
        scaled().calibrate(torch.randn(1, 6))


def test_features_come_first_and_then_what_the_loops_find() -> None:
    layer, f = layer_of(), torch.randn(5, 4).double()
    out = layer(f)
    assert out.shape == (5, 4 + 3)
    assert torch.equal(out[:, :4], f)
    torch.testing.assert_close(out[:, 4:], by_loops(layer.weight.detach(), f), rtol=1e-12, atol=1e-12)


def test_the_defaults_are_those_of_the_authors_code_for_cifar() -> None:
    assert MinibatchDiscrimination(7).weight.shape == (7, 100, 5)


def test_by_hand() -> None:
    # One feature, one kernel, M = 2f: |M_1 - M_2| = 2 log 2, so each sees exp(-2 log 2) = 1/4 of the other.
    layer = layer_of(1, 1, 1)
    nn.init.constant_(layer.weight, 2.0)
    found = layer.nearness(torch.tensor([[0.0], [math.log(2)]]).double())
    torch.testing.assert_close(found, torch.full((2, 1), 0.25).double())


def test_identical_samples_count_the_others_and_far_ones_do_not_count() -> None:
    layer = layer_of()
    same = torch.randn(1, 4).double().expand(6, 4)
    assert torch.equal(layer.nearness(same), torch.full((6, 3), 5.0).double())
    far = 1e4 * torch.arange(6.0).double()[:, None] * torch.ones(4).double()
    assert torch.equal(layer.nearness(far), torch.zeros(6, 3).double())  # not even a rounding of 1 - 1
    assert torch.equal(layer.nearness(same[:1]), torch.zeros(1, 3).double())


def test_the_order_of_the_batch_does_not_matter() -> None:
    layer, f, order = layer_of(), torch.randn(7, 4).double(), torch.randperm(7)
    torch.testing.assert_close(layer(f[order]), layer(f)[order])


def test_initial_directions_have_length_about_one() -> None:
    weight = MinibatchDiscrimination(512, 50, 5, scaled=False).weight
    assert weight.square().sum(0).sqrt().mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("kind", [layer_of, scaled])
def test_first_and_second_derivatives(kind: Callable[..., MinibatchDiscrimination]) -> None:
    layer = kind(3, 2, 2).double()

    def f(x: Tensor, w: Tensor) -> Tensor:
        return torch.tanh(functional_call(layer, {"weight": w}, (x,)))

    x, w = torch.randn(4, 3).double().requires_grad_(), layer.weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(f, (x, w))
    assert torch.autograd.gradgradcheck(f, (x, w))


def test_identical_samples_have_finite_derivatives() -> None:
    layer = layer_of()
    same = torch.ones(3, 4).double().requires_grad_()
    layer(same).square().sum().backward()
    assert same.grad is not None
    assert same.grad.isfinite().all()


def test_under_autocast_nearness_is_that_of_float32() -> None:
    layer = MinibatchDiscrimination(8, 4)
    f = torch.randn(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.nearness(f), layer.nearness(f.float()))
        assert layer(f.bfloat16()).dtype == torch.bfloat16
        found = layer.nearness(f)
    assert torch.equal(found, layer.nearness(f))


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="kernels=0"):
        MinibatchDiscrimination(4, 0)


CRITICS = [
    (lambda: mlp.Critic((2,), (16, 16)), (2,)),
    (lambda: dcgan.Critic(4, 16, 1, norm=nn.Identity, wrap=weight_norm, bias=True), (1, 16, 16)),
    (lambda: infogan.Critic(4, 16, 1, norm=nn.Identity), (1, 16, 16)),
]


@pytest.mark.parametrize(("build", "shape"), CRITICS)
def test_the_critic_adds_to_the_old_logit_what_the_kernels_say(
    build: Callable[[], Any], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    plain = build()
    torch.manual_seed(0)
    critic = MinibatchCritic(build(), kernels=6, dims=3)
    x = torch.randn(5, *shape)
    f, weight = plain.features(x), next(critic.last.parameters())
    added = critic.minibatch.nearness(f) @ weight[:, -6:].T
    torch.testing.assert_close(critic(x), plain(x) + added.squeeze(1), rtol=1e-5, atol=1e-5)
    assert added.abs().max() > 0
    # The others of the batch count: alone, each sample gets the old logit, and what the biases say.
    alone = torch.cat([critic(sample[None]) for sample in x])
    torch.testing.assert_close(alone, plain(x) - weight[:, -6:].sum(), rtol=1e-5, atol=1e-5)


def test_every_weight_of_the_critic_is_used() -> None:
    critic = MinibatchCritic(mlp.Critic((2,), (8,)), kernels=3)
    critic(torch.randn(4, 2)).sum().backward()
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in critic.parameters())


def test_the_critic_judges_by_the_features_of_its_net_and_those_it_adds() -> None:
    net = mlp.Critic((2,), (8,))
    critic = MinibatchCritic(net, kernels=3, wrap=weight_norm)
    x = torch.randn(4, 2)
    judged = critic.judge(x)
    assert torch.equal(judged.logits, critic(x))
    assert torch.equal(judged.features, critic.features(x))
    assert judged.features.shape == (4, 8 + 3)
    assert torch.equal(judged.features[:, :8], net.features(x))
    assert torch.equal(judged.features[:, 8:], critic.minibatch.nearness(net.features(x)))


def test_samples_set_the_kernels_and_leave_no_other_trace() -> None:
    torch.manual_seed(0)
    net = dcgan.Critic(4, 16, 1, norm=BatchNorm)
    before = {k: v.clone() for k, v in net.state_dict().items() if not k.startswith("last")}
    x = torch.randn(6, 1, 16, 16)
    critic = MinibatchCritic(net, kernels=3, samples=x)
    assert all(torch.equal(v, before[k]) for k, v in critic.net.state_dict().items())
    assert critic.judge(x).features[:, -3:].mean(0).abs().max() < 1e-5


def test_gradient_penalties_go_through_it_in_one_graph() -> None:
    torch.manual_seed(0)
    critic = MinibatchCritic(mlp.Critic((2,), (8,), activation=torch.tanh), kernels=3)
    x, y, eps = torch.randn(4, 2), torch.randn(4, 2), torch.rand(4)
    weights = {k: w.detach() for k, w in critic.named_parameters()}

    def gradient(w: dict[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = grad(lambda w: wgan_gp(lambda t: functional_call(critic, w, (t,)), x, y, eps))(w)
        return found

    eager, compiled = gradient(weights), torch.compile(gradient, backend="aot_eager", fullgraph=True)(weights)
    assert eager["minibatch.weight"].abs().sum() > 0
    for name in weights:
        torch.testing.assert_close(compiled[name], eager[name], rtol=1e-4, atol=1e-6)


def test_networks_to_build_on_must_have_features_and_a_last_layer() -> None:
    with pytest.raises(TypeError, match="Linear has no `features` with a linear layer `last`"):
        MinibatchCritic(nn.Linear(3, 1))
    normed = mlp.Critic((2,), (8,), wrap=spectral_norm)
    with pytest.raises(TypeError, match="the last layer of Critic is wrapped"):
        MinibatchCritic(normed)  # its last layer cannot be made wider
    x = torch.randn(4, 2)
    normed.eval()  # or each call would renew the singular vectors
    assert torch.equal(normed.judge(x).logits, normed(x))
