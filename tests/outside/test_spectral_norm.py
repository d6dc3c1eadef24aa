"""Spectral normalisation in loops that know nothing of the engine, against torch's own and the true singular value."""

from __future__ import annotations

import copy
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.utils.parametrizations import spectral_norm as torch_spectral_norm

from zerosum.constraints import SpectralNorm, enforce, power_iteration, spectral_norm
from zerosum.core.game import Game, Player, gradient, play, start
from zerosum.core.optim import sgd
from zerosum.networks import mlp, resnet
from zerosum.networks.layers.recompute import recomputed
from zerosum.objectives import hinge
from zerosum.renewal import Renewal, call_held, caller_renews

LAYERS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "wide linear": (lambda: nn.Linear(20, 8), lambda: torch.randn(16, 20)),
    "tall linear": (lambda: nn.Linear(6, 24, bias=False), lambda: torch.randn(16, 6)),
    "convolution": (lambda: nn.Conv2d(3, 8, 3, 1, 1), lambda: torch.randn(4, 3, 6, 6)),
    "strided": (lambda: nn.Conv2d(4, 6, 4, 2, 1, groups=2), lambda: torch.randn(4, 4, 8, 8)),
    "embedding": (lambda: nn.Embedding(10, 5), lambda: torch.randint(10, (16,))),
}


def largest(weight: Tensor) -> float:
    return torch.linalg.svdvals(weight.detach().flatten(1).double())[0].item()


def build(name: str) -> tuple[SpectralNorm, nn.Module, Tensor]:
    """The same layer normalised by us and by torch, with the same vectors, and an input."""
    torch.manual_seed(0)
    layer, x = LAYERS[name][0](), LAYERS[name][1]()
    ours = spectral_norm(copy.deepcopy(layer))
    assert isinstance(ours, SpectralNorm)
    theirs = torch_spectral_norm(layer)
    hidden: Any = theirs.parametrizations.weight[0]
    hidden._u.copy_(ours.u)
    hidden._v.copy_(as_columns(ours.v, ours.weight))
    return ours, theirs, x


def as_columns(v: Tensor, weight: Tensor) -> Tensor:
    """v in torch's order of columns (in, kh, kw); ours is (kh, kw, in)."""
    if weight.dim() == 2:
        return v
    return v.view(*weight.shape[2:], weight.shape[1]).permute(2, 0, 1).flatten()


