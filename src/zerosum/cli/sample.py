"""``zerosum sample RUN``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from zerosum.cli.common import SHOWN_REAL, OfSamples, Opened, at_least, beside, sampling, writing
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from torch import Tensor

PIECE = 250  # samples computed at once
LARGEST_SHEET = 100_000_000  # pixels


@dataclass(frozen=True)
class Options(OfSamples):
    """Draw samples from a run: the ones that a seed stands for, the same every time.

    Samples are numbered from 0, row by row; other verbs take these numbers. With several classes, each is a column.

    Attributes:
        count: number of samples.
        out: FILE.png for one picture of all, FILE.npz for an array (with labels, of a conditional run), or a folder
            for one PNG each. None: a picture in the run's folder.
    """

    count: int = 64
    out: str | None = None


def run(argv: list[str]) -> int:
    """Sample."""
    options = tyro.cli(Options, args=argv, prog="zerosum sample")
    at_least("--count", options.count, 1)
    kind = _kind(options.out)
    found = sampling(options)
    path = Path(options.out) if options.out else beside(found, options, "samples", *options.marks)
    {".png": picture, ".npz": array, "": folder}[kind](found, options.count, path)
    print(path)
    return 0


def picture(found: Opened, count: int, path: Path) -> None:
    """All samples as one PNG: images in a grid, points over real ones."""
    import torch

    from zerosum.runs.pictures import scatter, sheet

    data = found.setup.data
    if not data.is_points and count * data.shape[1] * data.shape[2] > LARGEST_SHEET:
        raise UsageError(
            f"--count {count:,}: too many images of {data.shape[1]} x {data.shape[2]} for one picture; "
            "write an array (--out FILE.npz) or single files (--out FOLDER)"
        )
    with writing(path) as file:
        samples = torch.cat(list(pieces(found, count)))
        if data.is_points:
            real, _ = data.batch(0, SHOWN_REAL, seed=found.setup.settings.seed + 1)
            scatter(samples, real, file, f"{found.setup.name}, step {found.step:,}")
        else:
            sheet(samples, file, _columns(count, len(found.sampler.asked)))


def _columns(count: int, classes: int) -> int | None:
    """Of a sheet that is about square: with several classes a multiple of them, so that each column shows one."""
    return min(count, classes * max(1, round(math.sqrt(count) / classes))) if classes > 1 else None


def array(found: Opened, count: int, path: Path) -> None:
    """``images``, uint8 (N, H, W, C), and ``labels``, int64 (N,), if there are any; or ``points``, float32 (N, 2)."""
    import numpy as np

    from zerosum.runs.pictures import to_pixels

    points = found.setup.data.is_points
    with writing(path) as file:
        whole = np.concatenate([piece.numpy() if points else to_pixels(piece) for piece in pieces(found, count)])
        arrays: dict[str, Any] = {"points" if points else "images": whole}
        if found.sampler.labelled:
            arrays["labels"] = found.sampler.latents(0, count)[1].cpu().numpy()
        np.savez_compressed(file, **arrays)


def folder(found: Opened, count: int, path: Path) -> None:
    """One PNG for each image, named by its number."""
    from PIL import Image

    from zerosum.runs.pictures import to_pixels

    if found.setup.data.is_points:
        raise UsageError(f"--out {path}: points are no images; write them to FILE.npz or draw them in FILE.png")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"--out {path}: exists already, and nothing is mixed with it; choose another folder")
    digits, number = max(5, len(str(count - 1))), 0
    try:
        path.mkdir(parents=True, exist_ok=True)
        for piece in pieces(found, count):
            for pixels in to_pixels(piece):
                image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
                image.save(path / f"{number:0{digits}}.png")
                number += 1
    except OSError as error:
        raise UsageError(f"--out {path}: cannot be written ({error.strerror or error})") from error


def pieces(found: Opened, count: int) -> Iterator[Tensor]:
    """The samples, some hundred at a time, with a progress bar where that takes long."""
    from zerosum.data.progress import progress

    with progress(count, "sampling", True) as advance:
        for start in range(0, count, PIECE):
            n = min(PIECE, count - start)
            yield found.sampler(start, n)
            advance(n)


def _kind(out: str | None) -> str:
    """What ``--out`` names: ``.png``, ``.npz``, or ``""`` for a folder."""
    if out is None:
        return ".png"
    suffix = Path(out).suffix.lower()
    if out.endswith("/") or Path(out).is_dir() or not suffix:
        return ""
    if suffix not in (".png", ".npz"):
        raise UsageError(f"--out {out}: write FILE.png, FILE.npz, or a folder (its name ends in /, or has no dot)")
    return suffix
