"""``zerosum arithmetic RUN``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import tyro

from zerosum.cli import common
from zerosum.cli.common import OpenedRun, SamplingOptions
from zerosum.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

VERB = ("add and subtract what samples of a run show", 70)  # what it does, and its place in the list

AROUND = 8  # samples with noise around the result
COLOURS = {"plus": "#15803d", "minus": "#b91c1c", "to": "#1d4ed8"}  # colours of points
TITLE = "mean of plus - mean of minus + mean of to"


@dataclass(frozen=True)
class ArithmeticOptions(SamplingOptions):
    """Add and subtract what samples show: "smiling woman" - "neutral woman" + "neutral man" (Radford et al. 2016).

    Samples are given by their numbers on the sheet of `zerosum sample RUN` with the same seed and options: from 0, row
    by row. The mean of three latents works better than a single one. The picture has a column for each of plus, minus
    and to, with their mean at the bottom. Next to them is the result, in the middle of eight samples with noise.

    Attributes:
        plus: Samples that show what is wanted, such as 3,17,20: smiling women.
        minus: Samples like these, but without it: neutral women.
        to: Samples to which it is added: neutral men. The result has their class.
        noise: Largest amount by which the components of the latents around the result differ from it.
    """

    plus: str = field(kw_only=True)
    minus: str = field(kw_only=True)
    to: str = field(kw_only=True)
    noise: float = 0.25


class ArithmeticResult(NamedTuple):
    """What is drawn.

    Attributes:
        sources: Samples of plus, minus and to, by name, (n, *shape).
        means: Sample of each mean, by name, (*shape).
        block: The result with eight others around it, (9, *shape).
    """

    sources: dict[str, Tensor]
    means: dict[str, Tensor]
    block: Tensor


def run(argv: list[str]) -> int:
    """Add and subtract."""
    options = tyro.cli(ArithmeticOptions, args=argv, prog="zerosum arithmetic")
    samples = {name: common.parse_numbers(f"--{name}", getattr(options, name)) for name in COLOURS}
    if not options.noise >= 0:
        raise UsageError(f"--noise must be 0 or more, got {options.noise:g}")
    out = common.png_path(options.out) if options.out else None
    opened = common.open_sampler(options)
    result = compute(opened, samples, options.noise)
    note = common.origin_of(opened, options)
    with common.open_output(path := out or common.default_path(opened, options, "arithmetic", *options.marks)) as file:
        if opened.setup.data.is_points:
            draw_points(opened, result, note, file)
        else:
            draw_images(result, samples, f"{note}; {_around(options)}", file)
    common.tell(f"{TITLE}: {note}", path)
    return 0


def _around(options: ArithmeticOptions) -> str:
    """What is drawn around the result."""
    if options.noise == 0:
        return "around the result: eight copies, as there is no noise"
    return f"around the result: eight more, with noise of up to {options.noise:g} in each component of the latent"


def compute(opened: OpenedRun, samples: dict[str, tuple[int, ...]], noise: float) -> ArithmeticResult:
    """The samples, their means, and the result.

    Args:
        opened: The run.
        samples: Numbers of the samples of plus, minus and to.
        noise: Largest difference from the result of the latents around it.
    """
    import torch

    from zerosum.core.random import generator
    from zerosum.latent.arithmetic import around, combine

    sampler = opened.sampler
    latents = {name: sampler.latents_of(numbers) for name, numbers in samples.items()}
    codes = {name: z for name, (z, *_) in latents.items()}
    code = combine(**codes)
    near = around(code, AROUND, generator(sampler.seed, "around", device=code.device), noise)
    block = torch.cat([near[: AROUND // 2], code[None], near[AROUND // 2 :]])
    means = {
        name: sampler.generate(z.mean(0, keepdim=True), *_mean_conditions(opened, latents[name], 1))[0]
        for name, z in codes.items()
    }
    sources = {name: sampler.generate(*parts) for name, parts in latents.items()}
    conditions = _mean_conditions(opened, latents["to"], len(block))
    return ArithmeticResult(sources, means, sampler.generate(block, *conditions))


def _mean_conditions(opened: OpenedRun, latents: tuple[Tensor, ...], n: int) -> tuple[Tensor, ...]:
    """Conditions of the mean of latents, ``n`` times: the mean of their classes, or the first one's conditions."""
    from zerosum.networks.labels import weights

    _, *conditions = latents
    if opened.sampler.labelled:
        conditions = [weights(conditions[0], len(opened.setup.data.classes)).mean(0, keepdim=True)]
    return tuple(part[:1].expand(n, *part.shape[1:]) for part in conditions)


def draw_images(result: ArithmeticResult, numbers: dict[str, tuple[int, ...]], note: str, path: Path) -> None:
    """Draw a column for each source, its mean at the bottom, and the result next to them.

    Args:
        result: What is drawn.
        numbers: Numbers of the samples of plus, minus and to.
        note: Where the samples come from.
        path: Path of the file.
    """
    height = max(3, 1 + max(map(len, result.sources.values())))
    rows: list[list[Tensor | None]] = [[None] * 7 for _ in range(height)]
    captions = [[""] * 7 for _ in range(height)]
    for column, (name, samples) in enumerate(result.sources.items()):
        for row, sample in enumerate(samples):
            rows[row][column], captions[row][column] = sample, f"sample {numbers[name][row]}"
        rows[-1][column], captions[-1][column] = result.means[name], f"mean of {name}"
    for i, image in enumerate(result.block):
        rows[height - 3 + i // 3][4 + i % 3] = image
        captions[height - 3 + i // 3][4 + i % 3] = "result" if i == AROUND // 2 else "with noise"
    columns = [(name, 1) for name in COLOURS]
    common.draw_grid(rows, path, title=TITLE, note=note, columns=columns, captions=captions)


def draw_points(opened: OpenedRun, result: ArithmeticResult, note: str, path: Path) -> None:
    """Draw sources as dots in three colours, their means as crosses, and the result as a star."""
    with common.plane(opened, path, TITLE, note) as axes:
        for name, colour in COLOURS.items():
            axes.scatter(*result.sources[name].T.tolist(), s=16, c=colour, label=name)
            axes.scatter(*result.means[name].tolist(), s=60, c=colour, marker="x", label=f"mean of {name}")
        axes.scatter(*result.block.T.tolist(), s=9, c="#000000", label="result with noise")
        axes.scatter(*result.block[len(result.block) // 2].tolist(), s=90, c="#000000", marker="*", label="result")
