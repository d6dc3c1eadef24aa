"""``zerosum truncation RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum.cli.common import at_least, opened, png_only, writing
from zerosum.recipe import UsageError


@dataclass(frozen=True)
class Options:
    """Trade variety for quality: score a run at several truncations of its latents.

    Latents beyond a threshold are drawn again (Brock et al. 2019). Prints a table, draws the curves, and keeps all
    scores with their protocols in truncation.jsonl, in the run's folder.

    Attributes:
        run: the run's folder.
        thresholds: with commas between, each above 0; latents as in training come last in any case.
        metrics: names with commas between; `zerosum eval --metrics help any` lists them.
        features: inception, vgg16, shipped, ... as for `zerosum eval`; auto: what fits.
        count: samples at each threshold.
        standing: batches over which batch-norm statistics are taken anew at each threshold; 0: those of training.
        seed: of the samples; None: one more than the run's own.
        out: FILE.png; None: truncation.png in the run's folder.
        best: from the checkpoint with the best score, instead of the newest.
        device: auto, cpu, cuda or cuda:N.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    thresholds: str = "0.1,0.2,0.3,0.5,0.7,1,1.4,2"
    metrics: str = "pr,fid"
    features: str = "auto"
    count: int = 5_000
    standing: int = 16
    seed: int | None = None
    out: str | None = None
    best: bool = False
    device: str = "auto"


def run(argv: list[str]) -> int:
    """Score at each threshold."""
    options = tyro.cli(Options, args=argv, prog="zerosum truncation")
    at_least("--count", options.count, 2)
    at_least("--standing", options.standing, 0)
    thresholds = _numbers(options.thresholds)
    out = png_only(options.out) if options.out else None
    found = opened(options.run, best=options.best, device=options.device, real=True)
    from zerosum.runs import scoring, truncation

    setup = found.setup
    asked = scoring.Asked(tuple(options.metrics.split(",")), options.features, device=options.device, shown=True)
    judge = scoring.Judge(scoring.images_of(setup.data), asked)
    seed = setup.settings.seed + 1 if options.seed is None else options.seed
    points = []
    for point in truncation.curve(
        found.sampler,
        setup,
        found.step,
        judge,
        count=options.count,
        seed=seed,
        thresholds=thresholds,
        standing=options.standing,
    ):
        points.append(point)
        print(f"threshold {point.label}: " + ", ".join(f"{n} {s.value:.3g}" for n, s in point.scores.items()))
    print("\n" + truncation.table(points))
    path = out or found.folder.path / "truncation.png"
    with writing(path) as file:
        truncation.draw(points, file, f"{setup.name}, step {found.step:,}, {options.count:,} samples a point")
    with writing(found.folder.path / "truncation.jsonl") as file:
        truncation.save(points, file)
    print(path)
    return 0


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--thresholds {text}: must be numbers with commas between, such as 0.3,0.5,1") from error
    if not all(number > 0 for number in numbers):
        raise UsageError(f"--thresholds {text}: each must be above 0")
    return numbers
