"""What can be scored: a run's generator, or images from anywhere, each with the real samples to hold it against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.core.random import generator
from zerosum.data import Data, load
from zerosum.data.arrays import note_shape
from zerosum.data.ask import expand
from zerosum.data.points import Points
from zerosum.data.sources import is_source
from zerosum.errors import UsageError, nearest
from zerosum.files import printable
from zerosum.folder import RunFolder
from zerosum.metrics.images import PointSet, SampleSet, points_of_generator
from zerosum.metrics.options import Given, check_batch_size, parse_options, with_options
from zerosum.metrics.reference import check_measures, statistics_path
from zerosum.metrics.sampling import BATCH
from zerosum.metrics.score import Plain
from zerosum.runs import scoring
from zerosum.runs.native import FileReading
from zerosum.runs.opening import open_checkpoint
from zerosum.runs.reading import (
    are_files,
    asked_of,
    facts_of_files,
    has_own_size,
    in_colour,
    load_as_for_training,
    load_unchanged,
    match_colours,
)
from zerosum.runs.real_side import choose_real, open_statistics, some_images
from zerosum.runs.sampler import Sampler

Note = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be scored, and how; see :func:`zerosum.evaluate`."""

    target: Any
    against: Any = None
    metrics: tuple[str, ...] | None = None
    features: Any = "auto"
    count: int | None = None
    held_out: Any = None
    labels: Any = None
    reference_count: int | None = None
    size: int | None = None
    crop: bool = False
    background: str | None = None
    truncation: float | None = None
    standing: int = 0
    best: bool = False
    step: int | None = None
    memory_mib: float = 512.0
    device: str = "auto"
    options: Any = None
    batch_size: int = BATCH

    def __post_init__(self) -> None:
        for name in ("count", "reference_count"):
            count = getattr(self, name)
            whole = isinstance(count, int) and not isinstance(count, bool)
            if count is not None and (not whole or count < 2):
                raise UsageError(f"{name} must be a whole number of at least 2, got {count}", argument=name)
        if not isinstance(self.standing, int) or self.standing < 0:
            raise UsageError(f"standing must be at least 0, got {self.standing}", argument="standing")
        if self.truncation is not None and not self.truncation > 0:
            raise UsageError(f"truncation must be above 0, got {self.truncation}", argument="truncation")
        check_batch_size(self.batch_size)
        against_statistics = statistics_path(self.against) is not None
        if against_statistics and self.metrics is None:
            object.__setattr__(self, "metrics", ("fid",))
        if self.metrics is not None:
            chosen = scoring.choose_measures(self.metrics).values()
            if against_statistics:
                check_measures(chosen)
            with_options(chosen, self.given_options)
        _ = self.reading, self.given_options

    @cached_property
    def given_options(self) -> Given:
        """Values of the options of measures."""
        return parse_options(self.options)

    @cached_property
    def reading(self) -> FileReading:
        """What is done to images of files."""
        return FileReading(self.size, self.crop, self.background)


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """Something to score.

    Attributes:
        name: Name for people.
        data: The real data.
        real: The real samples.
        fakes: Function of (number of samples, seed) that gives samples.
        facts: What the scores depend on besides, for their protocols.
        seed: Seed of the samples where nobody names one.
        count: Number of samples. ``None``: each measure's own.
        held: Number of samples that there are, where they are not generated.
        folder: Folder of the run; ``None`` for images.
        step: Iterations after which the run's generator was saved.
        held_out: Real images that were not trained on, or what names them; ``None`` where there are none.
    """

    name: str
    data: Data
    real: SampleSet
    fakes: Callable[[int, int], SampleSet]
    facts: Mapping[str, Plain] = field(default_factory=dict)
    seed: int = 0
    count: int | None = None
    held: int | None = None
    folder: RunFolder | None = None
    step: int = 0
    held_out: Any = None


