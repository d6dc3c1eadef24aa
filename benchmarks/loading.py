"""Images a second from the second epoch on: zerosum.data against a DataLoader that decodes with Pillow, on one folder.

    python benchmarks/loading.py [--images 10000] [--size 32] [--batch 64]

The folder holds PNGs of noise smoothed a little, so that they compress about as photographs do. The DataLoader gets its
best of 0 and 2 worker processes. Both sides hand over float32 batches in [-1, 1], and torch computes on one thread in
the main process, so that what else the machine does weighs on both alike. The ratio is printed last.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from zerosum.data import load


class Decoded(Dataset[Tensor]):
    """What a training script without a cache does: open, decode and scale each image every time."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.png"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.paths[index]) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB")))
        return pixels.permute(2, 0, 1).to(torch.float32).mul_(2 / 255).sub_(1)


def make_folder(folder: Path, count: int, size: int) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8))
        coarse.resize((size, size), Image.Resampling.BICUBIC).save(folder / f"{i:06}.png")


def seconds_of(batches: Iterable[Tensor]) -> tuple[float, int]:
    """Time to go through the batches, touching each, and the images seen."""
    start, seen = time.perf_counter(), 0
    for x in batches:
        seen += len(x)
        x.sum()
    return time.perf_counter() - start, seen


def rate_of_loader(folder: Path, batch: int, workers: int) -> float:
    loader = DataLoader(
        Decoded(folder), batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    for _ in range(2):  # the first pass starts the workers and warms the page cache
        elapsed, seen = seconds_of(loader)
    return seen / elapsed


def rate_of_zerosum(folder: Path, cache: str, batch: int) -> tuple[float, float, float]:
    """(seconds of the first load, seconds of a load from the cache, images a second in the second epoch)."""
    start = time.perf_counter()
    load(f"folder:{folder}", size=Image.open(next(folder.glob("*.png"))).width, cache=cache)
    first = time.perf_counter() - start
    start = time.perf_counter()
    data = load(f"folder:{folder}", size=Image.open(next(folder.glob("*.png"))).width, cache=cache)
    again = time.perf_counter() - start
    steps = (data.count or 0) // batch
    for epoch in range(2):
        numbers = range(epoch * steps, (epoch + 1) * steps)
        elapsed, seen = seconds_of(data.batch(k, batch, seed=0)[0] for k in numbers)
    return first, again, seen / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description="Second-epoch loading rate against a plain DataLoader.")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        make_folder(Path(folder), asked.images, asked.size)
        first, again, ours = rate_of_zerosum(Path(folder), cache, asked.batch)
        theirs = {workers: rate_of_loader(Path(folder), asked.batch, workers) for workers in (0, 2)}
    print(f"{asked.images} PNGs of {asked.size} x {asked.size}, batch {asked.batch}, {os.cpu_count()} cores, CPU")
    print(f"zerosum: first load (decoding) {first:.2f} s, from the cache {again:.2f} s, then {ours:,.0f} images/s")
    for workers, rate in theirs.items():
        print(f"DataLoader with {workers} workers: {rate:,.0f} images/s")
    print(f"ratio {ours / max(theirs.values()):.1f}")


if __name__ == "__main__":
    main()
