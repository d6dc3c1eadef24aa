"""``zerosum directions RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from zerosum.cli.common import OfSamples, Opened, at_least, beside, png_only, sampling, writing
from zerosum.cli.interpolate import draw
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.latent.directions import Directions


@dataclass(frozen=True)
class Options(OfSamples):
    """Move a sample along the directions of its latent that change it most: a row for each, the strongest first.

    They are read off the weights of the layers that take the latent (SeFa, Shen and Zhou 2021). Their strengths are
    printed. On points, each direction is a line.

    Attributes:
        sample: number of the sample in the middle of each row, on the sheet of `zerosum sample RUN` with the same
            seed and options.
        rows: number of directions.
        steps: samples on each.
        reach: how far a row goes, from minus this to this; directions have length 1.
    """

    sample: int = 0
    rows: int = 8
    steps: int = 7
    reach: float = 3.0


def run(argv: list[str]) -> int:
    """Find directions and move along them."""
    options = tyro.cli(Options, args=argv, prog="zerosum directions")
    at_least("--sample", options.sample, 0)
    at_least("--rows", options.rows, 1)
    at_least("--steps", options.steps, 2)
    if not options.reach > 0:
        raise UsageError(f"--reach must be above 0, got {options.reach:g}")
    out = png_only(options.out) if options.out else None
    found = sampling(options)
    directions = strongest(found, options.rows)
    walks = move(found, directions, options)
    words = ("directions", *([f"sample{options.sample}"] if options.sample else []), *options.marks)
    with writing(path := out or beside(found, options, *words)) as file:
        draw(found, walks, file)
    for number, strength in enumerate(directions.strengths.tolist()):
        print(f"direction {number}: strength {strength:.4g}")
    print(path)
    return 0


def strongest(found: Opened, rows: int) -> Directions:
    """The directions of a run's generator; as many as its latents have components if that is fewer.

    Raises:
        UsageError: no layer takes its latents.
    """
    from zerosum.latent.directions import first_layers, sefa

    try:
        matrix = first_layers(found.sampler.network, *found.sampler.latents(0, 1))
    except ValueError as error:
        raise UsageError(f"{found.folder.path}: {error}") from error
    return sefa(matrix, min(rows, matrix.shape[1]))


def move(found: Opened, directions: Directions, options: Options) -> Tensor:
    """Samples along the directions, (rows, steps, *shape)."""
    import torch

    z, *conditions = found.sampler.latents_of([options.sample])
    t = torch.linspace(-options.reach, options.reach, options.steps, device=z.device)
    moved = (z + t[:, None] * directions.vectors[:, None]).flatten(0, 1)
    kept = (part.expand(len(moved), *part.shape[1:]) for part in conditions)
    samples = found.sampler.generate(moved, *kept)
    return samples.reshape(-1, options.steps, *samples.shape[1:])
