"""Recomputed blocks against the same blocks run directly by autograd, and their memory against what can be counted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd
from torch.func import functional_call, grad, grad_and_value
from torch.utils._python_dispatch import TorchDispatchMode

from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.constraints import spectral_norm
from zerosum.networks import resnet
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.dropout import Dropout
from zerosum.networks.layers.recompute import Caller, directly, recomputed
from zerosum.renewal import Renewal

Tensors = dict[str, Tensor]
Derive = Callable[..., tuple[Tensors, Tensors]]


class Block(nn.Module):
    """Conditional batch norm, which writes buffers, and spectral norm, which reads some."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = ClassBatchNorm(4, 3), spectral_norm(nn.Linear(4, 4))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + self.linear(torch.tanh(self.norm(x, y)))


class Labelled(nn.Module):
    def __init__(self, run: Caller) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.calls = [run(block) for block in self.blocks]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        for call in self.calls:
            x = call(x, y)
        return torch.tanh(x)


def pair() -> tuple[Labelled, Labelled]:
    torch.manual_seed(0)
    direct, again = Labelled(directly).double(), Labelled(recomputed).double()
    again.load_state_dict(direct.state_dict())  # strict: the names of weights and buffers are the same
    return direct, again


def inputs() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(3, 4, generator=rng).double(), torch.tensor([0, 2, 1])


def total(net: nn.Module, x: Tensor, y: Tensor, penalty: bool) -> Callable[[Tensors], tuple[Tensor, Tensors]]:
    """weights -> (a loss, buffers); the net is called twice, as a critic is."""

    def loss(weights: Tensors) -> tuple[Tensor, Tensors]:
        buffers = {k: b.clone() for k, b in net.named_buffers()}

        def at(points: Tensor) -> Tensor:
            return functional_call(net, weights | buffers, (points, y)).square().sum()

        def frozen(points: Tensor) -> Tensor:
            scratch = {k: b.clone() for k, b in buffers.items()}
            return functional_call(net, weights | scratch, (points, y)).square().sum()

        value = at(x) + at(2 * x)
        if penalty:
            value = value + grad(frozen)(x).square().sum()
        return value, buffers

    return loss


def weights_of(net: nn.Module) -> Tensors:
    return {k: w.detach() for k, w in net.named_parameters()}


def by_func(net: nn.Module, x: Tensor, y: Tensor, penalty: bool) -> tuple[Tensors, Tensors]:
    grads, (_, buffers) = grad_and_value(total(net, x, y, penalty), has_aux=True)(weights_of(net))
    return grads, buffers


def by_tape(net: nn.Module, x: Tensor, y: Tensor, penalty: bool) -> tuple[Tensors, Tensors]:
    leaves = {k: w.requires_grad_() for k, w in weights_of(net).items()}
    value, buffers = total(net, x, y, penalty)(leaves)
    return dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True)), buffers


def compiled(net: nn.Module, x: Tensor, y: Tensor, penalty: bool) -> tuple[Tensors, Tensors]:
    torch._dynamo.reset()
    result: tuple[Tensors, Tensors] = torch.compile(by_func, backend="aot_eager", fullgraph=True)(net, x, y, penalty)
    return result


@pytest.mark.parametrize("by_caller", [True, False])  # in a game, in a loop of one's own
@pytest.mark.parametrize(
    ("derive", "penalty"),
    [
        *((derive, penalty) for derive in (by_func, by_tape) for penalty in (False, True)),
        pytest.param(compiled, False, marks=pytest.mark.slow),
        (compiled, True),
    ],
)
def test_gradients_and_statistics_are_those_of_the_block_itself(derive: Derive, penalty: bool, by_caller: bool):
    direct, again = pair()
    with Renewal(by_caller=by_caller):
        expected, statistics = by_tape(direct, *inputs(), penalty)
        found, buffers = derive(again, *inputs(), penalty)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(buffers, statistics)
    kept = torch.equal(statistics["blocks.0.linear.u"], direct.blocks[0].linear.u)
    assert kept == by_caller


def test_a_backward_pass_renews_nothing():
    _, again = pair()
    x, y = inputs()
    first, second = again(x, y).square().sum(), again(2 * x, y).square().sum()
    before = {k: b.clone() for k, b in again.named_buffers()}
    (first + second).backward()
    assert all(torch.equal(before[k], b) for k, b in again.named_buffers())