def descend(net: nn.Module, x: Tensor, steps: int, forwards: int = 1, lr: float = 0.02) -> None:
    """A plain loop."""
    optimizer = torch.optim.Adam(net.parameters(), lr)
    for _ in range(steps):
        optimizer.zero_grad()
        outputs = [net(x) for _ in range(forwards)]
        torch.stack(
            [(out - torch.linspace(-3, 3, out.numel()).view_as(out)).square().mean() for out in outputs]
        ).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("forwards", [1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_a_plain_loop_goes_as_torch_s_own_step_for_step(name: str, forwards: int):
    ours, theirs, x = build(name)
    hidden: Any = theirs.parametrizations.weight
    for steps in (1, 1, 18):
        descend(ours, x, steps, forwards)
        descend(theirs, x, steps, forwards)
        torch.testing.assert_close(ours.weight, hidden.original, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(ours.u, hidden[0]._u, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(as_columns(ours.v, ours.weight), hidden[0]._v, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-5, atol=1e-5)
        ours.train(), theirs.train()


@pytest.mark.parametrize("name", LAYERS)
def test_after_300_steps_of_adam_the_norm_is_one(name: str):
    ours, theirs, x = build(name)
    stale = copy.deepcopy(ours)
    descend(ours, x, 300, lr=0.01)
    descend(theirs, x, 300, lr=0.01)
    with Renewal(by_caller=True):  # who then does not
        descend(stale, x, 300, lr=0.01)
    assert largest(ours.weight) / ours.sigma().item() == pytest.approx(1, abs=0.02)
    assert largest(theirs.eval().weight) == pytest.approx(1, abs=0.02)
    assert largest(stale.weight) / stale.sigma().item() > 1.2


def test_a_whole_critic_stays_within_one():
    torch.manual_seed(0)
    net = mlp.Critic(hidden=(32, 32), wrap=spectral_norm)
    real, fake = torch.randn(64, 2), torch.randn(64, 2) + 2
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        hinge.d(net(real), net(fake)).backward()  # two forwards before one backward
        optimizer.step()
    layers = [m for m in net.modules() if isinstance(m, SpectralNorm)]
    assert [largest(m.weight / m.sigma()) for m in layers] == pytest.approx([1] * 3, abs=0.05)


def test_one_iteration_in_training_mode_and_none_in_evaluation():
    ours, _, x = build("wide linear")
    nn.init.normal_(ours.weight)
    u, v = ours.u.clone(), ours.v.clone()
    ours.eval()(x)
    assert torch.equal(ours.u, u)
    assert torch.equal(ours.v, v)
    with torch.no_grad():
        ours.train()(x)
    expected_u = ours.weight @ v / (ours.weight @ v).norm()
    expected_v = ours.weight.T @ expected_u / (ours.weight.T @ expected_u).norm()
    torch.testing.assert_close(ours.u, expected_u.detach())
    torch.testing.assert_close(ours.v, expected_v.detach())


def test_evaluation_then_training_before_one_backward():
    ours, theirs, x = build("convolution")
    for net in (ours, theirs):
        (net.eval()(x).sum() + 2 * net.train()(x).square().sum()).backward()
    torch.testing.assert_close(ours.weight.grad, theirs.parametrizations.weight.original.grad, rtol=1e-4, atol=1e-4)


def test_with_a_derivative_of_a_derivative():
    ours, theirs, x = build("convolution")
    for net in (ours, theirs):
        points = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(torch.tanh(net(points)).sum(), points, create_graph=True)
        (slope.square().sum() + net(x).sum()).backward()
    torch.testing.assert_close(ours.weight.grad, theirs.parametrizations.weight.original.grad, rtol=1e-4, atol=1e-4)


def test_under_torch_func_vectors_are_renewed_whether_captured_or_passed():
    for captured in (True, False):
        ours, _, x = build("wide linear")
        plain = copy.deepcopy(ours)
        plain(x).square().sum().backward()
        weights, buffers = dict(ours.named_parameters()), dict(ours.named_buffers())

        def loss(w: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
            return functional_call(ours, (w, b), (x,)).square().sum()  # noqa: B023

        found = grad(lambda w: loss(w, buffers))(weights) if captured else grad(loss)(weights, buffers)  # noqa: B023
        torch.testing.assert_close(found["weight"], plain.weight.grad)
        assert torch.equal(ours.u, plain.u)
        assert torch.equal(buffers["v"], plain.v)
        assert type(ours.u.detach().numpy()).__name__ == "ndarray"  # no wrapper of torch.func is left behind


def test_per_sample_gradients_and_stacked_networks():
    ours, _, x = build("wide linear")
    plain = copy.deepcopy(ours)
    w = {k: p.detach() for k, p in ours.named_parameters()}
    per_sample = vmap(grad(lambda w, one: functional_call(ours, w, (one[None],)).square().sum()), (None, 0))(w, x)
    plain(x).square().sum().backward()
    torch.testing.assert_close(per_sample["weight"].sum(0), plain.weight.grad)
    assert torch.equal(ours.u, plain.u)

    nets = [spectral_norm(nn.Linear(4, 3)) for _ in range(3)]
    points = torch.randn(5, 4)
    weights, buffers = stack_module_state(nets)
    found = vmap(lambda w, b: functional_call(nets[0], (w, b), (points,)))(weights, buffers)
    torch.testing.assert_close(found, torch.stack([net(points) for net in nets]))
    torch.testing.assert_close(buffers["u"], torch.stack([net.get_buffer("u") for net in nets]))
    shared = {k: b[0] for k, b in buffers.items()}
    with pytest.raises(ValueError, match="stack u and v"):
        vmap(lambda w: functional_call(nets[0], (w, shared), (points,)))(weights)


def test_forward_derivatives_pass():
    ours, _, x = build("wide linear")
    _, found = torch.func.jvp(ours, (x,), (torch.ones_like(x),))
    torch.testing.assert_close(found, ours.eval()(torch.ones_like(x)) - ours(torch.zeros_like(x)))


@pytest.mark.parametrize("name", LAYERS)
def test_compiled_it_renews_as_it_does_uncompiled(name: str):
    torch._dynamo.reset()
    ours, _, x = build(name)
    plain = copy.deepcopy(ours)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    for _ in range(3):
        compiled(x).square().sum().backward()
        plain(x).square().sum().backward()
    torch.testing.assert_close(ours.u, plain.u)
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad)
    torch.testing.assert_close(compiled.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("name", LAYERS)
def test_under_bfloat16_autocast_vectors_and_norm_stay_float32(name: str):
    ours, _, x = build(name)
    plain = copy.deepcopy(ours)
    with torch.autocast("cpu", torch.bfloat16):
        out = ours(x)
    plain(x)
    assert out.dtype == (torch.float32 if name == "embedding" else torch.bfloat16)
    assert torch.equal(ours.u, plain.u)
    out.float().sum().backward()
    assert ours.weight.grad.dtype == torch.float32


def test_copies_states_and_pickles():
    ours, _, x = build("embedding")
    descend(ours, x, 3)
    again = copy.deepcopy(ours)
    again(x)
    assert not torch.equal(again.u, ours.u)  # a copy has vectors of its own
    fresh, _, _ = build("embedding")
    fresh.load_state_dict(ours.state_dict())
    assert torch.equal(fresh.eval()(x), ours.eval()(x))
    file = io.BytesIO()
    torch.save(ours, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(x), ours(x))


def test_a_replica_writes_to_the_vectors_that_it_shares():
    ours, _, x = build("convolution")
    replica = ours._replicate_for_data_parallel()
    replica.weight, replica.bias = ours.weight.clone(), ours.bias.clone()
    v = ours.v.clone()
    replica(x).sum().backward()
    assert not torch.equal(ours.v, v)
    assert ours.weight.grad is not None


def game(net: nn.Module) -> Game:
    player = Player(
        ("D",), lambda n, b, m: {"loss": n.D(b).square().mean() + n.D.frozen(b).mean() + n.D.judge(b).logits.mean()}
    )
    return Game({"D": net}, {"D": sgd(0.1)}, {"d": player}, project={"D": power_iteration(net)})


@pytest.mark.parametrize("backend", [None, "aot_eager"])
def test_in_a_game_no_forward_renews_and_afterwards_the_module_does(backend: str | None):
    torch.manual_seed(0)
    net, x = mlp.Critic(hidden=(8,), wrap=spectral_norm), torch.randn(4, 2)
    rules = game(net)
    state = start(rules)
    step = torch.compile(lambda s: gradient(rules, "d", s, x), backend=backend, fullgraph=True) if backend else None
    _, _, after = step(state) if step else gradient(rules, "d", state, x)
    assert all(torch.equal(b, after.buffers["D"][k]) for k, b in state.buffers["D"].items())
    moved, _ = play(rules, "d", state, x)
    expected = power_iteration(net)(moved.weights["D"], state.buffers["D"])[1]["layers.0.u"]
    assert torch.equal(moved.buffers["D"]["layers.0.u"], expected)  # once, after the update
    assert not torch.equal(expected, state.buffers["D"]["layers.0.u"])
    assert not caller_renews()
    before = net.layers[0].v.clone()
    with torch.no_grad():
        net.layers[0].weight.add_(torch.randn_like(net.layers[0].weight))
    net(x)
    assert not torch.equal(net.layers[0].v, before)  # the same module in a plain loop


def test_what_the_caller_says_ends_with_an_error_and_is_said_in_one_thread_only():
    net = spectral_norm(nn.Linear(2, 2))
    nn.init.normal_(net.weight)
    u = net.get_buffer("u")
    heard: list[bool] = []
    with Renewal(by_caller=True):
        thread = threading.Thread(target=lambda: heard.append(caller_renews()))
        thread.start()
        thread.join()
        assert caller_renews()
        with Renewal(by_caller=False):
            assert not caller_renews()
        assert caller_renews()
    with pytest.raises(RuntimeError, match="shapes"):
        call_held(net, {}, (torch.randn(3, 5),), {})
    assert heard == [False]
    assert not caller_renews()
    before = u.clone()
    net(torch.randn(3, 2))
    assert not torch.equal(u, before)


def test_recomputed_blocks_renew_once_and_give_the_same_gradient():
    torch.manual_seed(0)
    kinds = {"width": 4, "channels": 1, "wrap": spectral_norm, "attention": (16,)}
    direct = resnet.Critic(**{**kinds, "width": 8})
    again = resnet.Critic(**{**kinds, "width": 8}, run=recomputed)
    again.load_state_dict(direct.state_dict())
    x = torch.randn(3, 1, 32, 32)
    for net in (direct, again):
        for _ in range(2):
            hinge.d(net(x), net(2 * x)).backward()
    for (name, a), b in zip(direct.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(b.grad, a.grad, msg=name)
    for (name, a), b in zip(direct.named_buffers(), again.buffers(), strict=True):
        torch.testing.assert_close(b, a, msg=name)


def test_weights_from_elsewhere_get_their_vectors_by_enforcing():
    torch.manual_seed(0)
    net = mlp.Critic(hidden=(8, 8), wrap=spectral_norm)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    for _ in range(20):
        for weight in net.parameters():
            nn.init.normal_(weight)
        net(torch.randn(4, 2))
        average.update_parameters(net)
    for _ in range(60):
        enforce(average.module, power_iteration(average.module))
    layers = [m for m in average.module.modules() if isinstance(m, SpectralNorm)]
    assert [largest(m.weight) / m.sigma().item() for m in layers] == pytest.approx([1] * 3, abs=0.01)
