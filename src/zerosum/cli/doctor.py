"""``zerosum doctor``."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    import torch

VERB = ("show what this machine can do", 170)  # what it does, and its place in the list

SECONDS = 0.15  # time that one measurement takes
# Package -> (what it is for, the extra that installs it).
EXTRAS = {
    "tensorboard": ("event files of runs", "board"),
    "sklearn": ("the data `digits` and `stacked-digits`", "data"),
    "datasets": ("data of the Hugging Face hub, `hf:NAME`", "data"),
    "onnxruntime": ("features by a network of yours, FILE.onnx", "onnx"),
    "trackio": ("losses and pictures in its dashboard, `--track trackio`", "track"),
    "wandb": ("the same, `--track wandb`", "wandb"),
}


@dataclass(frozen=True)
class DoctorOptions:
    """Show what this machine can do: devices, their speed, what `auto` means here, extras, data and free disk space.

    Attributes:
        self_test: Whether to train, kill, resume, sample and score a tiny run in a temporary folder instead, in under a
            minute, and say of each whether it worked. The exit code is 0 only if all did.
    """

    self_test: bool = False


def run(argv: list[str]) -> int:
    """Examine the machine, or try the installation."""
    if tyro.cli(DoctorOptions, args=argv, prog="zerosum doctor").self_test:
        from zerosum.cli.self_test import run_checks

        return run_checks()
    for name, text in [*software(), *devices(), *defaults(), *extras(), *data(), *disk()]:
        print(f"{name:<13}{text}")
    return 0


def software() -> list[tuple[str, str]]:
    """Versions of zerosum, torch and Python."""
    import torch

    from zerosum import __version__

    return [("zerosum", f"{__version__}, torch {torch.__version__}, Python {platform.python_version()}")]


def devices() -> list[tuple[str, str]]:
    """Each device with its measured speed."""
    import torch

    from zerosum.runs.settings import has_native_bf16

    cores = f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads"
    known = [(torch.device("cpu"), f"{_processor()}, {cores}")]
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        text = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, compute capability {facts.major}.{facts.minor}"
        known.append((torch.device("cuda", index), text))
    rows = []
    for device, text in known:
        how = "in hardware" if has_native_bf16(device) else "emulated"
        full, half = (speed(device, dtype) for dtype in (torch.float32, torch.bfloat16))
        rows += [(str(device), text), ("", f"matrices: {full:,.0f} GFLOP/s in float32, {half:,.0f} in bf16 ({how})")]
    if len(known) == 1:
        rows.append(("cuda", "none that torch sees" if torch.version.cuda else "none: this torch was built without it"))
    return rows


def speed(device: torch.device, dtype: torch.dtype) -> float:
    """Measured speed of a matrix product in GFLOP/s: the best of several."""
    import torch

    n = 512 if device.type == "cpu" else 4096
    a = torch.rand(n, n, device=device).to(dtype)
    best, began = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - began < SECONDS:
        start = time.perf_counter()
        (a @ a)[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best / 1e9


def defaults() -> list[tuple[str, str]]:
    """What ``auto`` means on this machine."""
    from zerosum.runs.settings import Settings, autocast_for, backend_for, device_for

    device = device_for(Settings())
    precision = "bf16" if autocast_for(Settings(), device) else "float32"
    compiled = "on" if backend_for(Settings(), device) else "off"
    return [("auto means", f"--device {device} --precision {precision} --compile {compiled}")]


def extras() -> list[tuple[str, str]]:
    """Which optional packages are installed."""
    rows: list[tuple[str, str]] = []
    for package, (purpose, extra) in EXTRAS.items():
        installed = importlib.util.find_spec(package) is not None
        how = "" if installed else f": pip install 'zerosum[{extra}]'"
        rows.append(("" if rows else "extras", f"{'yes' if installed else 'no ':<4} {package} ({purpose}){how}"))
    return rows


def data() -> list[tuple[str, str]]:
    """Which published data sets are on this machine. Their checksums are compared when they are loaded."""
    from zerosum.data import cache, fetch, published

    files = {
        "fashion-mnist": [file for pair in published.FASHION_MNIST.values() for file in pair],
        "mnist": [file for pair in published.MNIST.values() for file in pair],
        "cifar10": [published.CIFAR10],
    }
    rows = [("data", "yes  fashion-mini (shipped)")]
    for name, wanted in files.items():
        places = [folder / name for folder in (fetch.DEBIAN, cache.root())]
        where = next((place for place in places if all((place / file.name).is_file() for file in wanted)), None)
        rows.append(("", f"yes  {name} ({where})" if where else f"no   {name}: downloaded to {places[1]} on first use"))
    return rows


def disk() -> list[tuple[str, str]]:
    """Free space where new runs are written by default."""
    return [("disk", f"{shutil.disk_usage(Path.cwd()).free / 2**30:,.1f} GiB free in {Path.cwd()}")]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