def test_second_derivatives_are_finite_differences_of_the_first():
    _, again = pair()
    x, y = inputs()
    with Renewal(by_caller=True):  # a fixed function
        assert torch.autograd.gradgradcheck(lambda x: again(x, y), (x.requires_grad_(),))


def test_running_statistics_move_once():
    block = nn.Sequential(BatchNorm(2), nn.Linear(2, 2))
    x = torch.randn(8, 2)
    recomputed(block)(x.requires_grad_()).sum().backward()
    torch.testing.assert_close(block[0].running_mean, 0.1 * x.detach().mean(0))  # from 0, at momentum 0.1
    with torch.no_grad():
        recomputed(block)(x)
    torch.testing.assert_close(block[0].running_mean, 0.19 * x.detach().mean(0))


def test_a_copy_runs_its_own_block():
    _, again = pair()
    x, y = inputs()
    other = copy.deepcopy(again)
    with torch.no_grad():
        for weight in other.blocks[1].parameters():
            weight.mul_(2)
    with Renewal(by_caller=True):
        torch.testing.assert_close(other(x, y), other.blocks[1](other.blocks[0](x, y), y).tanh())
        assert not torch.allclose(other(x, y), again(x, y))


def test_after_a_forward_weights_may_change():
    """As after ``functional_call``: the derivative is at the weights of the forward, not at the module's of today."""
    layer = nn.Linear(1, 1, bias=False).double()
    square = nn.Sequential(layer, nn.Tanh())
    w = torch.tensor([[0.5]]).double().requires_grad_()
    x = torch.tensor([[2.0]]).double()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block, self.call = square, recomputed(square)

        def forward(self, x: Tensor) -> Tensor:
            return self.call(x)

    out = functional_call(Net(), {"block.0.weight": w}, (x,))
    (slope,) = torch.autograd.grad(out, w)
    assert slope.item() == pytest.approx(2 * (1 - torch.tanh(torch.tensor(1.0).double()).item() ** 2))


class Steps(nn.Module):
    """Six tanh of the sum of the input and a weight: each keeps its result for the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(6):
            x = torch.tanh(x + self.shift)
        return x


class Tower(nn.Module):
    def __init__(self, run: Caller, blocks: int = 5) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Steps() for _ in range(blocks))
        self.calls = [run(block) for block in self.blocks]

    def forward(self, x: Tensor) -> Tensor:
        for call in self.calls:
            x = call(x)
        return x.sum()


class Kept:
    """What autograd keeps, in bytes, each storage once: ``now``, and the ``most`` so far."""

    def __init__(self) -> None:
        self.held: dict[int, list[int]] = {}
        self.most = 0

    @property
    def now(self) -> int:
        return sum(sizes[0] for sizes in self.held.values() if sizes)

    def pack(self, tensor: Tensor) -> Any:
        storage = tensor.untyped_storage()
        sizes = self.held.setdefault(storage.data_ptr(), [])
        sizes.append(storage.nbytes())
        self.most = max(self.most, self.now)

        class Holder:  # an object of its own, so that letting go is seen
            def __init__(self) -> None:
                self.tensor = tensor

            def __del__(self) -> None:
                sizes.pop()

        return Holder()


def kept(net: nn.Module, x: Tensor) -> tuple[int, int]:
    """Bytes kept when the forward ends, and at most until the backward has ended."""
    watch = Kept()
    with torch.autograd.graph.saved_tensors_hooks(watch.pack, lambda holder: holder.tensor):
        out = net(x)
        forward = watch.now
        out.backward()
    assert watch.now == 0
    return forward, watch.most


def test_inputs_of_blocks_are_all_that_is_kept():
    x = torch.randn(1000, requires_grad=True)
    one, weight = 4 * 1000, 4
    assert kept(Tower(directly), x) == (5 * 6 * one, 5 * 6 * one)
    forward, most = kept(Tower(recomputed), x)
    assert forward == 5 * (one + weight)
    # In the backward pass of the last block all six of its own, beside the inputs of all.
    assert most == 5 * (one + weight) + 6 * one


def live(graph: torch.fx.Graph) -> int:
    """The most bytes that a graph's results take at once, each from where it is made to where it is last read."""
    made: dict[int, int] = {}
    read: dict[int, int] = {}
    size: dict[int, int] = {}
    for place, node in enumerate(graph.nodes):
        for user in (node, *node.all_input_nodes):
            value = user.meta.get("val")
            if isinstance(value, Tensor):
                storage = value.untyped_storage()
                made.setdefault(storage._cdata, place)
                read[storage._cdata], size[storage._cdata] = place, storage.nbytes()
    return max(sum(size[k] for k in made if made[k] <= t <= read[k]) for t in range(len(graph.nodes)))


