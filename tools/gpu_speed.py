"""How fast published systems train at published widths on one device, and how much memory they take.

Images are random numbers. A *plain* step is what a user of PyTorch would write on the same networks and losses: the
modules as they are, one ``torch.optim.Adam`` each, ``backward()``, ``torch.autocast``, default memory layout, nothing
compiled.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gpu_lanes import Said
from zerosum import registry
from zerosum.core.dynamics import alternating
from zerosum.core.game import State, start
from zerosum.data.base import Data

GIB = 2**30


class System(NamedTuple):
    """What to train: a recipe, pixels a side, the largest batch to try, classes, the recipe's arguments."""

    recipe: str
    size: int
    batch: int
    classes: int = 0
    arguments: Mapping[str, Any] = {}


SYSTEMS = {
    "dcgan-64": System("dcgan", 64, 128),
    "sngan-32": System("sngan", 32, 64),
    "wgan-gp-32": System("wgan-gp", 32, 64),
    "sngan-128": System("sngan", 128, 64),
    "sagan-128": System("sagan", 128, 256, 1000),
    "biggan-128": System("biggan", 128, 256, 1000),
}
TINY = {
    "dcgan-64": System("dcgan", 16, 2, 0, {"width": 2, "kernel": 4, "latent": 4}),
    "sngan-32": System("sngan", 32, 2, 0, {"g_width": 4, "d_width": 4, "n_critic": 2}),
    "wgan-gp-32": System("wgan-gp", 32, 2, 0, {"width": 4, "n_critic": 2}),
    "sngan-128": System("sngan", 128, 2, 0, {"g_width": 2, "d_width": 2, "n_critic": 2}),
    "sagan-128": System("sagan", 128, 2, 5, {"g_width": 4, "d_width": 4}),
    "biggan-128": System("biggan", 128, 2, 5, {"width": 8}),
}


