"""``zerosum directions RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from zerosum.cli import common
from zerosum.cli.common import OpenedRun, SamplingOptions
from zerosum.cli.interpolate import WalkWords, draw
from zerosum.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.latent.directions import Directions

VERB = ("move along the directions that change samples most", 80)  # what it does, and its place in the list


@dataclass(frozen=True)
class DirectionsOptions(SamplingOptions):
    """Move a sample along the directions of its latent that change it most: a row for each, the strongest first.

    The directions are computed from the weights of the layers that take the latent (SeFa, Shen and Zhou 2021). Their
    strengths are printed. For points, each direction is drawn as a line.

    Attributes:
        sample: Number of the sample in the middle of each row, on the sheet of `zerosum sample RUN` with the same seed
            and options.
        rows: Number of directions.
        steps: Samples in each row.
        reach: Distance in latent space from the middle of a row to its ends.
    """

    sample: int = 0
    rows: int = 8
    steps: int = 7
    reach: float = 3.0


def run(argv: list[str]) -> int:
    """Find directions and move along them."""
    options = tyro.cli(DirectionsOptions, args=argv, prog="zerosum directions")
    common.check_at_least("--sample", options.sample, 0)
    common.check_at_least("--rows", options.rows, 1)
    common.check_at_least("--steps", options.steps, 2)
    if not options.reach > 0:
        raise UsageError(f"--reach must be above 0, got {options.reach:g}")
    out = common.png_path(options.out) if options.out else None
    opened = common.open_sampler(options)
    directions = find_strongest(opened, options.rows)
    walks = move(opened, directions, options)
    words = ("directions", *([f"sample{options.sample}"] if options.sample else []), *options.marks)
    shown = words_of(opened, directions, options)
    with common.open_output(path := out or common.default_path(opened, options, *words)) as file:
        draw(opened, walks, shown, file)
    for number, strength in enumerate(directions.strengths.tolist()):
        print(f"direction {number}: strength {strength:.4g}")
    common.tell(f"{shown.title}: {shown.note}", path)
    return 0


def words_of(opened: OpenedRun, directions: Directions, options: DirectionsOptions) -> WalkWords:
    """What the picture of the directions says."""
    labels = [f"{number}: strength {strength:.3g}" for number, strength in enumerate(directions.strengths.tolist())]
    ends = options.reach
    places = [ends * (2 * step / (options.steps - 1) - 1) for step in range(options.steps)]
    columns = [f"{place:+.3g}" if abs(place) > 1e-9 * ends else f"sample {options.sample}" for place in places]
    title = f"sample {options.sample}, moved along the directions of its latent that change it most"
    note = f"{common.origin_of(opened, options)}; columns: distance in latent space; directions by SeFa"
    return WalkWords(title, note, columns, labels)


def find_strongest(opened: OpenedRun, count: int) -> Directions:
    """Find the strongest directions of a run's generator, at most as many as its latents have components.

    Raises:
        UsageError: No layer takes the latents.
    """
    from zerosum.latent.directions import first_layers, sefa

    try:
        matrix = first_layers(opened.sampler.network, *opened.sampler.latents(0, 1))
    except ValueError as error:
        raise UsageError(f"{opened.folder.path}: {error}") from error
    return sefa(matrix, min(count, matrix.shape[1]))


def move(opened: OpenedRun, directions: Directions, options: DirectionsOptions) -> Tensor:
    """Samples along the directions, (rows, steps, *shape)."""
    import torch

    z, *conditions = opened.sampler.latents_of([options.sample])
    t = torch.linspace(-options.reach, options.reach, options.steps, device=z.device)
    codes = (z + t[:, None] * directions.vectors[:, None]).flatten(0, 1)
    conditions = [part.expand(len(codes), *part.shape[1:]) for part in conditions]
    samples = opened.sampler.generate(codes, *conditions)
    return samples.reshape(-1, options.steps, *samples.shape[1:])
