"""Training steps against plain PyTorch and torch-mimicry, in one run, as ratios: ``python benchmarks/step.py``.

A step is one update of the critic and one of the generator on 32x32 images. Contestants take turns, and each keeps its
median; so what else the machine does hits all alike. FLOPs are counted on the plain step by torch's FlopCounterMode,
for all contestants alike, so FLOP/s compare useful work.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import MagicMock

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import plain
from zerosum import registry
from zerosum.core.dynamics import alternating
from zerosum.core.game import start
from zerosum.data.base import Data
from zerosum.runs.settings import Settings, autocast_for, backend_for
from zerosum.systems import Recipe

CHANNELS = 3
UNUSED = (
    *("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.utils", "torchvision.models"),
    *("skimage", "skimage.metrics", "skimage.measure", "tensorflow", "requests", "torch._six"),
)
Step = Callable[[Tensor, Tensor], None]
CASES = {
    "dcgan-32": ("dcgan", {"width": 64, "kernel": 4}, plain.dcgan, 100),
    "sngan-32": ("sngan", {"g_width": 128, "d_width": 128}, plain.sngan, 128),
    "wgan-gp-32": ("wgan-gp", {"width": 128}, plain.wgan_gp, 128),
}


def ours(recipe: Recipe, settings: Settings, device: torch.device, *, channels_last: bool = True) -> Step:
    """One update of each player, as `zerosum train` makes it."""
    game = replace(recipe.phases[0].game, autocast=autocast_for(settings, device))
    state = start(game, device, channels_last=channels_last)
    backend = backend_for(settings, device)
    runs = [torch.compile(m.run, backend=backend, fullgraph=True) if backend else m.run for m in alternating(game)]
    rng = torch.Generator(device).manual_seed(0)

    def step(x: Tensor, z: Tensor) -> None:
        nonlocal state
        batch = recipe.draw(x, None, rng)
        if batch.z.shape[0] != x.shape[0]:  # SNGAN's generator takes twice the batch; here all take the same
            batch = batch._replace(z=batch.z[: x.shape[0]])
        for run in runs:
            state, _ = run(state, batch)

    return step


def mimicry_sngan() -> Step | None:
    """torch-mimicry's SNGAN-32 by its own training steps; ``None`` where it is not installed."""
    try:
        # It imports these for data sets and metrics, which are not used here and need not be installed.
        for name in UNUSED:
            sys.modules.setdefault(name, MagicMock())
        from torch_mimicry.nets.sngan.sngan_32 import SNGANDiscriminator32, SNGANGenerator32
    except ImportError as error:
        print(f"torch-mimicry is not measured: {error}")
        return None
    from torch_mimicry.training.metric_log import MetricLog

    g, d = SNGANGenerator32(), SNGANDiscriminator32()
    og, od = (torch.optim.Adam(n.parameters(), 2e-4, betas=(0.0, 0.9)) for n in (g, d))
    log, device = MetricLog(), torch.device("cpu")

    def step(x: Tensor, z: Tensor) -> None:
        d.train_step(real_batch=(x, None), netG=g, optD=od, log_data=log, device=device)
        g.train_step(real_batch=(x, None), netD=d, optG=og, log_data=log, device=device)

    return step


def race(steps: dict[str, Step], x: Tensor, latent: int, rounds: int) -> dict[str, float]:
    """Median seconds of a step of each contestant; they take turns."""
    z = torch.randn(len(x), latent, device=x.device)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 2):
        for name, step in steps.items():
            _wait(x.device)
            began = time.perf_counter()
            step(x, z)
            _wait(x.device)
            if number >= 2:  # the first two warm up
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(found) for name, found in times.items()}


def peak(device: torch.device, dtype: torch.dtype, size: int = 2048) -> float:
    """FLOP/s of the fastest of ten products of square matrices."""
    a = torch.randn(size, size, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(10):
        _wait(device)
        began = time.perf_counter()
        a @ a
        _wait(device)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--compile", default="auto", choices=["auto", "on", "off"])
    asked = parser.parse_args()
    device = torch.device(asked.device)
    chosen = Settings(compile=asked.compile)
    precision = autocast_for(chosen, device) or torch.float32
    top = {dtype: peak(device, dtype) for dtype in {torch.float32, precision}}
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {device}, {threads} threads, batch {asked.batch}; default precision {precision}")
    print(", ".join(f"peak of matrix products in {d}: {f / 1e9:.0f} GFLOP/s" for d, f in top.items()))
    print(f"\n| step | contestant | ms | images/s | x plain | GFLOP/s | of peak |\n|{'---|' * 7}")
    x = torch.rand(asked.batch, CHANNELS, 32, 32, device=device) * 2 - 1
    for case, (name, arguments, by_hand, latent) in CASES.items():
        data = Data("random", (CHANNELS, 32, 32), (), None, "", ())
        recipe = registry.find(name)(data, **arguments, batch_size=asked.batch)
        with FlopCounterMode(display=False) as counter:
            by_hand(CHANNELS, device)(x, torch.randn(asked.batch, latent, device=device))
        steps = {"plain PyTorch": by_hand(CHANNELS, device), "zerosum": ours(recipe, chosen, device)}
        show(case, race(steps, x, latent, asked.rounds), counter.get_total_flops(), top, precision, asked.batch)
    mimicry = mimicry_sngan() if device.type == "cpu" else None
    if mimicry is not None:
        recipe = registry.find("sngan")(data, batch_size=asked.batch)
        times = race(
            {"torch-mimicry": mimicry, "zerosum": ours(recipe, chosen, device)}, x, 128, max(3, asked.rounds // 2)
        )
        show("sngan-32, published width", times, 0, top, precision, asked.batch)


def show(
    case: str, times: dict[str, float], flops: int, top: dict[torch.dtype, float], precision: torch.dtype, batch: int
) -> None:
    """Rows of the table; the first contestant is the base of the ratios."""
    base = next(iter(times.values()))
    for name, seconds in times.items():
        limit = top[precision if name == "zerosum" else torch.float32]
        work = f"{flops / seconds / 1e9:.0f} | {flops / seconds / limit:.0%}" if flops else "- | -"
        row = f"| {case} | {name} | {seconds * 1e3:.0f} | {batch / seconds:.1f} | {base / seconds:.2f} | {work} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
