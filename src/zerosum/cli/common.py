"""What verbs share that work on runs and write files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import tyro

from zerosum.data import is_given
from zerosum.errors import UsageError, nearest
from zerosum.files import atomic, printable

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.folder import RunFolder
    from zerosum.runs.sampler import Sampler
    from zerosum.runs.setup import Setup

STANDING = 16  # batches of standing statistics when there is a truncation
SHOWN_REAL = 2_000  # real points that are drawn in the background
LISTED = 20  # largest number of classes that a message lists
MARKED = 6  # largest number of classes in the name of a file


@dataclass(frozen=True)
class RunOptions:
    """Options of verbs that draw what a run's generator makes.

    Attributes:
        run: Folder of the run.
        seed: Seed of the samples. None: the run's own, as in its pictures.
        out: Picture to write, FILE.png. None: one in the run's folder.
        best: Whether to use the checkpoint with the best score instead of the newest one.
        step: Step of the checkpoint to use. None: the newest, or the best.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    seed: int | None = None
    out: str | None = None
    best: bool = False
    step: int | None = None
    device: str = "auto"


@dataclass(frozen=True)
class SamplingOptions(RunOptions):
    """Options of verbs that begin with samples: the same options give the same samples in all of them.

    Attributes:
        classes: Classes of the samples, in turn, for a conditional run: names or numbers separated by commas (a name
            takes precedence over a number). None: drawn at random, as in training.
        truncation: Largest size of a latent's component, above 0: larger components are drawn again. Lower values give
            less variety. None: latents as in training.
        standing: Batches of 250 samples from which the statistics of batch normalisation are taken afresh. 0: the
            statistics of training. None: 16 if there is a truncation, whose samples have other statistics, and the
            generator has batch normalisation; otherwise 0.
    """

    classes: str | None = None
    truncation: float | None = None
    standing: int | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """What the name of a file says about these options."""
        words = [] if self.classes is None else [word.strip() for word in self.classes.split(",")]
        shown = [*words[:MARKED], *([f"{len(words) - MARKED}-more"] if len(words) > MARKED else [])]
        classes = "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in "-".join(shown))
        parts = (
            ("class-", classes or None),
            ("truncation", None if self.truncation is None else f"{self.truncation:g}"),
            ("standing", self.standing),
        )
        return tuple(f"{name}{value}" for name, value in parts if value is not None)


class OpenedRun(NamedTuple):
    """A run with its generator.

    Attributes:
        folder: Folder of the run.
        setup: What was trained.
        sampler: The generator.
        step: Iterations after which the generator was saved.
    """

    folder: RunFolder
    setup: Setup
    sampler: Sampler
    step: int


def open_run(run: str, *, best: bool, device: str, real: bool = False, step: int | None = None) -> OpenedRun:
    """Open a run, with its ``real`` data or only their shape.

    Raises:
        UsageError: The folder is not that of a run, or ``best`` is asked for and no checkpoint was scored.
        CheckpointError: The run has no readable checkpoint.
    """
    from zerosum.folder import RunFolder

    folder = RunFolder(run)
    folder.record()  # says what is wrong with it before torch is loaded
    if best and folder.best() is None:
        raise UsageError(f"--best: no checkpoint of {run} was scored, so none is the best; leave out --best")
    from zerosum.runs import api

    return OpenedRun(folder, *api.open_run(run, best=best, step=step, device=device, real=real))


def open_with_seed(options: RunOptions, *, real: bool = False) -> OpenedRun:
    """Open a run, and give its generator the seed that the options ask for.

    Raises:
        UsageError: The run cannot be opened; see :func:`open_run`.
        CheckpointError: The run has no readable checkpoint.
    """
    opened = open_run(options.run, best=options.best, step=options.step, device=options.device, real=real)
    seed = opened.setup.settings.seed if options.seed is None else options.seed
    return opened._replace(sampler=opened.sampler.with_seed(seed))


