"""``zerosum interpolate RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from zerosum.cli.common import OfSamples, Opened, at_least, beside, plane, png_only, sampling, writing
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Options(OfSamples):
    """Walk between latents of a run: each row goes from one to another. On points, each walk is a line.

    Between classes, each row keeps one latent and goes from one class to the next; this needs a conditional run.

    Attributes:
        between: what a row goes between: two latents, two classes, or both at once.
        rows: number of walks.
        steps: samples on each, both ends included.
        kind: slerp goes along the sphere and keeps the length of latents; lerp goes straight.
        classes: names or numbers of classes with commas between, each walked to the next, or (between latents) kept
            by one row each; both in turn. None: all of the data's, or (between latents) that of a row's first sample.
    """

    between: Literal["latents", "classes", "both"] = "latents"
    rows: int = 8
    steps: int = 8
    kind: Literal["slerp", "lerp"] = "slerp"
    classes: str | None = None


def run(argv: list[str]) -> int:
    """Interpolate."""
    options = tyro.cli(Options, args=argv, prog="zerosum interpolate")
    at_least("--rows", options.rows, 1)
    at_least("--steps", options.steps, 2)
    out = png_only(options.out) if options.out else None
    found = sampling(options)
    path = out or beside(found, options, "interpolation", *_named(options), *options.marks)
    walks = walk(found, options, found.sampler.seed)
    with writing(path) as file:
        draw(found, walks, file)
    print(path)
    return 0


def _named(options: Options) -> tuple[str, ...]:
    """What the file's name says of a walk."""
    return {"latents": (options.kind,), "classes": ("classes",), "both": ("both", options.kind)}[options.between]


def walk(found: Opened, options: Options, seed: int) -> Tensor:
    """Samples along the walks, (rows, steps, *shape)."""
    import torch

    from zerosum.latent.interpolate import lerp, slerp

    sampler, rows, steps = found.sampler.with_seed(seed), options.rows, options.steps
    z, *conditions = sampler.latents(0, rows if options.between == "classes" else 2 * rows)
    t = torch.linspace(0, 1, steps, device=z.device)[:, None]
    if options.between == "classes":
        latents = [z.repeat_interleave(steps, 0)]
    else:
        between = {"lerp": lerp, "slerp": slerp}[options.kind]
        latents = [between(z[0::2, None], z[1::2, None], t).flatten(0, 1)]
    if options.between == "latents":
        kept = [sampler.latents(0, rows)[1]] if sampler.asked else [part[0::2] for part in conditions]
        latents += [part.repeat_interleave(steps, 0) for part in kept]  # a walk keeps the class that it begins with
    else:
        codes = torch.eye(len(found.setup.data.classes), device=z.device)
        first, last = (codes[torch.tensor(end, device=z.device)] for end in zip(*_pairs(found, rows), strict=True))
        latents.append(lerp(first[:, None], last[:, None], t).flatten(0, 1))
    samples = sampler.generate(*latents)
    return samples.reshape(rows, steps, *samples.shape[1:])


def _pairs(found: Opened, rows: int) -> list[tuple[int, int]]:
    """The classes between which each row goes: consecutive ones, from the start again when they end."""
    if not found.sampler.labelled:
        raise UsageError(
            f"--between: the generator of {found.folder.path} ({found.setup.name}) is not told a class, so there is "
            "no way between classes; walk --between latents"
        )
    pairs = list(pairwise(found.sampler.asked or range(len(found.setup.data.classes))))
    if not pairs:
        raise UsageError("--classes: a way between classes needs two of them at least, such as --classes 0,1")
    return [pairs[row % len(pairs)] for row in range(rows)]


def draw(found: Opened, walks: Tensor, path: Path) -> None:
    """Draw walks: images as rows of a sheet, points as lines over the real ones."""
    from zerosum.runs.pictures import sheet

    if not found.setup.data.is_points:
        return sheet(walks.flatten(0, 1), path, columns=walks.shape[1])
    with plane(found, path) as axes:
        for line in walks:
            axes.plot(*line.T.tolist(), marker="o", markersize=3, linewidth=1)
    return None
