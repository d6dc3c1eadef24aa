"""``zerosum interpolate RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from zerosum.cli.common import Opened, at_least, opened, png_only, writing

if TYPE_CHECKING:
    from torch import Tensor

PIECE = 250  # samples computed at once
SHOWN_REAL = 2_000  # real points below the walks


@dataclass(frozen=True)
class Options:
    """Walk between latents of a run: each row goes from one latent to another. On points, each walk is a line.

    Attributes:
        run: the run's folder.
        rows: number of walks.
        steps: samples on each, both ends included.
        kind: slerp goes along the sphere and keeps the length of latents; lerp goes straight.
        seed: of the latents; None: the run's own.
        out: FILE.png; None: in the run's folder.
        best: from the checkpoint with the best score, instead of the newest.
        device: auto, cpu, cuda or cuda:N.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    rows: int = 8
    steps: int = 8
    kind: Literal["slerp", "lerp"] = "slerp"
    seed: int | None = None
    out: str | None = None
    best: bool = False
    device: str = "auto"


def run(argv: list[str]) -> int:
    """Interpolate."""
    options = tyro.cli(Options, args=argv, prog="zerosum interpolate")
    at_least("--rows", options.rows, 1)
    at_least("--steps", options.steps, 2)
    out = png_only(options.out) if options.out else None
    found = opened(options.run, best=options.best, device=options.device)
    seed = found.setup.settings.seed if options.seed is None else options.seed
    name = f"interpolation{'-best' if options.best else ''}-{options.kind}-seed{seed}.png"
    path = out or found.folder.path / name
    walks = walk(found, options, seed)
    with writing(path) as file:
        draw(found, walks, file)
    print(path)
    return 0


def walk(found: Opened, options: Options, seed: int) -> Tensor:
    """Samples along the walks, (rows, steps, *shape)."""
    import torch

    from zerosum.latent.interpolate import lerp, slerp

    ends, *labels = found.sampler.with_seed(seed).latents(0, 2 * options.rows)
    t = torch.linspace(0, 1, options.steps, device=ends.device)[:, None]
    between = {"lerp": lerp, "slerp": slerp}[options.kind]
    latents = [between(ends[0::2, None], ends[1::2, None], t).flatten(0, 1)]
    latents += [y[0::2].repeat_interleave(options.steps, 0) for y in labels]  # a walk keeps the class it begins with
    pieces = zip(*(torch.split(part, PIECE) for part in latents), strict=True)
    samples = torch.cat([found.sampler.generate(*piece) for piece in pieces])
    return samples.reshape(options.rows, options.steps, *samples.shape[1:])


def draw(found: Opened, walks: Tensor, path: Path) -> None:
    """Draw walks: images as rows of a sheet, points as lines over the real ones."""
    from zerosum.runs.pictures import sheet

    if not found.setup.data.is_points:
        return sheet(walks.flatten(0, 1), path, columns=walks.shape[1])
    from matplotlib.figure import Figure

    real, _ = found.setup.data.batch(0, SHOWN_REAL, seed=found.setup.settings.seed + 1)
    figure = Figure(figsize=(5, 5), dpi=110, layout="tight")
    axes: Any = figure.subplots()
    axes.scatter(*real.T.tolist(), s=4, c="#bbbbbb", linewidths=0)
    for line in walks:
        axes.plot(*line.T.tolist(), marker="o", markersize=3, linewidth=1)
    limit = 1.3 * float(real.abs().max())
    title = f"{found.setup.name}, step {found.step:,}"
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    figure.savefig(path)
    return None