def open_target(question: Question, note: Note, *, progress: bool = False) -> Target:
    """Find what is to be scored, and load it.

    Args:
        question: What was asked.
        note: Function that tells people something.
        progress: Whether to show a progress bar while images are decoded.

    Raises:
        UsageError: There is nothing of that name, or something was asked for that does not apply to it.
        DataError: Images cannot be loaded.
        CheckpointError: The run has no readable checkpoint.
    """
    folder = find_run(question.target)
    if folder is not None:
        return _open_run(question, folder, note, progress)
    _refuse_generators(question.target)
    for name, default in {"truncation": None, "step": None, "standing": 0, "best": False}.items():
        if getattr(question, name) != default:
            raise UsageError(
                f"{name}={getattr(question, name)}: is for runs, and {_name_of(question.target)} has images already",
                argument=name,
            )
    if question.against is None:
        raise UsageError(
            f"{_name_of(question.target)} contains images: name the real ones with against=SOURCE", argument="against"
        )
    return _open_images(question, note, progress)


def find_run(target: Any) -> RunFolder | None:
    """The folder of the run that is meant; ``None`` where images are.

    Raises:
        UsageError: There is nothing of that name.
    """
    named = isinstance(target, str | PathLike)
    place = target if named else getattr(target, "path", None)
    if not isinstance(place, str | PathLike):
        return None
    folder = RunFolder(expand(str(place)))
    if folder.record_file.exists():
        return folder
    if statistics_path(target) is not None:
        raise UsageError(f"{target}: statistics are what images are scored against: name images, or a run")
    if named and not is_source(str(target)) and not folder.path.exists():
        near = {str(file.parent) for at in (folder.path.parent, Path("runs")) for file in at.glob("*/run.json")}
        raise UsageError(
            f"{printable(str(target))}: there is no run, no path and no source of this name."
            f"{nearest(str(target), near, cutoff=0.6)}"
        )
    return None


def _refuse_generators(target: Any) -> None:
    if isinstance(target, nn.Module | Sampler):
        raise UsageError(
            f"{type(target).__name__}: a generator alone is not scored; evaluate the run, or samples: "
            "evaluate(samples, against=...)"
        )


def _name_of(target: Any) -> str:
    """A name for messages."""
    if isinstance(target, str | PathLike):
        return printable(str(target))
    return str(getattr(target, "name", None) or f"the {type(target).__name__}")


def _open_run(question: Question, folder: RunFolder, note: Note, progress: bool) -> Target:
    if question.labels is not None:
        raise UsageError(f"labels: go with images, and {folder.path} is a run", argument="labels")
    _refuse_reading(question, folder)
    own = question.target  # a `Run` knows which checkpoint it means, and what was given in Python
    how = dict(getattr(own, "_how", {}))
    if question.best or question.step is not None:
        how |= {"best": question.best, "step": question.step}
    how["device"] = question.device
    own_data, statistics = question.against is None, statistics_path(question.against)
    known: dict[str, Any] = {
        "recipe": getattr(own, "_recipe", None),
        "data": getattr(own, "_data", None) if own_data else None,
    }
    opened = open_checkpoint(folder.path, real=own_data, **how, **known)
    setup, sampler = opened.setup, opened.sampler
    shape = tuple(setup.data.shape)
    if own_data:
        data = setup.data
        if data.fingerprint != folder.record()["data"]["fingerprint"]:
            note(f"{data.name} has changed since {folder.path} was trained on it")
    elif statistics is not None:
        data = setup.data
    else:
        data = load_as_for_training(question.against, shape, question.background, progress=progress)
        tell_of(data, note)

    @cache
    def adapted(seed: int) -> tuple[Sampler, dict[str, Plain]]:
        return scoring.adapt_sampler(sampler.with_seed(seed), question.truncation, question.standing)

    def fakes(count: int, seed: int) -> SampleSet:
        return scoring.generated_samples(adapted(seed)[0], setup, opened.step, count, adapted(seed)[1])

    seed = setup.settings.seed + 1
    return Target(
        name=str(folder.path),
        data=data,
        real=choose_real(data, question)
        if statistics is None
        else open_statistics(statistics, question, data, {}, note)[1],
        fakes=fakes,
        facts={**scoring.facts(setup), **adapted(seed)[1], "sample_path": str(folder.path.resolve())},
        seed=seed,
        count=question.count,
        folder=folder,
        step=opened.step,
        held_out=_held_out_of_run(question, shape, note, progress),
    )


