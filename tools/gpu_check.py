"""Train published systems at published widths on one GPU, for some steps each, to make ``results/gpu.md``.

Images are random numbers: what is measured is speed and memory. Each system runs in a process of its own, first as it
is and then compiled, and is stopped when its share of the time is over; what it had found by then counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from zerosum import registry
from zerosum.core.dynamics import alternating
from zerosum.core.game import start
from zerosum.data.base import Data

GIB = 2**30
ROOM = 0.8  # of the device's memory, that the largest batch may take
BATCHES = (16, 32, 64, 128, 256, 512)  # the first two are tried, to know what the others need
HEAD = """# Published systems on one GPU

Random images, published widths, bf16; labels of 1,000 classes where the system has any. The batch is the largest of
{batches} that is expected to take at most {room:.0%} of the memory. A step is one turn of each player, with as many
critic updates as the recipe has; images/s are real images that the critic sees. GFLOP/s count convolutions and matrix
products as they are done; of peak: of the fastest of ten products of square matrices in bf16, {peak:,.0f} GFLOP/s.

Command: `python tools/gpu_check.py`. Machine: {machine}.

| system | | batch | ms a step | images/s | peak memory, GiB | GFLOP/s | of peak |
|---|---|---|---|---|---|---|---|
"""


class System(NamedTuple):
    """What to train: a recipe, pixels a side, the recipe's arguments."""

    recipe: str
    size: int
    arguments: Mapping[str, Any] = {}
    classes: int = 1000


SYSTEMS = {
    "dcgan-64": System("dcgan", 64, classes=0),
    "sngan-128": System("sngan", 128, classes=0),
    "sngan-projection-128": System("sngan-projection", 128),
    "sagan-128": System("sagan", 128),
    "biggan-128": System("biggan", 128),
    "biggan-deep-128": System("biggan-deep", 128),
    "biggan-256": System("biggan", 256),
}


class Measured(NamedTuple):
    """One line of the table: times in seconds, memory in bytes, work in floating-point operations, all of one step."""

    system: str
    way: str
    batch: int
    images: int
    seconds: float
    memory: int
    work: int

    def line(self, peak: float) -> str:
        """In the table's words; ``peak`` in FLOP/s."""
        rate = self.work / self.seconds
        cells = [
            *(self.system, self.way, str(self.batch), f"{self.seconds * 1e3:,.1f}"),
            *(f"{self.images / self.seconds:,.0f}", f"{self.memory / GIB:.1f}"),
            *(f"{rate / 1e9:,.0f}", f"{rate / peak:.0%}"),
        ]
        return "| " + " | ".join(cells) + " |"


