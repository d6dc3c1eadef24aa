"""Spectral normalisation against the singular value decomposition and torch's own; clipping by hand."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad
from torch.nn.utils.parametrizations import spectral_norm as torch_spectral_norm

from zerosum.constraints import SpectralNorm, clip, power_iteration, spectral_norm
from zerosum.networks import resnet
from zerosum.renewal import call_held

Tensors = dict[str, Tensor]


def split(net: nn.Module) -> tuple[Tensors, Tensors]:
    return {k: w.detach() for k, w in net.named_parameters()}, dict(net.named_buffers())


def largest(weight: Tensor) -> float:
    return torch.linalg.svdvals(weight.flatten(1).double())[0].item()


@pytest.mark.parametrize("layer", [nn.Linear(30, 20), nn.Conv2d(5, 8, 3), nn.Conv2d(3, 16, 4, 2, 1, bias=False)])
def test_sigma_approaches_the_largest_singular_value(layer: nn.Module):
    torch.manual_seed(0)
    nn.init.normal_(layer.weight)
    net = spectral_norm(layer)
    assert isinstance(net, SpectralNorm)
    weights, buffers = split(net)
    expected = largest(layer.weight)
    assert net.sigma().item() == pytest.approx(expected, rel=0.1)  # from construction on
    project = power_iteration(net)
    for _ in range(20):
        weights, buffers = project(weights, buffers)
    net.load_state_dict(weights | buffers)
    assert net.sigma().item() == pytest.approx(expected, rel=0.01)
    assert largest(net.weight / net.sigma()) <= 1.01
    assert net.u.norm().item() == pytest.approx(1)
    assert net.v.norm().item() == pytest.approx(1)


@pytest.mark.parametrize(("layer", "shape"), [(nn.Linear(6, 4), (5, 6)), (nn.Conv2d(3, 4, 3, 2, 1), (5, 3, 7, 7))])
def test_values_and_gradients_are_torch_s_with_the_same_vectors(layer: nn.Module, shape: tuple[int, ...]):
    ours = spectral_norm(layer)
    assert isinstance(ours, SpectralNorm)
    theirs = torch_spectral_norm(type(layer)(**arguments(layer)))
    hidden = theirs.parametrizations.weight[0]
    theirs.parametrizations.weight.original.data.copy_(layer.weight)
    theirs.bias.data.copy_(layer.bias)
    columns = ours.v if layer.weight.dim() == 2 else ours.v.view(3, 3, 3).permute(2, 0, 1).flatten()
    hidden._u.copy_(ours.u)
    hidden._v.copy_(columns)
    theirs.eval()  # no power iteration in its forward
    x = torch.randn(shape)
    torch.testing.assert_close(ours.eval()(x), theirs(x))
    expected = torch.autograd.grad(theirs(x).square().sum(), theirs.parametrizations.weight.original)[0]
    weights, buffers = split(ours)
    found = grad(lambda w: call_held(ours, w | buffers, (x,), {}).square().sum())(weights)["weight"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def arguments(layer: nn.Module) -> dict[str, object]:
    names = ("in_features", "out_features", "in_channels", "out_channels", "kernel_size", "stride", "padding")
    return {n: getattr(layer, n) for n in names if hasattr(layer, n)}


def test_in_a_game_training_and_evaluation_are_the_same_function_and_nothing_moves():
    net, x = spectral_norm(nn.Linear(4, 3)), torch.randn(2, 4)
    before = {k: b.clone() for k, b in net.named_buffers()}
    trained = call_held(net.train(), {}, (x,), {})
    assert torch.equal(trained, call_held(net.eval(), {}, (x,), {}))
    assert torch.equal(trained, net(x))  # in evaluation mode, nothing moves outside of it either
    assert all(torch.equal(before[k], b) for k, b in net.named_buffers())


def test_second_derivatives():
    net = spectral_norm(nn.Linear(3, 2)).double()
    _, buffers = split(net)
    x = torch.randn(4, 3).double().requires_grad_()
    w = torch.randn(2, 3).double().requires_grad_()

    def f(w: Tensor, x: Tensor) -> Tensor:
        return torch.tanh(call_held(net, buffers | {"weight": w}, (x,), {}))

    assert torch.autograd.gradcheck(f, (w, x))
    assert torch.autograd.gradgradcheck(f, (w, x))


def test_a_whole_critic_is_projected_and_stays_float32_under_autocast():
    torch.manual_seed(0)
    net = resnet.Critic(width=4, channels=1, wrap=spectral_norm)
    layers = {n: m for n, m in net.named_modules() if isinstance(m, SpectralNorm)}
    assert (
        len(layers) == 3 + 3 + 2 + 2 + 1
    )  # of the first block, of that which halves, of two that keep the size, the head
    assert all(m.needs_projection for m in layers.values())
    weights, buffers = split(net)
    weights = {k: torch.randn_like(w) for k, w in weights.items()}
    project = power_iteration(net)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(30):
            weights, buffers = project(weights, buffers)
    net.load_state_dict(weights | buffers)
    for name, layer in layers.items():
        assert buffers[f"{name}.u"].dtype == torch.float32
        with torch.autocast("cpu", torch.bfloat16):
            assert layer.sigma().item() == pytest.approx(largest(layer.weight), rel=0.02)


@pytest.mark.gpu
def test_sigma_is_float32_under_autocast_on_a_gpu():
    # On a CPU autocast leaves matrix-vector products alone, so only here can the guard be seen.
    net = spectral_norm(nn.Linear(64, 64)).cuda()
    assert isinstance(net, SpectralNorm)
    expected = net.sigma()
    with torch.autocast("cuda", torch.bfloat16):
        assert torch.equal(net.sigma(), expected)


def test_one_power_iteration_by_hand_also_under_a_derivative():
    net = spectral_norm(nn.Linear(2, 2, bias=False))
    w = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    u = torch.tensor([0.6, 0.8])
    v = torch.tensor([1.2, 0.8]) / (1.2**2 + 0.8**2) ** 0.5
    new = torch.tensor([2 * v[0], v[1]])
    project = power_iteration(net)

    def first(w: Tensor) -> Tensor:
        found = project({"weight": w}, {"u": u, "v": v})[1]
        torch.testing.assert_close(found["v"], v.clone())
        torch.testing.assert_close(found["u"], new / new.norm())
        return found["u"].sum()

    first(w)
    step = grad(lambda w: project({"weight": w}, {"u": u, "v": v})[1]["u"].sum() + w.sum())(w)
    assert torch.equal(step, torch.ones(2, 2))  # u and v are constants


def test_compiles_to_one_graph():
    net = nn.Sequential(spectral_norm(nn.Linear(3, 4)), nn.ReLU(), spectral_norm(nn.Linear(4, 1)))
    weights, buffers = split(net)
    x, project = torch.randn(2, 3), power_iteration(net)

    def step(w: Tensors, b: Tensors) -> tuple[Tensors, Tensors]:
        return project(grad(lambda w: call_held(net, w | b, (x,), {}).sum())(w), b)

    eager, compiled = step(weights, buffers), torch.compile(step, backend="aot_eager", fullgraph=True)(weights, buffers)
    torch.testing.assert_close(compiled, eager)


def test_what_cannot_be_normalised_is_refused():
    with pytest.raises(TypeError, match="ReLU"):
        spectral_norm(nn.ReLU())
    with pytest.raises(TypeError, match="Conv2d"):
        spectral_norm(nn.Conv2d(1, 1, 3, padding_mode="reflect"))
    with pytest.raises(ValueError, match="no spectral-normalised layer"):
        power_iteration(nn.Linear(2, 2))


def test_clip_by_hand():
    weights = {"a": torch.tensor([-3.0, 0.005]), "b": torch.tensor(0.5)}
    buffers = {"mean": torch.tensor(9.0)}
    found, kept = clip(0.01)(weights, buffers)
    assert torch.equal(found["a"], torch.tensor([-0.01, 0.005]))
    assert found["b"].item() == pytest.approx(0.01)
    assert kept is buffers
    assert weights["b"].item() == 0.5
    assert torch.equal(grad(lambda w: clip(1.0)({"a": w}, {})[0]["a"].sum())(weights["a"]), torch.tensor([0.0, 1.0]))
    for c in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            clip(c)