class Work(TorchDispatchMode):
    """Counts floating-point operations of convolutions and matrix products, by torch's own formulas."""

    done = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        if function._overloadpacket in flop_registry:
            self.done += flop_registry[function._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def compiled(run: Callable[..., Any], backend: str) -> Callable[..., Any]:
    """A move as one graph. It hands out plain tuples: named ones that a graph of torch 2.11 returns are broken."""

    def move(state: State, batch: Any) -> Any:
        after, said = run(state, batch)
        return tuple(after), said

    graph = torch.compile(move, backend=backend, fullgraph=True)

    def call(state: State, batch: Any) -> Any:
        after, said = graph(state, batch)
        return State(*after), said

    return call


class Training:
    """A system, ready to be played on random images.

    Attributes:
        turns: For each player, in order, what makes one update.
        updates: How many each makes in a step.
        images: Real images that the critic sees in a step.
    """

    def __init__(self, system: System, batch: int, device: torch.device, autocast: torch.dtype | None) -> None:
        torch.manual_seed(0)
        classes = tuple(map(str, range(system.classes)))
        data = Data("random", (3, system.size, system.size), classes, None, "", ())
        made = registry.find(system.recipe)(data, **system.arguments, batch_size=batch)
        self.game = replace(made.phases[0].game, autocast=autocast)
        self.device = device
        rng = torch.Generator(device).manual_seed(0)
        x = torch.rand(batch, 3, system.size, system.size, device=device, generator=rng) * 2 - 1
        y = torch.randint(system.classes, (batch,), device=device, generator=rng) if classes else None
        self.batch = made.draw(x, y, rng)
        self.updates = [player.updates(1) for player in self.game.players.values()]
        self.images = batch * max(self.updates)
        self.turns: list[Callable[[], Any]] = []

    def work(self) -> int:
        """FLOPs of one step."""
        found = 0
        for turn, updates in zip(self.turns, self.updates, strict=True):
            with Work() as count:
                turn()
            found += updates * count.done
        return found

    def seconds(self, rounds: int) -> float:
        """Of one step: the fastest of so many updates of each player, times how many updates it makes."""
        total = 0.0
        for turn, updates in zip(self.turns, self.updates, strict=True):
            times = []
            for _ in range(rounds + 2):
                began = self._now()
                turn()
                times.append(self._now() - began)
            total += updates * min(times[2:])  # the first two warm up
        return total

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class Ours(Training):
    """As ``zerosum train`` plays it."""

    def __init__(self, *system: Any, backend: str | None = None) -> None:
        super().__init__(*system)
        x = self.batch.x.contiguous(memory_format=torch.channels_last)
        self.batch, self.state = self.batch._replace(x=x), start(self.game, self.device)
        runs = [move.run for move in alternating(self.game)]
        self.turns = [self._turn(compiled(run, backend) if backend else run) for run in runs]

    def _turn(self, run: Callable[..., Any]) -> Callable[[], Any]:
        def turn() -> None:
            self.state, _ = run(self.state, self.batch)

        return turn


class Bound:
    """A module as losses call networks."""

    def __init__(self, module: nn.Module) -> None:
        self._module = self.frozen = module
        self.weights = dict(module.named_parameters())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module."""
        return self._module(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class BoundNets:
    """Modules as losses see networks; what they note is dropped."""

    def __init__(self, nets: Mapping[str, nn.Module]) -> None:
        self.__dict__ |= {name: Bound(net) for name, net in nets.items()}

    def note(self, **values: Tensor) -> None:
        """Nobody writes a log here."""


class Plain(Training):
    """As a user of PyTorch would write it."""

    def __init__(self, *system: Any) -> None:
        super().__init__(*system)
        nets = {name: net.to(self.device).train() for name, net in self.game.nets.items()}
        self.memory = {name: value.to(self.device) for name, value in self.game.memory.items()}
        self.bound = BoundNets(nets)
        self.turns = [self._turn(nets, who) for who in self.game.players]

    def _turn(self, nets: Mapping[str, nn.Module], who: str) -> Callable[[], Any]:
        player, autocast = self.game.players[who], self.game.autocast
        moved = [w for name in player.owns for w in nets[name].parameters()]
        others = [w for name in nets.keys() - set(player.owns) for w in nets[name].parameters()]
        optimizer = torch.optim.Adam(moved, 2e-4, betas=(0.0, 0.9))

        def turn() -> None:
            for weights, wanted in ((moved, True), (others, False)):
                for weight in weights:
                    weight.requires_grad_(wanted)
            optimizer.zero_grad()
            with torch.autocast(self.device.type, autocast, enabled=autocast is not None, cache_enabled=False):
                loss = sum(player.loss(self.bound, self.batch, self.memory).values())
            loss.backward()
            optimizer.step()

        return turn


@cache
def peak(device: torch.device, size: int, dtype: torch.dtype = torch.bfloat16) -> float:
    """FLOP/s of the fastest of ten products of square matrices, as in ``benchmarks/step.py``."""
    a = torch.randn(size, size, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(10):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        began = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def memory_of(device: torch.device, action: Callable[[], Any]) -> tuple[Any, int]:
    """What the action returns, and the most bytes of GPU memory taken meanwhile; 0 on a CPU."""
    if device.type != "cuda":
        return action(), 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return action(), torch.cuda.max_memory_allocated(device)


class Measured(NamedTuple):
    """Times in seconds, memory in bytes, work in floating-point operations, all of one step."""

    way: str
    batch: int
    images: int
    seconds: float
    memory: int
    work: int

    def row(self, top: float) -> Said:
        """As it is reported; ``top`` in FLOP/s."""
        rate = self.work / self.seconds
        return {
            "ok": True,
            "what": self.way,
            "batch": str(self.batch),
            "ms a step": f"{self.seconds * 1e3:,.1f}",
            "images/s": f"{self.images / self.seconds:,.0f}",
            "GiB": f"{self.memory / GIB:.1f}",
            "GFLOP/s": f"{rate / 1e9:,.0f}",
            "of peak": f"{rate / top:.1%}",
        }


def speed(item: str, device: torch.device, systems: Mapping[str, System], backend: str, rounds: int) -> Iterator[Said]:
    """Rows of a system: ``"dcgan-64"`` plain, then by this library; ``"dcgan-64 compiled"`` compiled."""
    name, _, once_more = item.partition(" ")
    top = peak(device, 8192 if device.type == "cuda" else 256)
    ways: Sequence[tuple[str, Any]] = (("plain PyTorch", Plain), ("zerosum", Ours))
    if once_more:
        ways = (("zerosum, compiled", lambda *system: Ours(*system, backend=backend)),)
    for way, make in ways:
        yield measure(way, make, systems[name], device, rounds).row(top)


def measure(way: str, make: Callable[..., Training], system: System, device: torch.device, rounds: int) -> Measured:
    """Train a system; with half the batch, and half of that, where memory runs out."""
    batch = system.batch
    while True:
        try:
            return _measure(way, make, system, batch, device, rounds)
        except torch.OutOfMemoryError:
            if batch < 16:
                raise
            batch //= 2
        free(device)


def free(device: torch.device) -> None:
    """Give back what the last system held."""
    torch._dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _measure(
    way: str, make: Callable[..., Training], system: System, batch: int, device: torch.device, rounds: int
) -> Measured:
    free(device)
    training = make(system, batch, device, torch.bfloat16)
    seconds, memory = memory_of(device, lambda: training.seconds(rounds))
    if isinstance(training, Ours):  # a graph hides its operations, and its work is that of the moves it was made of
        training.turns = [training._turn(move.run) for move in alternating(training.game)]
    return Measured(way, batch, training.images, seconds, memory, training.work())


def items(systems: Mapping[str, System]) -> list[str]:
    """All systems as they are, then all compiled, which takes minutes."""
    return [*systems, *(f"{name} compiled" for name in systems)]
