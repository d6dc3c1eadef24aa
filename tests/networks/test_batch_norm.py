"""Batch normalisation against torch's, and over two processes against one with the joined batch."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from zerosum.networks.layers import BatchNorm, mean_over_ranks

SCRIPT = Path(__file__).with_name("two_ranks.py")


@pytest.mark.parametrize(("shape", "reference"), [((8, 3), nn.BatchNorm1d), ((8, 3, 5, 4), nn.BatchNorm2d)])
@pytest.mark.parametrize("across_ranks", [False, True])
def test_equals_torch_while_training_and_after(shape: tuple[int, ...], reference: type[nn.Module], across_ranks: bool):
    torch.manual_seed(0)
    ours, theirs = BatchNorm(3, across_ranks=across_ranks), reference(3)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    for _ in range(3):
        x = torch.randn(shape) * 3 + 1
        mine, yours = x.clone().requires_grad_(), x.clone().requires_grad_()
        torch.testing.assert_close(ours(mine), theirs(yours), atol=1e-6, rtol=1e-6)
        ours(mine).square().sum().backward()
        theirs(yours).square().sum().backward()
        torch.testing.assert_close(mine.grad, yours.grad, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours.running_var, theirs.running_var, atol=1e-6, rtol=1e-6)
    assert not torch.equal(ours.running_var, torch.ones(3))
    x = torch.randn(shape)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), atol=1e-6, rtol=1e-6)


def test_eps_and_momentum_by_hand():
    layer = BatchNorm(1, eps=3.0, momentum=0.25)
    assert torch.equal(layer(torch.tensor([[-1.0], [1.0]])), torch.tensor([[-0.5], [0.5]]))
    assert layer.running_var.item() == pytest.approx(0.75 * 1 + 0.25 * 2)


def test_second_derivatives():
    layer = BatchNorm(2).double()
    x = torch.randn(4, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: torch.tanh(layer(x)), (x,))
    assert torch.autograd.gradgradcheck(lambda x: torch.tanh(layer(x)), (x,))


def test_in_bfloat16_images_stay_bfloat16_and_channels_last():
    layer = BatchNorm(4)
    x = torch.randn(8, 4, 6, 6).bfloat16().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y.float(), nn.BatchNorm2d(4)(x.float()), atol=0.03, rtol=0.01)


def test_buffers_passed_in_are_updated_under_a_derivative():
    layer, x = BatchNorm(3), torch.randn(6, 3)

    def loss(w: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        buffers = {k: b.clone() for k, b in layer.named_buffers()}
        return functional_call(layer, w | buffers, (x,)).square().sum(), buffers

    _, buffers = grad(loss, has_aux=True)({k: w.detach() for k, w in layer.named_parameters()})
    torch.testing.assert_close(buffers["running_mean"], 0.1 * x.mean(0))
    assert torch.equal(layer.running_mean, torch.zeros(3))


def test_alone_the_mean_over_ranks_is_the_tensor_itself():
    x = torch.randn(3)
    assert mean_over_ranks(x) is x


def test_refuses_impossible_arguments():
    for bad in ({"features": 0}, {"features": 1, "eps": 0.0}, {"features": 1, "momentum": 2.0}):
        with pytest.raises(ValueError, match="must be"):
            BatchNorm(**bad)


@pytest.fixture(scope="module")
def two_ranks(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(SCRIPT)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, on_two_ranks: Callable[[Path, Path], None]) -> Path:
    """The folder with what two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    on_two_ranks(SCRIPT, folder)
    return folder


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 2, 2)])
@pytest.mark.parametrize("name", ["classes", "vector"])
def test_conditional_layers_on_two_ranks_equal_torch_with_the_joined_batch(
    two_ranks: Any, ranks: Path, name: str, shape: tuple[int, ...]
):
    first, second = (torch.load(ranks / f"{name}-{len(shape)}-{rank}") for rank in range(2))
    weights = [w.detach().clone().requires_grad_() for w in two_ranks.conditional()[name][0].parameters()]
    mean, var = torch.zeros(3), torch.ones(3)

    def reference(x: Tensor) -> Tensor:
        normalised = F.batch_norm(x, mean, var, training=True)
        code = F.one_hot(two_ranks.LABELS, 4).float()
        gain, bias = (code @ w for w in weights) if name == "classes" else (code @ w.T for w in weights)
        gain = gain if name == "classes" else 1 + gain
        return torch.einsum("bc...,bc->bc...", normalised, gain) + bias.view(8, 3, *[1] * (x.dim() - 2))

    expected = two_ranks.with_gradients(reference, two_ranks.batch_of(shape), weights)
    near = {"atol": 1e-5, "rtol": 1e-4}
    for key in ("y", "dx"):
        torch.testing.assert_close(torch.cat([first[key], second[key]]), expected[key], **near)
    for key in ("d0", "d1"):
        torch.testing.assert_close(first[key] + second[key], expected[key], **near)
    for rank in (first, second):
        torch.testing.assert_close(rank["norm.running_mean"], mean, **near)
        torch.testing.assert_close(rank["norm.running_var"], var, **near)


def test_two_ranks_equal_one_process_with_the_joined_batch(two_ranks: Any, ranks: Path):
    for shape, reference in (((8, 3), nn.BatchNorm1d), ((8, 3, 2, 2), nn.BatchNorm2d)):
        layer = reference(3, track_running_stats=True)
        y, dx, dw, second, buffers = two_ranks.quantities(layer, two_ranks.batch_of(shape))
        found = [torch.load(ranks / f"{len(shape)}-{rank}") for rank in range(2)]
        near = {"atol": 1e-5, "rtol": 1e-4}
        torch.testing.assert_close(torch.cat([r[0] for r in found]), y, **near)
        torch.testing.assert_close(torch.cat([r[1] for r in found]), dx, **near)
        torch.testing.assert_close(found[0][2] + found[1][2], dw, **near)
        torch.testing.assert_close(found[0][3] + found[1][3], second, **near)
        for rank in found:
            torch.testing.assert_close(rank[4]["running_mean"], buffers["running_mean"], **near)
            torch.testing.assert_close(rank[4]["running_var"], buffers["running_var"], **near)
