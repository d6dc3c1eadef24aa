"""Batch normalisation against torch's, and over two processes against one with the joined batch."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad

from zerosum.conditioning.batch_norm import ClassBatchNorm, VectorBatchNorm
from zerosum.networks.layers import BatchNorm, mean_over_ranks


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


def batch_of(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 2 + 5


def quantities(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """Output, first derivatives of a loss, and the derivative of a squared slope (a second derivative)."""
    weights = {"weight": torch.tensor([0.5, -1.0, 2.0]), "bias": torch.tensor([0.1, 0.2, 0.3])}
    buffers = {k: b.clone() for k, b in layer.named_buffers()}

    def output(w: dict[str, Tensor], x: Tensor, b: dict[str, Tensor]) -> Tensor:
        return functional_call(layer, w | b, (x,))

    def loss(w: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.tanh(output(w, x, {k: b.clone() for k, b in buffers.items()})).square().sum()

    y = output(weights, x, buffers)
    dw, dx = grad(loss, argnums=(0, 1))(weights, x)
    second = grad(lambda w: grad(loss, argnums=1)(w, x).square().sum())(weights)
    return y, dx, dw["weight"], second["weight"], buffers


LABELS = torch.tensor([0, 3, 1, 1, 2, 0, 0, 3])  # the two ranks have different classes


def conditional() -> dict[str, tuple[nn.Module, Tensor]]:
    """Each conditional layer, with what it is called with beside the joined batch."""
    layers = {
        "classes": (ClassBatchNorm(3, 4, across_ranks=True), LABELS),
        "vector": (VectorBatchNorm(3, 4, across_ranks=True), F.one_hot(LABELS, 4).float()),
    }
    for layer, _ in layers.values():
        for k, weight in enumerate(layer.parameters()):
            nn.init.normal_(weight, 0.5, 1.0, torch.Generator().manual_seed(k))
    return layers


def with_gradients(function: Callable[[Tensor], Tensor], x: Tensor, weights: list[Tensor]) -> dict[str, Tensor]:
    """Output, and first derivatives of a loss in input and weights."""
    x = x.clone().requires_grad_()
    y = function(x)
    dx, *dw = torch.autograd.grad(torch.tanh(y).square().sum(), [x, *weights])
    return {"y": y.detach(), "dx": dx} | {f"d{k}": d for k, d in enumerate(dw)}


def rank_main(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    for shape in ((8, 3), (8, 3, 2, 2)):
        torch.save(
            quantities(BatchNorm(3, across_ranks=True), batch_of(shape).chunk(2)[rank]), f"{folder}/{len(shape)}-{rank}"
        )
        for name, (layer, given) in conditional().items():
            mine = given.chunk(2)[rank]
            found = with_gradients(partial(_call, layer, mine), batch_of(shape).chunk(2)[rank], [*layer.parameters()])
            torch.save(found | dict(layer.named_buffers()), f"{folder}/{name}-{len(shape)}-{rank}")
    dist.destroy_process_group()


def _call(layer: nn.Module, given: Tensor, x: Tensor) -> Tensor:
    return layer(x, given)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(rank_main, (str(folder),), nprocs=2)
    return folder


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 2, 2)])
@pytest.mark.parametrize("name", ["classes", "vector"])
def test_conditional_layers_on_two_ranks_equal_torch_with_the_joined_batch(
    ranks: Path, name: str, shape: tuple[int, ...]
):
    first, second = (torch.load(ranks / f"{name}-{len(shape)}-{rank}") for rank in range(2))
    weights = [w.detach().clone().requires_grad_() for w in conditional()[name][0].parameters()]
    mean, var = torch.zeros(3), torch.ones(3)

    def reference(x: Tensor) -> Tensor:
        normalised = F.batch_norm(x, mean, var, training=True)
        code = F.one_hot(LABELS, 4).float()
        gain, bias = (code @ w for w in weights) if name == "classes" else (code @ w.T for w in weights)
        gain = gain if name == "classes" else 1 + gain
        return torch.einsum("bc...,bc->bc...", normalised, gain) + bias.view(8, 3, *[1] * (x.dim() - 2))

    expected = with_gradients(reference, batch_of(shape), weights)
    near = {"atol": 1e-5, "rtol": 1e-4}
    for key in ("y", "dx"):
        torch.testing.assert_close(torch.cat([first[key], second[key]]), expected[key], **near)
    for key in ("d0", "d1"):
        torch.testing.assert_close(first[key] + second[key], expected[key], **near)
    for rank in (first, second):
        torch.testing.assert_close(rank["norm.running_mean"], mean, **near)
        torch.testing.assert_close(rank["norm.running_var"], var, **near)


def test_two_ranks_equal_one_process_with_the_joined_batch(ranks: Path):
    for shape, reference in (((8, 3), nn.BatchNorm1d), ((8, 3, 2, 2), nn.BatchNorm2d)):
        y, dx, dw, second, buffers = quantities(reference(3, track_running_stats=True), batch_of(shape))
        found = [torch.load(ranks / f"{len(shape)}-{rank}") for rank in range(2)]
        near = {"atol": 1e-5, "rtol": 1e-4}
        torch.testing.assert_close(torch.cat([r[0] for r in found]), y, **near)
        torch.testing.assert_close(torch.cat([r[1] for r in found]), dx, **near)
        torch.testing.assert_close(found[0][2] + found[1][2], dw, **near)
        torch.testing.assert_close(found[0][3] + found[1][3], second, **near)
        for rank in found:
            torch.testing.assert_close(rank[4]["running_mean"], buffers["running_mean"], **near)
            torch.testing.assert_close(rank[4]["running_var"], buffers["running_var"], **near)
