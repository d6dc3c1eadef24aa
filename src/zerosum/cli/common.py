"""What verbs that work on runs and write files share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import tyro

from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.runs.folder import RunFolder
    from zerosum.runs.sampler import Sampler
    from zerosum.runs.setup import Setup

STANDING = 16  # batches of standing statistics, where a truncation asks for them
SHOWN_REAL = 2_000  # real points below what is drawn
LISTED = 20  # classes that a message lists
MARKED = 6  # classes that a file's name lists


@dataclass(frozen=True)
class OfRun:
    """Options of verbs that draw what a run's generator makes.

    Attributes:
        run: the run's folder.
        seed: of the samples; None: the run's own, as in its pictures.
        out: FILE.png; None: in the run's folder.
        best: from the checkpoint with the best score, instead of the newest.
        device: auto, cpu, cuda or cuda:N.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    seed: int | None = None
    out: str | None = None
    best: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class OfSamples(OfRun):
    """Options of verbs that begin with samples: the same ones make the same samples in all of them.

    Attributes:
        classes: of the samples, in turn: names or numbers of classes with commas between (a name goes before a
            number), for a conditional run. None: drawn at random, as in training.
        truncation: draw latents again until no component is beyond this: above 0, lower for less variety.
        standing: take statistics of batch normalisation anew, from this many batches of 250 samples; 0: those of
            training. None: 16 with a truncation, whose samples have other statistics, if the generator has batch
            normalisation; else 0.
    """

    classes: str | None = None
    truncation: float | None = None
    standing: int | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """What of this a file's name says."""
        words = [] if self.classes is None else [word.strip() for word in self.classes.split(",")]
        shown = [*words[:MARKED], *([f"{len(words) - MARKED}-more"] if len(words) > MARKED else [])]
        named = "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in "-".join(shown))
        parts = (
            ("class-", named or None),
            ("truncation", None if self.truncation is None else f"{self.truncation:g}"),
            ("standing", self.standing),
        )
        return tuple(f"{name}{value}" for name, value in parts if value is not None)


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


def opened_for(options: OfRun, *, real: bool = False) -> Opened:
    """Open the run of these options, its generator at their seed.

    Raises:
        UsageError: as :func:`opened`.
        CheckpointError: as :func:`opened`.
    """
    found = opened(options.run, best=options.best, device=options.device, real=real)
    seed = found.setup.settings.seed if options.seed is None else options.seed
    return found._replace(sampler=found.sampler.with_seed(seed))


def sampling(options: OfSamples, *, real: bool = False) -> Opened:
    """Open the run of these options, its generator at their seed, classes, truncation and statistics.

    Raises:
        UsageError: as :func:`opened`; or classes, a truncation or statistics that the run cannot have.
        CheckpointError: as :func:`opened`.
    """
    if options.truncation is not None and not options.truncation > 0:
        raise UsageError(f"--truncation must be above 0, got {options.truncation:g}")
    if options.standing is not None:
        at_least("--standing", options.standing, 0)
    found = opened_for(options, real=real)
    sampler = found.sampler
    if options.classes is not None:
        sampler = sampler.of_classes(class_numbers("--classes", options.classes, found))
    if options.truncation is not None:
        sampler = sampler.truncated(options.truncation)
    return found._replace(sampler=_standing(sampler, options))


def _standing(sampler: Sampler, options: OfSamples) -> Sampler:
    """With the batch-norm statistics that the options ask for."""
    batches = options.standing
    if batches is None:
        batches = STANDING if options.truncation is not None and sampler.batch_normalised else 0
    if batches and not sampler.batch_normalised:
        raise UsageError(f"--standing {batches}: this generator has no batch normalisation; leave it out")
    return sampler.standing(batches) if batches else sampler


def class_numbers(option: str, text: str, found: Opened) -> tuple[int, ...]:
    """The classes that people name, as numbers.

    Args:
        option: that they were given to.
        text: names or numbers of classes, with commas between.
        found: the run.

    Raises:
        UsageError: the run's generator is told no class, or there is no such class.
    """
    if not found.sampler.labelled:
        raise UsageError(
            f"{option} {text}: the generator of {found.folder.path} ({found.setup.name}) is not told a class; those of "
            "cgan, ac-gan, sngan-projection, sagan and biggan are"
        )
    return tuple(_class_number(option, word.strip(), found.setup.data.classes) for word in text.split(","))


def _class_number(option: str, word: str, names: Sequence[str]) -> int:
    from zerosum.data.errors import nearest

    if word in names:
        return names.index(word)
    if word.isdecimal() and int(word) < len(names):
        return int(word)
    plain = {name.casefold(): name for name in names}
    if word.casefold() in plain:
        return names.index(plain[word.casefold()])
    listed = ", ".join(f"{i} {name}" if name != str(i) else name for i, name in enumerate(names[:LISTED]))
    more = f", ... {len(names) - 1} {names[-1]}" if len(names) > LISTED else ""
    raise UsageError(f"{option}: there is no class {word!r}.{nearest(word, names)} Classes: {listed}{more}")


def numbers(option: str, text: str) -> tuple[int, ...]:
    """Numbers of samples, from 0, with commas between.

    Raises:
        UsageError: this is something else.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise UsageError(f"{option} {text!r}: give numbers of samples with commas between, such as 3,17,20")
    return tuple(int(word) for word in words)


def beside(found: Opened, options: OfRun, *words: str) -> Path:
    """Where a picture goes by default: in the run's folder, named by what it shows."""
    first, *others = words
    name = "-".join([first, *(["best"] if options.best else []), *others, f"seed{found.sampler.seed}"])
    return found.folder.path / f"{name}.png"


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


def page(rows: Sequence[Sequence[Tensor | None]], path: Path) -> None:
    """Write images (C, H, W) in [-1, 1] as one PNG, row by row, white where there is none."""
    import torch

    from zerosum.runs.pictures import sheet

    columns = max(map(len, rows))
    blank = torch.ones_like(next(image for row in rows for image in row if image is not None))
    filled = [image if image is not None else blank for row in rows for image in (*row, *[None] * (columns - len(row)))]
    sheet(torch.stack(filled), path, columns=columns)


@contextmanager
def plane(found: Opened, path: Path) -> Iterator[Any]:
    """Axes to draw on, with real points in grey; they are written to ``path`` in the end."""
    from matplotlib.figure import Figure

    real, _ = found.setup.data.batch(0, SHOWN_REAL, seed=found.setup.settings.seed + 1)
    figure = Figure(figsize=(5, 5), dpi=110, layout="tight")
    axes: Any = figure.subplots()
    axes.scatter(*real.T.tolist(), s=4, c="#bbbbbb", linewidths=0)
    yield axes
    limit = 1.3 * float(real.abs().max())
    title = f"{found.setup.name}, step {found.step:,}"
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    figure.savefig(path)


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
