"""The loop: what it stops at, the averages it keeps, compiled play, resuming."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

from zerosum.core import checkpoint
from zerosum.core.ema import Average
from zerosum.core.game import Game, Nets, Player, State, start
from zerosum.core.optim import adam, sgd
from zerosum.core.random import generator
from zerosum.core.train import train
from zerosum.errors import NonFiniteLoss
from zerosum.penalties import wgan_gp
from zerosum.precision import in_float32


class Point(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("drift", torch.zeros(()))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self) -> Tensor:
        self.drift.add_(0.5)
        self.count.add_(1)
        return self.at


def slide(n: Nets, b: Any, m: Any) -> dict[str, Tensor]:
    """Its gradient is (1, 2) everywhere: the weights after t updates are (1, 2) (1 - t/10)."""
    return {"l": (n.P() * torch.tensor([1.0, 2.0])).sum()}


def one_player(loss: Any = slide, **options: Any) -> Game:
    return Game({"P": Point()}, {"P": sgd(0.1)}, {"P": Player(("P",), loss)}, **options)


def states(game: Game, steps: int, **options: Any) -> list[State]:
    return [state for _, state, _ in train(game, start(game), itertools.repeat(None), steps, **options)]


# Losses that are no numbers.


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_loss_that_is_no_number_is_named(bad: float):
    def loss(n: Nets, b: Any, m: Any) -> dict[str, Tensor]:
        return {"adv": n.P().sum(), "gp": n.P().sum() + torch.where(n.P()[0] < 0.75, bad, 0.0)}

    seen: list[int] = []
    game = one_player(loss)  # each update takes 2/10 from each weight: 1, 0.8, 0.6
    with pytest.raises(NonFiniteLoss, match=rf"iteration 2: the term 'gp' of player 'P' is {bad}"):
        seen.extend(t for t, _, _ in train(game, start(game), itertools.repeat(None), 9))
    assert seen == [0, 1]


@pytest.mark.parametrize(("check_every", "last"), [(1, 1), (2, 2), (3, 1), (4, 2), (100, 5)])
def test_how_often_it_looks(check_every: int, last: int):
    # Something is wrong from iteration 2 on; it looks after every check_every iterations and after the last one, 6.
    def loss(n: Nets, b: int, m: Any) -> dict[str, Tensor]:
        n.note(share=torch.tensor(float("nan") if b >= 2 else 1.0), points=torch.full((3,), float("nan")))
        return slide(n, b, m)

    seen: list[int] = []
    game = one_player(loss)
    with pytest.raises(NonFiniteLoss, match="iteration 2: the term 'share'"):
        seen.extend(t for t, _, _ in train(game, start(game), itertools.count(), 7, check_every=check_every))
    assert seen[-1] == last


# Running averages.


def test_averages_in_closed_form():
    # With weights w_0 .. w_k and decay d: d^k w_0 + (1 - d) sum_i d^(k - i) w_i.
    game = one_player(average={"P": Average(0.9)})
    for k, state in enumerate(states(game, 6), start=1):
        weights = [1 - 0.1 * i for i in range(k + 1)]
        drifts = [0.5 * i for i in range(k + 1)]
        for key, values in (("at", weights), ("drift", drifts)):
            expected = 0.9**k * values[0] + sum(0.1 * 0.9 ** (k - i) * values[i] for i in range(1, k + 1))
            found = state.average["P"][key].flatten()[0].item()
            assert found == pytest.approx(expected, rel=1e-5), f"{key} after {k} updates"
        assert state.average["P"]["count"].item() == k
        assert state.average["P"]["count"].dtype == torch.int64


def test_before_its_start_the_average_is_the_network():
    game = one_player(average={"P": Average(0.9, start=3)})
    history = states(game, 5)
    for state in history[:3]:
        assert torch.equal(state.average["P"]["at"], state.weights["P"]["at"])
    assert history[3].average["P"]["at"][0].item() == pytest.approx(0.9 * 0.7 + 0.1 * 0.6)
    assert history[4].average["P"]["at"][0].item() == pytest.approx(0.9 * (0.9 * 0.7 + 0.1 * 0.6) + 0.1 * 0.5)


def test_decay_may_depend_on_the_iteration():
    game = one_player(average={"P": Average(lambda t: t / 4)})
    average = 1.0
    for t, state in enumerate(states(game, 4)):
        average = t / 4 * average + (1 - t / 4) * (1 - 0.1 * (t + 1))
        assert state.average["P"]["at"][0].item() == pytest.approx(average)


def test_averages_obey_the_constraint_of_their_network():
    def unit(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> Any:
        return {k: w / w.norm() for k, w in weights.items()}, buffers | {"drift": buffers["drift"] + 100}

    def turn(n: Nets, b: Any, m: Any) -> dict[str, Tensor]:
        return {"l": 10 * n.P()[1]}

    game = one_player(turn, project={"P": unit}, average={"P": Average(0.5)})
    before, state = states(game, 2)
    # A mean of two different points of the circle is inside it.
    mean = (before.average["P"]["at"] + state.weights["P"]["at"]) / 2
    assert mean.norm().item() < 0.9
    torch.testing.assert_close(state.average["P"]["at"], mean / mean.norm())
    drift = (before.average["P"]["drift"] + state.buffers["P"]["drift"]) / 2
    assert state.average["P"]["drift"].item() == pytest.approx(drift.item() + 100)
    assert state.average["P"]["count"].item() == 2


# Compiled play and resuming, of a game that has a little of everything.


class Batch(NamedTuple):
    x: Tensor
    z: Tensor
    eps: Tensor


def batches(first: int = 0) -> Iterator[Batch]:
    for k in itertools.count(first):
        rng = generator(7, "batch", 0, k)
        x = torch.randn(6, 2, 4, 4, generator=rng).to(memory_format=torch.channels_last)
        yield Batch(x, torch.randn(6, 3, generator=rng), torch.rand(6, generator=rng))


def critic_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    fake = n.G(b.z)
    n.note(logit=n.D.frozen(b.x).mean())
    return {"w": n.D(fake).mean() - n.D(b.x).mean(), "gp": m["weight"] * wgan_gp(n.D, b.x, fake, b.eps)}


def generator_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    return {"w": F.softplus(-n.D(n.G(b.z))).mean()}


def images() -> Game:
    # No biases whose gradient is 0 but for rounding (before batch normalisation, after everything): Adam blows it up.
    conv, flat = nn.Conv2d(2, 2, 1, bias=False), nn.Linear(16, 1, bias=False)
    nets = {
        "G": nn.Sequential(nn.Linear(3, 32), nn.Unflatten(1, (2, 4, 4)), nn.BatchNorm2d(2), nn.Tanh(), conv),
        "D": nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), flat),
    }
    return Game(
        nets,
        {"G": adam(1e-3, beta1=0.5), "D": adam(1e-3, beta1=0.0)},
        {"D": Player(("D",), critic_loss, steps=2), "G": Player(("G",), generator_loss)},
        memory={"weight": torch.tensor(10.0)},
        remember=lambda memory, said: {"weight": memory["weight"] + 0.1 * said["D"]["gp"]},
        average={"G": Average(0.5, start=1)},
    )


def last(game: Game, steps: int, state: State | None = None, **options: Any) -> State:
    position = 3 * options.get("first", 0)  # two batches for the critic, one for the generator
    *_, (_, end, _) = train(game, state or start(game), batches(position), steps, **options)
    return end


def compare(found: State, expected: State, same: Callable[[Tensor, Tensor], None]) -> None:
    a, b = checkpoint.flatten(found), checkpoint.flatten(expected)
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].dtype == b[key].dtype, key
        same(a[key], b[key])


def same_bits(a: Tensor, b: Tensor) -> None:
    assert torch.equal(a, b)
    assert a.stride() == b.stride()


def within(tolerance: float) -> Callable[[Tensor, Tensor], None]:
    return lambda a, b: torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_compiled_play_is_one_graph_per_player_and_gives_the_same_numbers():
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    game = images()
    # Four iterations: would memory, averages or the count of updates be constants of the graph, it were compiled again.
    compiled = last(game, 4, backend=counter)
    eager = last(game, 4)
    compare(compiled._replace(opt={}), eager._replace(opt={}), within(1e-6))
    compare(compiled, eager, within(1e-5))  # moments are of the size of gradients, up to 30 here
    assert counter.frame_count == len(counter.graphs) == 2
    assert compiled.weights["D"]["0.weight"].is_contiguous(memory_format=torch.channels_last)


def test_what_a_graph_returns_holds_no_named_tuples(monkeypatch: pytest.MonkeyPatch):
    # Those that a graph of torch 2.11 returns have lost their values; this graph does the same to them.
    def lossy(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: lossy(v) for k, v in x.items()}
        if isinstance(x, tuple):
            return tuple.__new__(type(x), () if hasattr(x, "_fields") else map(lossy, x))
        return x

    monkeypatch.setattr(torch, "compile", lambda run, **_: lambda *given: lossy(run(*given)))
    game = images()
    compiled = last(game, 2, backend="any")
    assert isinstance(compiled, State)
    compare(compiled, last(game, 2), same_bits)


def test_float32_asks_nothing_that_breaks_a_graph(monkeypatch: pytest.MonkeyPatch):
    # torch.amp.is_autocast_available cannot be in a graph of torch 2.11.
    monkeypatch.delattr(torch.amp, "is_autocast_available")
    for device in ("cpu", "meta"):
        made = in_float32(torch.neg, torch.ones(2, device=device, dtype=torch.bfloat16))
        assert (made.dtype, made.device.type) == (torch.float32, device)
    assert in_float32(torch.neg, torch.ones(2, dtype=torch.float64)).tolist() == [-1.0, -1.0]


def test_any_number_of_players_can_be_compiled():
    # Torch compiles the same code eight times at most, here once: players must not count as the same code.
    torch._dynamo.reset()
    game = Game({"P": Point()}, {"P": sgd(0.1)}, {who: Player(("P",), slide) for who in "ab"})
    with torch._dynamo.config.patch(recompile_limit=1):
        (state,) = states(game, 1, backend="eager")
    torch.testing.assert_close(state.weights["P"]["at"], torch.tensor([0.8, 1.6]))


@pytest.mark.slow
def test_inductor_gives_the_same_numbers():
    torch._dynamo.reset()
    game = images()
    compiled = last(game, 4, backend="inductor")
    compare(compiled, last(game, 4), within(1e-4))


def test_resuming_from_state_iteration_and_position_is_exact(tmp_path: Path):
    game = images()
    whole = last(game, 5)
    half = last(game, 2)
    checkpoint.save(tmp_path / "state", half, {"step": 2})
    fresh, meta = checkpoint.load(tmp_path / "state", start(images()))
    compare(fresh, half, same_bits)
    compare(last(game, 5, fresh, first=meta["step"]), whole, same_bits)
    assert not torch.equal(half.weights["G"]["0.weight"], whole.weights["G"]["0.weight"])
