"""What verbs that work on runs and write files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from zerosum.runs.folder import RunFolder
    from zerosum.runs.sampler import Sampler
    from zerosum.runs.setup import Setup


class Opened(NamedTuple):
    """A run, its generator, and after how many iterations of training that is."""

    folder: RunFolder
    setup: Setup
    sampler: Sampler
    step: int


def opened(run: str, *, best: bool, device: str, real: bool = False) -> Opened:
    """Open a run, with its ``real`` data or only their shape.

    Raises:
        UsageError: this is no run, or it has no best checkpoint and that was asked for.
        CheckpointError: it has no readable checkpoint.
    """
    from zerosum.runs.folder import RunFolder

    folder = RunFolder(run)
    folder.record()  # what is wrong with it is said before torch is loaded
    if best and folder.best() is None:
        raise UsageError(f"--best: no checkpoint of {run} was scored, so none is the best; leave out --best")
    from zerosum.runs import api

    return Opened(folder, *api.open_run(run, best=best, device=device, real=real))


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A file to write instead of ``path``, in the same folder and with the same suffix; it becomes ``path`` when whole.

    Raises:
        UsageError: it cannot be written there.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise UsageError(f"--out {path}: this is a folder, and a file would be written; give it another name")
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"--out {path}: cannot be written ({error.strerror or error})") from error


def at_least(option: str, value: int, least: int) -> None:
    """Refuse a number below ``least``.

    Raises:
        UsageError: it is.
    """
    if value < least:
        raise UsageError(f"{option} must be at least {least}, got {value}")


def png_only(path: str) -> Path:
    """The path of a picture to write.

    Raises:
        UsageError: it is not called ``.png``.
    """
    if Path(path).suffix.lower() != ".png":
        raise UsageError(f"--out {path}: pictures are written as PNG; call it {Path(path).with_suffix('.png')}")
    return Path(path)