def _refuse_reading(question: Question, folder: RunFolder) -> None:
    """Refuse what would be ignored of how images are read: a run's own data are, and stay, as they were trained on."""
    for name, given in {"size": question.size, "crop": question.crop or None}.items():
        if given is not None:
            raise UsageError(
                f"{name}={given}: is for images, and those of the run {folder.path} have one size, to which real ones "
                "are brought as for training",
                argument=name,
            )
    if question.background is not None and not (are_files(question.against) or are_files(question.held_out)):
        raise UsageError(
            f"background={question.background}: is for real images of files, and none are named", argument="background"
        )


def _open_images(question: Question, note: Note, progress: bool) -> Target:
    statistics = statistics_path(question.against)
    source = question.against if statistics is None else question.target  # of statistics there are no images
    labels = None if statistics is None else question.labels
    real = load_unchanged(source, question.reading, labels=labels, progress=progress)
    if real.is_points:
        points = _given_points(question, progress)
        if statistics is not None:
            raise UsageError(
                f"against={question.against}: is of images, and {points.name} has points", argument="against"
            )
        known = choose_real(real, question)
        return Target(name=points.name, data=real, real=known, fakes=lambda count, seed: points, count=points.count)
    if question.background is not None and not (are_files(question.target) or are_files(source)):
        raise UsageError(f"background={question.background}: is for images of files", argument="background")
    data = real
    if statistics is None:
        data = load_unchanged(question.target, question.reading, labels=question.labels, progress=progress)
    for one in (data, real) if data is not real else (data,):
        tell_of(one, note)
    data, real = match_colours(data, real, note)
    if statistics is None:
        known = choose_real(real, question)
    else:
        data, known = open_statistics(statistics, question, data, asked_of(question.target, question.reading), note)
        real = data
    samples = some_images(data, question.count, "count", "files")

    def fakes(count: int, seed: int) -> SampleSet:
        if count == samples.count:
            return samples
        note(f"{count:,} of the {samples.count:,} images are taken where a measure compares with half of the real ones")
        return scoring.images_of(data, count, kind="files")

    return Target(
        name=samples.name,
        data=real,
        real=known,
        fakes=fakes,
        facts=facts_of_files(question.reading, samples.path),
        count=question.count,
        held=samples.count,
        held_out=_held_out(question, tuple(real.shape), note, progress),
    )


def tell_of(data: Data, note: Note) -> None:
    """Tell people what was odd about data, but for advice for training."""
    wide = note_shape(*data.shape[1:]) if len(data.shape) == 3 else ""  # advice for training
    for told in data.notes:
        if told != wide:
            note(f"{data.name}: {told}")


def _held_out(question: Question, shape: tuple[int, ...], note: Note, progress: bool) -> Any:
    """Held-out images of files and arrays, read as the others are; sets with a name are left to who loads them."""
    given = question.held_out
    if given is None or not has_own_size(given):
        return given
    data = load_unchanged(given, question.reading, split="test", progress=progress)
    tell_of(data, note)
    return in_colour(data) if shape[0] == 3 and len(data.shape) == 3 and data.shape[0] == 1 else data


def _held_out_of_run(question: Question, shape: tuple[int, ...], note: Note, progress: bool) -> Any:
    """Held-out images for a run, brought to its size and channels."""
    given = question.held_out
    if given is None or not isinstance(given, str | PathLike) or not has_own_size(given):
        return given
    data = load_as_for_training(given, shape, question.background, split="test", progress=progress)
    tell_of(data, note)
    return data


def _given_points(question: Question, progress: bool) -> PointSet:
    """Points to score: those of an array as they are, or drawn from a source."""
    data = load(question.target, progress=progress)  # checks them
    if not isinstance(data, Points):
        raise UsageError(
            f"against={_name_of(question.against)}: has points, and {_name_of(question.target)} has images",
            argument="against",
        )
    if hasattr(question.target, "__array__") or isinstance(question.target, Tensor):
        given = torch.as_tensor(question.target).detach().cpu().float()
        count = len(given) if question.count is None else question.count
        if count > len(given):
            raise UsageError(f"count={count}: {data.name} has {len(given):,} points, fewer than that", argument="count")
        return PointSet(data.name, "files", data.fingerprint, count, lambda start, n: given[start : start + n])
    count = 2_500 if question.count is None else question.count
    drawn = data.draw(count, generator(0, "evaluate"))
    return points_of_generator(
        lambda start, n: drawn[start : start + n], count, name=data.name, fingerprint=data.fingerprint
    )
