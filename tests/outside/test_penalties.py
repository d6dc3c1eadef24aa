"""Penalties on critics that know nothing of this library, in plain loops, against double backward by hand."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as torch_spectral_norm
from torch.nn.utils.parametrizations import weight_norm

from zerosum.constraints import spectral_norm
from zerosum.core.game import Game, Nets, Player, gradient, start
from zerosum.core.optim import sgd
from zerosum.networks.critic import Judgement
from zerosum.penalties import dragan, r1, r2, slope, wgan_div, wgan_gp
from zerosum.penalties.gradient import one_sided

B, SHAPE = 6, (2, 8, 8)
INPUTS = 2 * 8 * 8


class Doubling(torch.autograd.Function):
    """A function of autograd in the old form, which torch.func refuses."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return 2 * grad


class Odd(nn.Module):
    """Attributes that mean something else here, data read in the forward, an old function."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = True
        self.last = nn.Linear(INPUTS, 1)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        h = self.last(Doubling.apply(x.flatten(1)))
        return torch.tanh(h if h.detach().sum().item() > 1e9 else 2 * h)[:, 0]


def layers(*inner: nn.Module, wrap: Callable[[nn.Module], nn.Module] = lambda m: m) -> nn.Module:
    return nn.Sequential(
        wrap(nn.Conv2d(2, 4, 3, 2, 1)), *inner, nn.Tanh(), nn.Flatten(), wrap(nn.Linear(4 * 16, 1)), nn.Flatten(0)
    )


CRITICS: dict[str, Callable[[], nn.Module]] = {
    "plain": layers,
    "batch norm": lambda: layers(nn.BatchNorm2d(4)),
    "batch norm, momentum none": lambda: layers(nn.BatchNorm2d(4, momentum=None)),
    "batch norm 1d": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(INPUTS, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)
    ),
    "instance norm": lambda: layers(nn.InstanceNorm2d(4, affine=True, track_running_stats=True)),
    "torch's spectral norm": lambda: layers(wrap=torch_spectral_norm),
    "old spectral norm": lambda: layers(wrap=torch.nn.utils.spectral_norm),
    "our spectral norm": lambda: layers(wrap=spectral_norm),
    "weight norm": lambda: layers(wrap=weight_norm),
    "dropout": lambda: layers(nn.Dropout(0.5)),
    "all at once": lambda: layers(nn.BatchNorm2d(4), nn.Dropout2d(0.5), wrap=torch_spectral_norm),
    "(B, 1)": lambda: nn.Sequential(nn.Flatten(), nn.Linear(INPUTS, 4), nn.Tanh(), nn.Linear(4, 1)),
    "(B, 1, 1, 1)": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 6)),
    "old functions": Odd,
}
PENALTIES: dict[str, Callable[..., Tensor]] = {
    "wgan_gp": lambda d, x, y, t: wgan_gp(d, x, y, t),
    "one-sided": lambda d, x, y, t: wgan_gp(d, x, y, t, target=0.05, excess=one_sided),
    "wgan_div": lambda d, x, y, t: wgan_div(d, x, y, t, power=3.0),
    "dragan": lambda d, x, y, t: dragan(d, x, y.sigmoid(), t),
    "r1": lambda d, x, y, t: r1(d, x),
    "r2": lambda d, x, y, t: r2(d, y),
}


def by_hand(name: str, critic: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, t: Tensor) -> Tensor:
    """As everyone writes it: torch.autograd.grad with create_graph."""
    t = t.view(-1, 1, 1, 1)
    around = x + t * (0.5 * x.std(correction=0) * y.sigmoid())
    points = {"dragan": around, "r1": x, "r2": y}.get(name, t * x + (1 - t) * y)
    points = points.detach().requires_grad_()
    (found,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    norm = found.flatten(1).norm(dim=1)
    cost = {
        "wgan_gp": lambda: (norm - 1) ** 2,
        "one-sided": lambda: F.relu(norm - 0.05) ** 2,
        "wgan_div": lambda: norm**3,
        "dragan": lambda: (norm - 1) ** 2,
    }.get(name, lambda: norm**2)
    return cost().mean()


def samples() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(B, *SHAPE, generator=rng), torch.randn(B, *SHAPE, generator=rng), torch.rand(B, generator=rng)


def buffers(critic: nn.Module) -> dict[str, Tensor]:
    return {k: b.clone() for k, b in critic.named_buffers()}


def check_gradients(found: nn.Module, expected: nn.Module) -> None:
    reached = False
    for (name, a), b in zip(found.named_parameters(), expected.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        if b.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-6, atol=1e-6, msg=name)
            reached |= bool(b.grad.abs().sum() > 0)
    assert reached


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("critic", CRITICS)
def test_value_and_gradients_are_those_by_hand_and_no_buffer_moves(critic: str, penalty: str):
    torch.manual_seed(0)
    ours = CRITICS[critic]().double()  # sixth powers of slopes magnify the last digits of float32
    theirs, before = copy.deepcopy(ours), buffers(ours)
    x, y, t = (part.double() for part in samples())
    torch.manual_seed(1)
    found = PENALTIES[penalty](ours, x, y, t)
    torch.manual_seed(1)
    expected = by_hand(penalty, theirs, x, y, t)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert all(torch.equal(before[k], b) for k, b in ours.named_buffers())
    found.backward()
    expected.backward()
    check_gradients(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("critic", ["batch norm", "torch's spectral norm", "our spectral norm", "(B, 1)"])
def test_under_autocast_it_is_that_of_float32(critic: str, dtype: torch.dtype):
    torch.manual_seed(0)
    ours = CRITICS[critic]()
    theirs = copy.deepcopy(ours)
    x, y, t = samples()
    with torch.autocast("cpu", dtype):
        found = wgan_gp(ours, x, y.to(dtype), t)
    by_hand("wgan_gp", theirs, x, y.to(dtype).float(), t).backward()
    found.backward()
    assert found.dtype == torch.float32
    check_gradients(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_critic_of_half_precision_is_differentiated_in_float32(dtype: torch.dtype):
    torch.manual_seed(0)
    ours = CRITICS["batch norm"]().to(dtype)
    wide = copy.deepcopy(ours).float()
    x, y, t = samples()
    found, expected = wgan_gp(ours, x.to(dtype), y.to(dtype), t), wgan_gp(wide, x.to(dtype), y.to(dtype), t)
    assert torch.equal(found, expected)
    found.backward()
    expected.backward()
    for a, b in zip(ours.parameters(), wide.parameters(), strict=True):
        assert a.grad is None or torch.equal(a.grad, b.grad.to(dtype))


WRAPPINGS: dict[str, Callable[[nn.Module], Any]] = {
    "compiled": lambda d: torch.compile(d, backend="aot_eager"),
    "compiled in place": lambda d: (d.compile(backend="aot_eager"), d)[1],
    "compiled within": lambda d: nn.Sequential(torch.compile(d, backend="aot_eager"), nn.Tanh()),
    "a compiled function": lambda d: torch.compile(lambda x: d(x), backend="aot_eager"),
    "data parallel": nn.DataParallel,
    "both": lambda d: torch.compile(nn.DataParallel(d), backend="aot_eager"),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_what_is_around_a_critic_does_not_matter(wrapping: str):
    torch._dynamo.reset()
    torch.manual_seed(0)
    ours = CRITICS["plain"]()
    theirs = copy.deepcopy(ours)
    x, y, t = samples()
    wrapped = WRAPPINGS[wrapping](ours)
    adversarial = wrapped(x).mean()  # it was compiled before the penalty asks
    (adversarial + wgan_gp(wrapped, x, y, t)).backward()
    outer = (lambda points: torch.tanh(theirs(points))) if wrapping == "compiled within" else theirs
    (outer(x).mean() + by_hand("wgan_gp", outer, x, y, t)).backward()
    check_gradients(ours, theirs)


def test_distributed_data_parallel(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        torch.manual_seed(0)
        ours = CRITICS["batch norm"]()
        theirs = copy.deepcopy(ours)
        x, y, t = samples()
        critic = nn.parallel.DistributedDataParallel(ours)
        (critic(x).mean() + wgan_gp(critic, x, y, t)).backward()
        (theirs(x).mean() + by_hand("wgan_gp", theirs, x, y, t)).backward()
        check_gradients(ours, theirs)
    finally:
        dist.destroy_process_group()


def test_labels_by_partial_and_by_a_function():
    class Conditional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.table = CRITICS["batch norm"](), nn.Embedding(3, INPUTS)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.net(x) + (self.table(y) * x.flatten(1).tanh()).sum(1)

    torch.manual_seed(0)
    ours = Conditional()
    theirs, labels = copy.deepcopy(ours), torch.arange(B) % 3
    before = buffers(ours)
    x, y, t = samples()
    found = wgan_gp(partial(ours, y=labels), x, y, t)
    assert all(torch.equal(before[k], b) for k, b in ours.named_buffers())
    found.backward()
    by_hand("wgan_gp", lambda p: theirs(p, labels), x, y, t).backward()
    check_gradients(ours, theirs)
    assert torch.equal(wgan_gp(lambda p: ours(p, labels), x, y, t), found)
    assert not torch.equal(ours.net[1].running_mean, before["net.1.running_mean"])  # a function does what it does


def test_it_reaches_the_generator_and_stands_under_no_grad():
    critic = CRITICS["batch norm"]()
    x, y, t = samples()
    leaf = y.clone().requires_grad_()
    wgan_gp(critic, x, 2 * leaf, t).backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0
    with torch.no_grad():
        found = wgan_gp(critic, x, y, t)
        assert not slope(critic, x).requires_grad  # nothing is kept for a derivative that nobody takes
    assert not found.requires_grad
    torch.testing.assert_close(found, wgan_gp(critic, x, y, t))


def test_under_torch_func_modules_work_and_functions_that_write_are_explained():
    critic = CRITICS["batch norm"]()
    x, y, t = samples()
    found = torch.func.grad(lambda points: wgan_gp(critic, x, points, t))(y)
    leaf = y.clone().requires_grad_()
    (expected,) = torch.autograd.grad(wgan_gp(critic, x, leaf, t), leaf)
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match="pass the module itself"):
        torch.func.grad(lambda points: wgan_gp(lambda p: critic(p), x, points, t))(y)


@pytest.mark.parametrize(
    ("critic", "kind", "words"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(INPUTS, 2)), ValueError, r"shape \(6, 2\) for 6 samples"),
        (nn.Conv2d(2, 1, 3), ValueError, r"shape \(6, 1, 6, 6\)"),
        (lambda x: x.mean(), ValueError, r"shape \(\) for 6"),
        (lambda x: x.flatten(1)[:4, 0], ValueError, r"shape \(4,\) for 6"),
        (lambda x: x.sum((1, 2, 3)).view(3, 2), ValueError, r"shape \(3, 2\) for 6"),
        (lambda x: (x.sum((1, 2, 3)), x), TypeError, "returns tuple"),
        (lambda x: Judgement(logits=x.sum((1, 2, 3)), features=x), TypeError, "returns Judgement"),
        (lambda x: x.sum((1, 2, 3)).detach(), ValueError, "detached"),
    ],
)
def test_what_is_not_a_number_for_each_sample_is_refused(critic: Any, kind: type[Exception], words: str):
    x, y, t = samples()
    for penalty in (lambda: wgan_gp(critic, x, y, t), lambda: r1(critic, x), lambda: slope(critic, x)):
        with pytest.raises(kind, match=words) as caught:
            penalty()
        assert "\n" not in str(caught.value)


def test_packs_are_judged_together():
    w = torch.randn(2 * INPUTS)
    x, _, _ = samples()
    found = slope(lambda points: points.reshape(B // 2, -1) @ w, x)
    torch.testing.assert_close(found.reshape(B // 2, -1), w.expand(B // 2, -1))


@pytest.mark.parametrize("how", ["tape", "func", "compiled"])
@pytest.mark.parametrize("critic", ["batch norm", "batch norm, momentum none", "dropout", "torch's spectral norm"])
def test_in_a_game_with_layers_of_torch(critic: str, how: str):
    if how == "compiled" and critic in ("dropout", "batch norm, momentum none"):
        pytest.skip("torch: nn.Dropout draws other numbers in a compiled graph, momentum=None is not one graph")
    torch._dynamo.reset()
    torch.manual_seed(0)
    net = CRITICS[critic]()
    theirs, before = copy.deepcopy(net), buffers(net)
    batch = samples()

    def loss(n: Nets, b: Any, m: Any) -> dict[str, Tensor]:
        x, y, t = b
        return {"real": -n.D(x).mean(), "gp": wgan_gp(n.D, x, y, t), "r1": r1(partial(n.D), x)}

    game = Game({"D": net}, {"D": sgd(0.1)}, {"d": Player(("D",), loss)})
    state = start(game, channels_last=False)
    ask = partial(gradient, differentiable=how != "tape")
    if how == "compiled":
        ask = torch.compile(ask, backend="aot_eager", fullgraph=True)
    torch.manual_seed(1)
    grads, _, after = ask(game, "d", state, batch)
    torch.manual_seed(1)
    x, y, t = batch
    real = -theirs(x).mean()
    statistics = buffers(theirs)
    total = real
    for name in ("wgan_gp", "r1"):
        fixed = copy.deepcopy(statistics)
        total = total + by_hand(name, lambda p, fixed=fixed: torch.func.functional_call(theirs, fixed, (p,)), x, y, t)
    total.backward()
    for name, weight in theirs.named_parameters():
        expected = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(grads["D"][name], expected, rtol=1e-4, atol=1e-6, msg=name)
    for name, value in statistics.items():
        torch.testing.assert_close(after.buffers["D"][name], value, msg=name)
    assert all(torch.equal(before[k], b) for k, b in net.named_buffers())


def test_nothing_is_compiled_for_those_who_do_not_compile():
    script = (
        "import sys, torch; from zerosum.penalties import r1; d = torch.nn.Linear(2, 1); "
        "r1(d, torch.randn(3, 2)).backward(); "
        "assert d.weight.grad is not None; assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
