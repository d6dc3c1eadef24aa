"""``zerosum sample RUN``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from zerosum.cli import common
from zerosum.cli.common import OpenedRun, SamplingOptions
from zerosum.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

VERB = ("draw samples from a run", 30)  # what it does, and its place in the list

PIECE = 250  # samples that are computed at once
LARGEST_SHEET = 100_000_000  # pixels of the largest picture
MOST_COLUMNS = 24  # columns of a sheet on which each class has one


@dataclass(frozen=True)
class SampleOptions(SamplingOptions):
    """Draw samples from a run: those that belong to a seed, the same every time.

    Samples are numbered from 0, row by row; other verbs take these numbers. If several classes are given, each has its
    own column.

    Attributes:
        count: Number of samples.
        out: What to write: FILE.png for one picture of all samples, FILE.npz for an array (with labels, for a
            conditional run), or a folder for a PNG file of each. None: a picture in the run's folder.
    """

    count: int = 64
    out: str | None = None


def run(argv: list[str]) -> int:
    """Draw samples."""
    options = tyro.cli(SampleOptions, args=argv, prog="zerosum sample")
    common.check_at_least("--count", options.count, 1)
    kind = _kind(options.out)
    opened = common.open_sampler(options)
    path = Path(options.out) if options.out else common.default_path(opened, options, "samples", *options.marks)
    if kind == ".png":
        write_picture(opened, options, path)
    else:
        {".npz": write_array, "": write_folder}[kind](opened, options.count, path)
        print(path)
    return 0


def write_picture(opened: OpenedRun, options: SampleOptions, path: Path) -> None:
    """Write all samples as one PNG: images in a grid, points over real ones."""
    import torch

    from zerosum.runs.pictures import scatter, sheet

    count, data = options.count, opened.setup.data
    if not data.is_points and count * data.shape[1] * data.shape[2] > LARGEST_SHEET:
        raise UsageError(
            f"--count {count:,}: too many images of {data.shape[1]} x {data.shape[2]} for one picture; "
            "write an array (--out FILE.npz) or single files (--out FOLDER)"
        )
    title, note = "1 sample" if count == 1 else f"{count:,} samples", common.origin_of(opened, options)
    with common.open_output(path) as file:
        samples = torch.cat(list(pieces(opened, count)))
        if data.is_points:
            scatter(samples, common.real_points(opened), file, f"{title}\n{note}")
        else:
            sampler = opened.sampler
            classes = common.names_of_classes(opened, sampler.latents(0, count)[1]) if sampler.labelled else []
            columns = choose_columns(count, len(sampler.classes))
            sheet(samples, file, columns, title=title, note=note, classes=classes)
    common.tell(f"{title} of {note}", path)


def choose_columns(count: int, classes: int) -> int | None:
    """Columns of a sheet that is about square: a multiple of several classes, so that each column shows only one.

    Args:
        count: Number of images.
        classes: Number of classes that samples have in turn. 0: those that the prior draws.

    Returns:
        The number of columns; ``None`` for a square where there are too many classes for a column each.
    """
    if not 1 < classes <= MOST_COLUMNS:
        return None
    return min(count, classes * max(1, round(math.sqrt(count) / classes)))


def write_array(opened: OpenedRun, count: int, path: Path) -> None:
    """Write ``images``, uint8 (N, H, W, C), and ``labels``, int64 (N,), if any; or ``points``, float32 (N, 2)."""
    import numpy as np

    from zerosum.runs.pictures import to_pixels

    points = opened.setup.data.is_points
    with common.open_output(path) as file:
        whole = np.concatenate([piece.numpy() if points else to_pixels(piece) for piece in pieces(opened, count)])
        arrays: dict[str, Any] = {"points" if points else "images": whole}
        if opened.sampler.labelled:
            arrays["labels"] = opened.sampler.latents(0, count)[1].cpu().numpy()
        np.savez_compressed(file, **arrays)


def write_folder(opened: OpenedRun, count: int, path: Path) -> None:
    """Write one PNG for each image, named by its number."""
    from PIL import Image

    from zerosum.runs.pictures import to_pixels

    if opened.setup.data.is_points:
        raise UsageError(f"--out {path}: points are not images; write them to FILE.npz or draw them in FILE.png")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"--out {path}: already exists, and nothing is added to it; choose another folder")
    digits, number = max(5, len(str(count - 1))), 0
    try:
        path.mkdir(parents=True, exist_ok=True)
        for piece in pieces(opened, count):
            for pixels in to_pixels(piece):
                image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
                image.save(path / f"{number:0{digits}}.png")
                number += 1
    except OSError as error:
        raise UsageError(f"--out {path}: cannot be written ({error.strerror or error})") from error


def pieces(opened: OpenedRun, count: int) -> Iterator[Tensor]:
    """The samples, a few hundred at a time, with a progress bar if that takes long."""
    from zerosum.progress import progress

    with progress(count, "sampling", True) as advance:
        for start in range(0, count, PIECE):
            n = min(PIECE, count - start)
            yield opened.sampler(start, n)
            advance(n)


def _kind(out: str | None) -> str:
    """What ``--out`` asks for: ``.png``, ``.npz``, or ``""`` for a folder."""
    if out is None:
        return ".png"
    suffix = Path(out).suffix.lower()
    if out.endswith("/") or Path(out).is_dir() or not suffix:
        return ""
    if suffix not in (".png", ".npz"):
        raise UsageError(f"--out {out}: must be FILE.png, FILE.npz, or a folder (its name ends in / or has no dot)")
    return suffix
