"""``zerosum arithmetic RUN``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import tyro

from zerosum.cli.common import OfSamples, Opened, beside, numbers, page, plane, png_only, sampling, writing
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from torch import Tensor

AROUND = 8  # samples with noise around the result
COLOURS = {"plus": "#15803d", "minus": "#b91c1c", "to": "#1d4ed8"}  # of points


@dataclass(frozen=True)
class Options(OfSamples):
    """Add and subtract what samples show: "smiling woman" - "neutral woman" + "neutral man" (Radford et al. 2016).

    Name samples by their numbers on the sheet of `zerosum sample RUN` with the same seed and options: from 0, row by
    row. The mean of three latents for each works better than single ones. The picture has a column for each of plus,
    minus and to, their mean at the bottom; beside it the result, in the middle of eight with noise.

    Attributes:
        plus: samples that show what is wanted, such as 3,17,20: smiling women.
        minus: samples like them that lack it: neutral women.
        to: samples that it is to be added to: neutral men. The result is of their class.
        noise: each component of the latents around the result is off by up to this.
    """

    plus: str = field(kw_only=True)
    minus: str = field(kw_only=True)
    to: str = field(kw_only=True)
    noise: float = 0.25


class Result(NamedTuple):
    """What is drawn: the samples of each source, the mean of each, and the result with others around it.

    Attributes:
        sources: by name, (n, *shape).
        means: by name, (*shape).
        made: (9, *shape), the result itself in the middle.
    """

    sources: dict[str, Tensor]
    means: dict[str, Tensor]
    made: Tensor


def run(argv: list[str]) -> int:
    """Add and subtract."""
    options = tyro.cli(Options, args=argv, prog="zerosum arithmetic")
    chosen = {name: numbers(f"--{name}", getattr(options, name)) for name in COLOURS}
    if not options.noise >= 0:
        raise UsageError(f"--noise must be 0 or more, got {options.noise:g}")
    out = png_only(options.out) if options.out else None
    found = sampling(options)
    result = compute(found, chosen, options.noise)
    with writing(path := out or beside(found, options, "arithmetic", *options.marks)) as file:
        (points if found.setup.data.is_points else images)(found, result, file)
    print(path)
    return 0


def compute(found: Opened, chosen: dict[str, tuple[int, ...]], noise: float) -> Result:
    """The samples, their means, and the result."""
    import torch

    from zerosum.core.random import generator
    from zerosum.latent.arithmetic import around, combine

    sampler = found.sampler
    latents = {name: sampler.latents_of(which) for name, which in chosen.items()}
    codes = {name: z for name, (z, *_) in latents.items()}
    code = combine(**codes)
    near = around(code, AROUND, generator(sampler.seed, "around", device=code.device), noise)
    made = torch.cat([near[: AROUND // 2], code[None], near[AROUND // 2 :]])
    means = {
        name: sampler.generate(z.mean(0, keepdim=True), *_shared(found, latents[name], 1))[0]
        for name, z in codes.items()
    }
    sources = {name: sampler.generate(*parts) for name, parts in latents.items()}
    return Result(sources, means, sampler.generate(made, *_shared(found, latents["to"], len(made))))


def _shared(found: Opened, latents: tuple[Tensor, ...], n: int) -> tuple[Tensor, ...]:
    """What is told beside the mean of some latents, ``n`` times: the mean of their classes, or what the first has."""
    from zerosum.core.labels import weights

    _, *conditions = latents
    if found.sampler.labelled:
        conditions = [weights(conditions[0], len(found.setup.data.classes)).mean(0, keepdim=True)]
    return tuple(part[:1].expand(n, *part.shape[1:]) for part in conditions)


def images(found: Opened, result: Result, path: Path) -> None:
    """A column for each source, its mean at the bottom; beside them, the result."""
    height = max(3, 1 + max(map(len, result.sources.values())))
    rows: list[list[Tensor | None]] = [[None] * 7 for _ in range(height)]
    for column, (name, samples) in enumerate(result.sources.items()):
        for row, sample in enumerate(samples):
            rows[row][column] = sample
        rows[-1][column] = result.means[name]
    for i, image in enumerate(result.made):
        rows[height - 3 + i // 3][4 + i % 3] = image
    page(rows, path)


def points(found: Opened, result: Result, path: Path) -> None:
    """Sources as dots in three colours with their means as crosses, the result as a star."""
    with plane(found, path) as axes:
        for name, colour in COLOURS.items():
            axes.scatter(*result.sources[name].T.tolist(), s=16, c=colour, label=name)
            axes.scatter(*result.means[name].tolist(), s=60, c=colour, marker="x")
        axes.scatter(*result.made.T.tolist(), s=9, c="#000000")
        axes.scatter(*result.made[len(result.made) // 2].tolist(), s=90, c="#000000", marker="*", label="result")
        axes.legend(loc="upper right", fontsize=8)
