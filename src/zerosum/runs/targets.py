"""What can be scored: a run's generator, or images from anywhere, each with the real samples to hold it against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.core.random import generator
from zerosum.data import Data, load
from zerosum.data.ask import expand
from zerosum.data.points import Points
from zerosum.data.sources import is_source, resolve
from zerosum.errors import UsageError, nearest
from zerosum.files import printable
from zerosum.folder import RunFolder
from zerosum.metrics.images import PointSet, SampleSet, points_of_generator
from zerosum.metrics.score import Plain
from zerosum.runs import scoring
from zerosum.runs.native import native_side
from zerosum.runs.opening import open_checkpoint
from zerosum.runs.sampler import Sampler

Note = Callable[[str], None]
RESIZED = ("folder", "zip", "hf")  # kinds of sources whose images are brought to a size


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
    size: int | None = None
    truncation: float | None = None
    standing: int = 0
    best: bool = False
    step: int | None = None
    memory_mib: float = 512.0
    device: str = "auto"

    def __post_init__(self) -> None:
        whole = isinstance(self.count, int) and not isinstance(self.count, bool)
        if self.count is not None and (not whole or self.count < 2):
            raise UsageError(f"count must be a whole number of at least 2, got {self.count}", argument="count")
        if not isinstance(self.standing, int) or self.standing < 0:
            raise UsageError(f"standing must be at least 0, got {self.standing}", argument="standing")
        if self.truncation is not None and not self.truncation > 0:
            raise UsageError(f"truncation must be above 0, got {self.truncation}", argument="truncation")
        if self.metrics is not None:
            scoring.choose_measures(self.metrics)


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
    folder = _find_run(question.target)
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


def _find_run(target: Any) -> RunFolder | None:
    """The folder of the run that is meant; ``None`` where images are."""
    named = isinstance(target, str | PathLike)
    place = target if named else getattr(target, "path", None)
    if not isinstance(place, str | PathLike):
        return None
    folder = RunFolder(expand(str(place)))
    if folder.record_file.exists():
        return folder
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
    own = question.target  # a `Run` knows which checkpoint it means, and what was given in Python
    how = dict(getattr(own, "_how", {}))
    if question.best or question.step is not None:
        how |= {"best": question.best, "step": question.step}
    how["device"] = question.device
    own_data = question.against is None
    known: dict[str, Any] = {
        "recipe": getattr(own, "_recipe", None),
        "data": getattr(own, "_data", None) if own_data else None,
    }
    opened = open_checkpoint(folder.path, real=own_data, **how, **known)
    setup, sampler = opened.setup, opened.sampler
    if own_data:
        data = setup.data
        if data.fingerprint != folder.record()["data"]["fingerprint"]:
            note(f"{data.name} has changed since {folder.path} was trained on it")
    else:
        data = scoring.load_like(question.against, tuple(setup.data.shape), progress=progress)

    @cache
    def adapted(seed: int) -> tuple[Sampler, dict[str, Plain]]:
        return scoring.adapt_sampler(sampler.with_seed(seed), question.truncation, question.standing)

    def fakes(count: int, seed: int) -> SampleSet:
        return scoring.generated_samples(adapted(seed)[0], setup, opened.step, count, adapted(seed)[1])

    seed = setup.settings.seed + 1
    return Target(
        name=str(folder.path),
        data=data,
        real=scoring.real_samples(data),
        fakes=fakes,
        facts=scoring.facts(setup) | adapted(seed)[1],
        seed=seed,
        count=question.count,
        folder=folder,
        step=opened.step,
    )


def _open_images(question: Question, note: Note, progress: bool) -> Target:
    real = _load_reference(question, note, progress)
    if real.is_points:
        points = _given_points(question, progress)
        known = scoring.real_samples(real)
        return Target(name=points.name, data=real, real=known, fakes=lambda count, seed: points, count=points.count)
    shape = tuple(real.shape)
    data = scoring.load_like(question.target, shape, labels=question.labels, progress=progress)
    for told in data.notes:
        note(told)
    samples = scoring.images_of(data, question.count, kind="files")

    def fakes(count: int, seed: int) -> SampleSet:
        if count == samples.count:
            return samples
        note(f"{count:,} of the {samples.count:,} images are taken where a measure compares with half of the real ones")
        return scoring.images_of(data, count, kind="files")

    real_images, count = scoring.real_samples(real), question.count
    return Target(name=samples.name, data=real, real=real_images, fakes=fakes, count=count, held=samples.count)


def _load_reference(question: Question, note: Note, progress: bool) -> Data:
    """The real images, in the size of those to score where they are brought to a size at all."""
    against, size = question.against, question.size
    resized = _path_resized(against)
    if size is None and resized is not None:
        size = _side_of(question)
        if size is None:
            note("the images to score have several sizes: all are brought to 64x64; to choose another size, say size=")
        elif native_side(resized) != size:
            note(f"{_name_of(against)}: brought to {size}x{size}, the size of the images to score")
    data = load(against, size=size, progress=progress) if size is not None else load(against, progress=progress)
    for told in data.notes:
        note(told)
    return data


def _path_resized(source: Any) -> Path | None:
    """The path of a source whose images are brought to a size; ``None`` for others, which have one."""
    if not isinstance(source, str | PathLike):
        return None
    kind, _, where = resolve(source)[0].partition(":")
    return expand(where) if kind in RESIZED else None


def _side_of(question: Question) -> int | None:
    """Side of the images to score, if they are squares of one size."""
    path = _path_resized(question.target)
    if path is not None:
        return native_side(path)
    shape = tuple(load(question.target, labels=question.labels, progress=False).shape)
    return shape[1] if len(shape) == 3 and shape[1] == shape[2] else None


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