def open_sampler(options: SamplingOptions, *, real: bool = False) -> OpenedRun:
    """Open a run, and give its generator the seed, classes, truncation and statistics that the options ask for.

    Raises:
        UsageError: The run cannot be opened (see :func:`open_run`), or cannot have such classes, such a truncation or
            such statistics.
        CheckpointError: The run has no readable checkpoint.
    """
    if options.truncation is not None and not options.truncation > 0:
        raise UsageError(f"--truncation must be above 0, got {options.truncation:g}")
    if options.standing is not None:
        check_at_least("--standing", options.standing, 0)
    opened = open_with_seed(options, real=real)
    sampler = opened.sampler
    if options.classes is not None:
        sampler = sampler.of_classes(class_numbers("--classes", options.classes, opened))
    if options.truncation is not None:
        sampler = sampler.truncated(options.truncation)
    return opened._replace(sampler=_with_statistics(sampler, options))


def _with_statistics(sampler: Sampler, options: SamplingOptions) -> Sampler:
    """The sampler with the batch-norm statistics that the options ask for."""
    batches = options.standing
    if batches is None:
        batches = STANDING if options.truncation is not None and sampler.batch_normalised else 0
    if batches and not sampler.batch_normalised:
        raise UsageError(f"--standing {batches}: this generator has no batch normalisation; leave the option out")
    return sampler.standing(batches) if batches else sampler


def class_numbers(option: str, text: str, opened: OpenedRun) -> tuple[int, ...]:
    """Numbers of the classes that a user names.

    Args:
        option: Option that was used.
        text: Names or numbers of classes, separated by commas.
        opened: The run.

    Raises:
        UsageError: The run's generator does not take a class, or there is no such class.
    """
    if not opened.sampler.labelled:
        raise UsageError(
            f"{option} {text}: the generator of {opened.folder.path} ({opened.setup.name}) does not take a class; "
            "those of cgan, ac-gan, sngan-projection, sagan and biggan do"
        )
    return tuple(_class_number(option, word.strip(), opened.setup.data.classes) for word in text.split(","))


def _class_number(option: str, word: str, names: Sequence[str]) -> int:
    if word in names:
        return names.index(word)
    if word.isdecimal() and int(word) < len(names):
        return int(word)
    by_lower_case = {name.casefold(): name for name in names}
    if word.casefold() in by_lower_case:
        return names.index(by_lower_case[word.casefold()])
    listed = ", ".join(f"{i} {name}" if name != str(i) else name for i, name in enumerate(names[:LISTED]))
    more = f", ... {len(names) - 1} {names[-1]}" if len(names) > LISTED else ""
    raise UsageError(f"{option}: there is no class {word!r}.{nearest(word, names)} Classes: {listed}{more}")


def parse_numbers(option: str, text: str) -> tuple[int, ...]:
    """Read numbers of samples, from 0, separated by commas.

    Raises:
        UsageError: The text is something else.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise UsageError(f"{option} {text!r}: must be numbers of samples separated by commas, such as 3,17,20")
    return tuple(int(word) for word in words)


def default_path(opened: OpenedRun, options: RunOptions, *words: str) -> Path:
    """Path of a picture in the run's folder, named after what it shows."""
    first, *others = words
    when = ["best"] if options.best else [] if options.step is None else [f"step{options.step}"]
    name = "-".join([first, *when, *others, f"seed{opened.sampler.seed}"])
    return opened.folder.path / f"{name}.png"


