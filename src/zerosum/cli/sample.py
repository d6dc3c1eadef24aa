"""``zerosum sample RUN``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from zerosum.cli.common import Opened, at_least, opened, writing
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from torch import Tensor

PIECE = 250  # samples computed at once
LARGEST_SHEET = 100_000_000  # pixels
SHOWN_REAL = 2_000  # real points below the generated ones


@dataclass(frozen=True)
class Options:
    """Draw samples from a run: the ones that a seed stands for, the same every time.

    Attributes:
        run: the run's folder.
        count: number of samples.
        seed: of the samples; None: the run's own, as in its pictures.
        out: FILE.png for one picture of all, FILE.npz for an array, or a folder for one PNG each.
            None: a picture in the run's folder.
        best: from the checkpoint with the best score, instead of the newest.
        device: auto, cpu, cuda or cuda:N.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    count: int = 64
    seed: int | None = None
    out: str | None = None
    best: bool = False
    device: str = "auto"


def run(argv: list[str]) -> int:
    """Sample."""
    options = tyro.cli(Options, args=argv, prog="zerosum sample")
    at_least("--count", options.count, 1)
    kind = _kind(options.out)
    found = opened(options.run, best=options.best, device=options.device)
    seed = found.setup.settings.seed if options.seed is None else options.seed
    found = found._replace(sampler=found.sampler.with_seed(seed))
    name = f"samples{'-best' if options.best else ''}-seed{seed}.png"
    path = Path(options.out) if options.out else found.folder.path / name
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
            sheet(samples, file)


def array(found: Opened, count: int, path: Path) -> None:
    """``images``, uint8 (N, H, W, C), or ``points``, float32 (N, 2)."""
    import numpy as np

    from zerosum.runs.pictures import to_pixels

    with writing(path) as file:
        if found.setup.data.is_points:
            np.savez_compressed(file, points=np.concatenate([piece.numpy() for piece in pieces(found, count)]))
        else:
            np.savez_compressed(file, images=np.concatenate([to_pixels(piece) for piece in pieces(found, count)]))


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