class Work(TorchDispatchMode):
    """Counts floating-point operations of convolutions and matrix products, by torch's own formulas."""

    done = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        if function._overloadpacket in flop_registry:
            self.done += flop_registry[function._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


class Training:
    """A system with its state, ready to be played on random images."""

    def __init__(self, system: System, batch: int, device: torch.device, autocast: torch.dtype | None) -> None:
        torch.manual_seed(0)
        classes = tuple(map(str, range(system.classes)))
        data = Data("random", (3, system.size, system.size), classes, None, "", ())
        recipe = registry.find(system.recipe)(data, **system.arguments, batch_size=batch)
        game = replace(recipe.phases[0].game, autocast=autocast)
        self.moves, self.state, self.device = alternating(game), start(game, device), device
        rng = torch.Generator(device).manual_seed(0)
        x = torch.rand(batch, 3, system.size, system.size, device=device, generator=rng) * 2 - 1
        y = torch.randint(system.classes, (batch,), device=device, generator=rng) if classes else None
        self.batch = recipe.draw(x.contiguous(memory_format=torch.channels_last), y, rng)
        self.updates = [move.updates(1) for move in self.moves]
        self.images = batch * max(self.updates)
        self.runs: list[Callable[..., Any]] = [move.run for move in self.moves]

    def compile(self, backend: str) -> None:
        """From now on play compiled moves."""
        self.runs = [torch.compile(move.run, backend=backend, fullgraph=True) for move in self.moves]

    def work(self) -> int:
        """FLOPs of one step."""
        found = 0
        for move, updates in zip(self.moves, self.updates, strict=True):
            with Work() as count:
                self.state, _ = move.run(self.state, self.batch)
            found += updates * count.done
        return found

    def seconds(self, rounds: int) -> float:
        """Of one step: the fastest of so many updates of each player, times how many updates it makes."""
        total = 0.0
        for run, updates in zip(self.runs, self.updates, strict=True):
            times = []
            for _ in range(rounds + 2):
                began = self._now()
                self.state, _ = run(self.state, self.batch)
                times.append(self._now() - began)
            total += updates * min(times[2:])  # the first two warm up
        return total

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def memory_of(device: torch.device, action: Callable[[], Any]) -> tuple[Any, int]:
    """What the action returns, and the most bytes of GPU memory taken meanwhile; 0 on a CPU."""
    if device.type != "cuda":
        return action(), 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return action(), torch.cuda.max_memory_allocated(device)


def largest(batches: Sequence[int], tried: Mapping[int, int], limit: float) -> int:
    """The largest batch whose memory is at most ``limit``, on the line through two that were tried.

    Args:
        batches: to choose from, ascending; the first is taken where even that is expected to need more.
        tried: two batches and the bytes that they took.
        limit: bytes.
    """
    (a, low), (b, high) = sorted(tried.items())
    slope = (high - low) / (b - a)
    fitting = [batch for batch in batches if low + slope * (batch - a) <= limit]
    return max(fitting, default=batches[0])


def measure(
    name: str,
    system: System,
    device: torch.device,
    *,
    batches: Sequence[int] = BATCHES,
    limit: float | None = None,
    autocast: torch.dtype | None = torch.bfloat16,
    backend: str = "inductor",
    rounds: int = 10,
) -> Iterator[Measured]:
    """Train a system: as it is, then compiled; with the next smaller batch where memory runs out after all."""
    limit = ROOM * torch.cuda.get_device_properties(device).total_memory if limit is None else limit
    first = {
        batch: memory_of(device, lambda b=batch: Training(system, b, device, autocast).work()) for batch in batches[:2]
    }
    chosen = largest(batches, {batch: memory for batch, (_, memory) in first.items()}, limit)
    per_sample = first[batches[1]][0] / batches[1]
    for batch in reversed([b for b in batches if b <= chosen]):
        try:
            work = round(per_sample * batch)
            yield from _both_ways(name, Training(system, batch, device, autocast), batch, work, backend, rounds)
            return
        except torch.OutOfMemoryError:
            continue


def _both_ways(name: str, training: Training, batch: int, work: int, backend: str, rounds: int) -> Iterator[Measured]:
    for way in ("eager", "compiled"):
        if way == "compiled":
            training.compile(backend)
        seconds, memory = memory_of(training.device, lambda: training.seconds(rounds))
        yield Measured(name, way, batch, training.images, seconds, memory, work)


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


def collect(
    names: Sequence[str],
    command: Callable[[str], list[str]],
    minutes: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[str, list[Measured], str]]:
    """Run ``command(name)`` for each name, whose lines of JSON are measurements; all in so many minutes.

    Each may take twice its equal share of what is left. Yields the name, what was measured, and "" or what went wrong:
    "skipped", "stopped" or "failed", and why.
    """
    end = clock() + 60 * minutes
    for place, name in enumerate(names):
        left = end - clock()
        share = min(left, 2 * left / (len(names) - place))
        if share < 1:
            yield name, [], "skipped: out of time"
            continue
        try:
            done = subprocess.run(command(name), capture_output=True, text=True, timeout=share)
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            said, why = done.stdout, f"failed: {last}" if done.returncode else ""
        except subprocess.TimeoutExpired as stopped:
            out = stopped.stdout or b""
            said, why = out.decode() if isinstance(out, bytes) else out, f"stopped: its {share:.0f} s were over"
        found = [Measured(*json.loads(line)) for line in said.splitlines() if line.startswith("[")]
        yield name, found, why


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0, help="for all systems together")
    parser.add_argument("--only", choices=SYSTEMS, help="measure this one, here, and print lines of JSON")
    parser.add_argument("--out", default="results/gpu.md")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"gpu-check: torch {torch.__version__} sees no GPU here, so nothing was measured.")
        return 0
    device = torch.device("cuda", 0)
    if asked.only:
        for one in measure(asked.only, SYSTEMS[asked.only], device):
            print(json.dumps(one), flush=True)
        return 0
    top = peak(device, 8192)
    machine = f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    text = HEAD.format(batches=", ".join(map(str, BATCHES)), room=ROOM, peak=top / 1e9, machine=machine)
    lines, failed = [], False
    for name, found, why in collect(
        list(SYSTEMS), lambda name: [sys.executable, __file__, "--only", name], asked.minutes
    ):
        lines += [one.line(top) for one in found] + ([f"| {name} | {why} |{' |' * 6}"] if why else [])
        failed |= why.startswith("failed")
        print("\n".join(lines[-len(found) - bool(why) :]), flush=True)
        Path(asked.out).write_text(text + "\n".join(lines) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
