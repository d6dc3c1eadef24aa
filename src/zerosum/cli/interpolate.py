"""``zerosum interpolate RUN``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import tyro

from zerosum.cli import common
from zerosum.cli.common import OpenedRun, SamplingOptions
from zerosum.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.latent.interpolate import Way

VERB = ("walk between latents or classes of a run", 60)  # what it does, and its place in the list

NAMED = 10  # walks of points that the legend names: colours repeat after them


@dataclass(frozen=True)
class InterpolateOptions(SamplingOptions):
    """Walk between latents of a run: each row goes from one latent to another. For points, each walk is a line.

    Between classes, each row keeps its latent and goes from one class to the next; this needs a conditional run.

    Attributes:
        between: What each row goes between: two latents, two classes, or both at once.
        rows: Number of walks.
        steps: Samples on each walk, including both ends.
        kind: Path between latents: slerp follows a sphere and keeps their length; lerp is straight. auto: slerp for
            normal latents, lerp for uniform ones, which slerp would leave.
        classes: Names or numbers of classes, separated by commas. Between classes, rows go from each to the next, in
            turn; between latents, each row keeps one of them, in turn. None: all classes, or (between latents) the
            class of a row's first sample.
    """

    between: Literal["latents", "classes", "both"] = "latents"
    rows: int = 8
    steps: int = 8
    kind: Literal["auto", "slerp", "lerp"] = "auto"
    classes: str | None = None


def run(argv: list[str]) -> int:
    """Interpolate between samples."""
    options = tyro.cli(InterpolateOptions, args=argv, prog="zerosum interpolate")
    common.check_at_least("--rows", options.rows, 1)
    common.check_at_least("--steps", options.steps, 2)
    out = common.png_path(options.out) if options.out else None
    opened = common.open_sampler(options)
    options = replace(options, kind=way_of(opened, options).name)
    path = out or common.default_path(opened, options, "interpolation", *_marks_of(options), *options.marks)
    walks = walk(opened, options, opened.sampler.seed)
    words = words_of(opened, options)
    with common.open_output(path) as file:
        draw(opened, walks, words, file)
    common.tell(f"{words.title}: {words.note}", path)
    return 0


def way_of(opened: OpenedRun, options: InterpolateOptions) -> Way:
    """The way between latents that is asked for, or else the one that suits the run's prior."""
    from zerosum.latent.interpolate import WAYS

    return opened.sampler.way if options.kind == "auto" else WAYS[options.kind]


class WalkWords(NamedTuple):
    """What a picture of walks says.

    Attributes:
        title: What the walks are.
        note: Where the samples come from.
        columns: How far each column is.
        labels: Name of each walk.
        ends: What is at the beginning and at the end of each walk.
    """

    title: str
    note: str
    columns: Sequence[str]
    labels: Sequence[str]
    ends: Sequence[tuple[str, str]] = ()


def _marks_of(options: InterpolateOptions) -> tuple[str, ...]:
    """What the name of a file says about the walks."""
    return {"latents": (options.kind,), "classes": ("classes",), "both": ("both", options.kind)}[options.between]


def walk(opened: OpenedRun, options: InterpolateOptions, seed: int) -> Tensor:
    """Samples along the walks, (rows, steps, *shape)."""
    import torch

    from zerosum.latent.interpolate import lerp

    sampler, rows, steps = opened.sampler.with_seed(seed), options.rows, options.steps
    z, *conditions = sampler.latents(0, rows if options.between == "classes" else 2 * rows)
    t = torch.linspace(0, 1, steps, device=z.device)[:, None]
    if options.between == "classes":
        latents = [z.repeat_interleave(steps, 0)]
    else:
        latents = [way_of(opened, options).between(z[0::2, None], z[1::2, None], t).flatten(0, 1)]
    if options.between == "latents":
        latents += [part.repeat_interleave(steps, 0) for part in _kept(opened, conditions, rows)]
    else:
        codes = torch.eye(len(opened.setup.data.classes), device=z.device)
        first, last = (codes[torch.tensor(end, device=z.device)] for end in zip(*_pairs(opened, rows), strict=True))
        latents.append(lerp(first[:, None], last[:, None], t).flatten(0, 1))
    samples = sampler.generate(*latents)
    return samples.reshape(rows, steps, *samples.shape[1:])


def _kept(opened: OpenedRun, conditions: Sequence[Tensor], rows: int) -> list[Tensor]:
    """What stays the same on each walk between latents: the class with which it begins, or one of those in turn."""
    return [opened.sampler.latents(0, rows)[1]] if opened.sampler.classes else [part[0::2] for part in conditions]


def _pairs(opened: OpenedRun, rows: int) -> list[tuple[int, int]]:
    """The classes between which each row goes: consecutive ones, starting over after the last."""
    if not opened.sampler.labelled:
        raise UsageError(
            f"--between: the generator of {opened.folder.path} ({opened.setup.name}) does not take a class, so there "
            "is no walk between classes; use --between latents"
        )
    pairs = list(pairwise(opened.sampler.classes or range(len(opened.setup.data.classes))))
    if not pairs:
        raise UsageError("--classes: a walk between classes needs at least two of them, such as --classes 0,1")
    return [pairs[row % len(pairs)] for row in range(rows)]


def words_of(opened: OpenedRun, options: InterpolateOptions) -> WalkWords:
    """What the picture of the walks says: numbers are those of samples."""
    rows, columns = options.rows, [f"{100 * step / (options.steps - 1):.0f}%" for step in range(options.steps)]
    way = {"slerp": "on a sphere (slerp)", "lerp": "on a straight line (lerp)"}[way_of(opened, options).name]
    note = common.origin_of(opened, options)
    samples = [(f"sample {2 * row}", f"sample {2 * row + 1}") for row in range(rows)]
    if options.between == "latents":
        labels = [" to ".join(pair) for pair in samples]
        if opened.sampler.labelled:
            _, *conditions = opened.sampler.latents(0, 2 * rows)
            labels = common.names_of_classes(opened, _kept(opened, conditions, rows)[0])
        return WalkWords(f"walks between the latents of two samples, {way}", note, columns, labels, samples)
    pairs = [tuple(common.names_of_classes(opened, pair)) for pair in _pairs(opened, rows)]
    if options.between == "classes":
        labels = [f"sample {row}" for row in range(rows)]
        ends = [(first, last) for first, last in pairs]
        return WalkWords("walks from class to class, with the latent of one sample each", note, columns, labels, ends)
    ends = [(f"{a}, {b}", f"{c}, {d}") for (a, c), (b, d) in zip(samples, pairs, strict=True)]
    labels = [f"{first} to {last}" for first, last in pairs]
    return WalkWords(f"walks between latents {way} and from class to class", note, columns, labels, ends)


def draw(opened: OpenedRun, walks: Tensor, words: WalkWords, path: Path) -> None:
    """Draw walks, (rows, steps, *shape): images as rows of a sheet, points as lines over the real ones."""
    if not opened.setup.data.is_points:
        between = [""] * (len(words.columns) - 2)
        common.draw_grid(
            [list(line) for line in walks],
            path,
            title=words.title,
            note=words.note,
            columns=[(text, 1) for text in words.columns],
            labels=words.labels,
            captions=[[first, *between, last] for first, last in words.ends],
        )
        return
    with common.plane(opened, path, words.title, words.note) as axes:
        for number, (line, label) in enumerate(zip(walks, words.labels, strict=True)):
            shown = label if number < NAMED else None
            axes.plot(*line.T.tolist(), marker="o", markersize=3, linewidth=1, label=shown)