def test_in_a_compiled_graph_it_is_computed_again_and_little_is_live():
    found = {}
    for run in (directly, recomputed):
        net, graphs = Tower(run), []

        def keep_graph(module: torch.fx.GraphModule, example: Any, graphs: list = graphs) -> Any:
            graphs.append(module.graph)
            return make_boxed_func(module.forward)

        torch._dynamo.reset()
        derive = grad(lambda w, x, net=net: functional_call(net, w, (x,)))
        torch.compile(derive, backend=aot_autograd(fw_compiler=keep_graph), fullgraph=True)(
            weights_of(net), torch.randn(1000)
        )
        (graph,) = graphs
        tanhs = sum(node.target is torch.ops.aten.tanh.default for node in graph.nodes)
        found[run] = tanhs, live(graph) // 4000  # in tensors of x's size
    assert found[directly][0] == 5 * 6
    assert found[recomputed][0] == (5 - 1) * 6 + 5 * 6  # what the last block computes forward, nobody reads
    assert found[directly][1] >= 5 * 6
    assert found[recomputed][1] <= 5 + 6 + 4  # inputs, one block's own, a few that pass


class Witness(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.seen: list[torch.dtype] = []

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        self.seen.append(y.dtype)
        return torch.tanh(y)


@pytest.mark.parametrize("inside", [True, False])
def test_it_is_computed_again_in_the_precision_of_the_first_time(inside: bool):
    block = Witness()
    with torch.autocast("cpu", torch.bfloat16, enabled=inside):
        out = recomputed(block)(torch.randn(3, 4).requires_grad_())
    with torch.autocast("cpu", torch.bfloat16, enabled=not inside):
        out.sum().backward()
    assert block.seen == 2 * [torch.bfloat16 if inside else torch.float32]


class Products(TorchDispatchMode):
    """Counts products of matrices."""

    found = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found += function is torch.ops.aten.mm.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("trained", [True, False])
def test_derivatives_that_nobody_wants_are_not_computed(trained: bool):
    block = nn.Linear(16, 16, bias=False).requires_grad_(trained)
    x = torch.randn(8, 16).requires_grad_()
    with Products() as count:
        recomputed(block)(x).sum().backward()
    # Forward, forward again, the input's derivative, and the weight's.
    assert count.found == (4 if trained else 3)
    assert (block.weight.grad is not None) == trained


def test_nothing_is_kept_where_nothing_is_derived():
    block = Witness().requires_grad_(False)
    assert not recomputed(block)(torch.randn(3, 4)).requires_grad
    assert recomputed(nn.Identity()) is not None
    identity = nn.Identity()
    assert recomputed(identity) is identity


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.Dropout2d(0.1), Dropout(0.5)])
def test_dropout_is_refused_by_name(layer: nn.Module):
    with pytest.raises(ValueError, match=r"Sequential cannot be recomputed: 1 \(.*Dropout.*other units"):
        recomputed(nn.Sequential(nn.Linear(2, 2), layer))
    recomputed(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0), Dropout(0.0)))


def test_dropout_beside_a_recomputed_block_drops_what_it_drops_beside_any():
    x, found = torch.randn(3, 3, 32, 32), []
    for run in (directly, recomputed):
        torch.manual_seed(0)
        critic = resnet.Critic(4, dropout=(0.2, 0.5, 0.5), run=run)
        critic(x).square().sum().backward()
        found.append({k: w.grad for k, w in critic.named_parameters()})
    torch.testing.assert_close(found[1], found[0])
