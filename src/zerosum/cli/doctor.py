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

SECONDS = 0.15  # that one measurement may take
# package -> (what it is for, the extra that installs it)
EXTRAS = {
    "tensorboard": ("event files beside metrics.jsonl", "board"),
    "sklearn": ("--data digits", "data"),
    "datasets": ("--data hf:NAME", "data"),
    "onnx": ("export", "export"),
    "onnxruntime": ("running what was exported", "export"),
    "ray": ("studies in parallel", "study"),
    "optuna": ("search in studies", "study"),
    "ot": ("optimal transport", "theory"),
    "nashpy": ("equilibria of small games", "theory"),
    "gradio": ("the studio", "studio"),
}


@dataclass(frozen=True)
class Options:
    """Show what this machine can do: devices, speed, what `auto` means here, extras, data, and space on the disk."""


def run(argv: list[str]) -> int:
    """Examine."""
    tyro.cli(Options, args=argv, prog="zerosum doctor")
    for name, text in [*software(), *devices(), *defaults(), *extras(), *data(), *disk()]:
        print(f"{name:<13}{text}")
    return 0


def software() -> list[tuple[str, str]]:
    """Versions."""
    import torch

    from zerosum import __version__

    return [("zerosum", f"{__version__}, torch {torch.__version__}, Python {platform.python_version()}")]


def devices() -> list[tuple[str, str]]:
    """Each device with its measured speed."""
    import torch

    from zerosum.runs.settings import native_bf16

    cores = f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads"
    found = [(torch.device("cpu"), f"{_processor()}, {cores}")]
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        text = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, compute capability {facts.major}.{facts.minor}"
        found.append((torch.device("cuda", index), text))
    rows = []
    for device, text in found:
        native = "in hardware" if native_bf16(device) else "emulated"
        fast, half = (speed(device, dtype) for dtype in (torch.float32, torch.bfloat16))
        rows += [(str(device), text), ("", f"matrices: {fast:,.0f} GFLOP/s in float32, {half:,.0f} in bf16 ({native})")]
    if len(found) == 1:
        rows.append(("cuda", "none that torch sees" if torch.version.cuda else "none: this torch was built without it"))
    return rows


def speed(device: torch.device, dtype: torch.dtype) -> float:
    """Measured GFLOP/s of a matrix product; the best of some."""
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
    """What ``auto`` means here."""
    from zerosum.runs.settings import Settings, autocast_for, backend_for, device_for

    device = device_for(Settings())
    precision = "bf16" if autocast_for(Settings(), device) else "float32"
    compiled = "on" if backend_for(Settings(), device) else "off"
    return [("auto means", f"--device {device} --precision {precision} --compile {compiled}")]


def extras() -> list[tuple[str, str]]:
    """Which optional packages are there."""
    rows: list[tuple[str, str]] = []
    for package, (purpose, extra) in EXTRAS.items():
        there = importlib.util.find_spec(package) is not None
        how = "" if there else f": pip install 'zerosum[{extra}]'"
        rows.append(("" if rows else "extras", f"{'yes' if there else 'no ':<4} {package} ({purpose}){how}"))
    return rows


def data() -> list[tuple[str, str]]:
    """Which published sets are on this machine; their checksums are compared when they are loaded."""
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
    """Free space where runs go by default."""
    return [("disk", f"{shutil.disk_usage(Path.cwd()).free / 2**30:,.1f} GiB free in {Path.cwd()}")]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # no Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