@contextmanager
def open_output(path: Path, option: str = "--out") -> Iterator[Path]:
    """Give a path to write a file to, as :func:`zerosum.files.atomic` does, and make its folder.

    Args:
        path: Path of the file.
        option: Option by which it can be changed.

    Raises:
        UsageError: The file cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise UsageError(f"{option} {path}: this is a folder; give the name of a file")
        with atomic(path) as partial:
            yield partial
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror or error})") from error


def draw_grid(
    rows: Sequence[Sequence[Tensor | None]],
    path: Path,
    *,
    title: str,
    note: str,
    columns: Sequence[tuple[str, int]] = (),
    labels: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
) -> None:
    """Write images (C, H, W) in [-1, 1] as one PNG, row by row, with white where there is none.

    Args:
        rows: Images.
        path: Path of the file.
        title: What the picture shows.
        note: More about it.
        columns: Words over columns, each with the number of columns that it stands over.
        labels: Words beside rows.
        captions: Words below images, row by row.
    """
    from zerosum.runs.grid import Band, draw
    from zerosum.runs.pictures import joined, note_on, to_shown

    shown = [[None if image is None else to_shown(image[None])[0] for image in row] for row in rows]
    channels = next(len(image) for row in rows for image in row if image is not None)
    draw([Band(shown, "", columns, labels, captions)], path, title, joined(note, note_on(channels)))


def tell(what: str, path: Path) -> None:
    """Print what a picture shows, in one line, and its path in the next."""
    print(" ".join(printable(what).split()))
    print(path)


def warn_of_other_data(opened: OpenedRun) -> None:
    """Print a note if a run's data have changed since it was trained."""
    if opened.setup.data.fingerprint != opened.folder.record()["data"]["fingerprint"]:
        name, path = opened.setup.data.name, opened.folder.path
        print(f"note: {name} has changed since {path} was trained on it", file=sys.stderr)


def plane(opened: OpenedRun, path: Path, title: str, note: str) -> AbstractContextManager[Any]:
    """Axes to draw on, which show the run's real points; see :func:`zerosum.runs.pictures.plane`."""
    from zerosum.runs import pictures

    return pictures.plane(real_points(opened), path, f"{title}\n{note}")


def real_points(opened: OpenedRun) -> Tensor | None:
    """Real points to draw in the background, (n, 2); ``None`` where they were given in Python and are gone."""
    if is_given(opened.setup.data):
        return None
    real, _ = opened.setup.data.batch(0, SHOWN_REAL, seed=opened.setup.settings.seed + 1)
    return real


def title_of(opened: OpenedRun) -> str:
    """Title of pictures of a run."""
    return f"{opened.setup.name} on {opened.setup.data.name}, step {opened.step:,}"


def origin_of(opened: OpenedRun, options: RunOptions) -> str:
    """Where samples come from: the run, its step and seed, and what options change about them."""
    parts = [title_of(opened) + " (the best checkpoint)" * options.best, f"seed {opened.sampler.seed}"]
    if isinstance(options, SamplingOptions):
        if options.classes is not None:
            words = [word.strip() for word in options.classes.split(",")]
            more = [f"{len(words) - MARKED} more"] if len(words) > MARKED else []
            parts.append(f"{'class' if len(words) == 1 else 'classes'} {', '.join([*words[:MARKED], *more])}")
        if options.truncation is not None:
            parts.append(f"truncation {options.truncation:g}")
        if options.standing:
            parts.append(f"batch-norm statistics of {options.standing} batches")
    return ", ".join(parts)


def names_of_classes(opened: OpenedRun, numbers: Iterable[Any]) -> list[str]:
    """Names of classes, by their numbers, as they are written on pictures."""
    from zerosum.runs.pictures import names_of

    return names_of(opened.setup.data.classes, numbers)


def check_at_least(option: str, value: int, least: int) -> None:
    """Refuse a number below ``least``.

    Raises:
        UsageError: The number is below ``least``.
    """
    if value < least:
        raise UsageError(f"{option} must be at least {least}, got {value}")


def png_path(path: str) -> Path:
    """The path of a picture to write.

    Raises:
        UsageError: Its name does not end in ``.png``.
    """
    if Path(path).suffix.lower() != ".png":
        raise UsageError(f"--out {path}: pictures are written as PNG; call it {Path(path).with_suffix('.png')}")
    return Path(path)
