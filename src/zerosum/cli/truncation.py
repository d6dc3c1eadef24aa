"""``zerosum truncation RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum.cli.common import check_at_least, open_output, open_run, png_path, title_of
from zerosum.errors import UsageError

VERB = ("trade variety for quality: score a run at several truncations", 110)  # what it does, and its place in the list


@dataclass(frozen=True)
class TruncationOptions:
    """Trade variety for quality: score a run at several truncations of its latents.

    Latents beyond a threshold are drawn again (Brock et al. 2019). Prints a table, draws the curves, and writes all
    scores with their protocols to truncation.jsonl in the run's folder.

    Attributes:
        run: Folder of the run.
        thresholds: Thresholds separated by commas, each above 0. Latents as in training always come last.
        metrics: Names of scores, separated by commas; `zerosum eval --metrics help any` lists all of them.
        features: Network that extracts features: inception, inception-clean, vgg16, shipped or FILE.onnx.
            auto: shipped for grey 32x32 images, otherwise inception.
        count: Samples at each threshold.
        standing: Batches of 250 samples from which the statistics of batch normalisation are taken afresh at each
            threshold. 0: the statistics of training.
        seed: Seed of the samples. None: one more than the run's own.
        out: Picture to write, FILE.png. None: truncation.png in the run's folder.
        best: Whether to use the checkpoint with the best score instead of the newest one.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
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
    """Score a run at each threshold."""
    options = tyro.cli(TruncationOptions, args=argv, prog="zerosum truncation")
    check_at_least("--count", options.count, 2)
    check_at_least("--standing", options.standing, 0)
    thresholds = _parse_thresholds(options.thresholds)
    out = png_path(options.out) if options.out else None
    opened = open_run(options.run, best=options.best, device=options.device, real=True)
    from zerosum.runs import scoring, truncation

    setup = opened.setup
    request = scoring.Request(tuple(options.metrics.split(",")), options.features, device=options.device)
    judge = scoring.judge_of(scoring.images_of(setup.data), request)
    seed = setup.settings.seed + 1 if options.seed is None else options.seed
    points = []
    for point in truncation.curve(
        opened.sampler,
        setup,
        opened.step,
        judge,
        count=options.count,
        seed=seed,
        thresholds=thresholds,
        standing=options.standing,
    ):
        points.append(point)
        print(f"threshold {point.label}: " + ", ".join(f"{n} {s.value:.3g}" for n, s in point.scores.items()))
    print("\n" + truncation.table(points))
    path = out or opened.folder.path / "truncation.png"
    with open_output(path) as file:
        truncation.draw(points, file, f"{title_of(opened)}, {options.count:,} samples per point")
    with open_output(opened.folder.path / "truncation.jsonl") as file:
        truncation.save(points, file)
    print(path)
    return 0


def _parse_thresholds(text: str) -> list[float]:
    try:
        thresholds = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--thresholds {text}: must be numbers separated by commas, such as 0.3,0.5,1") from error
    if not all(threshold > 0 for threshold in thresholds):
        raise UsageError(f"--thresholds {text}: each must be above 0")
    return thresholds
