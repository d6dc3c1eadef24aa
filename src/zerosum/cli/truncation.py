"""``zerosum truncation RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from zerosum.cli.common import STANDING, check_at_least, open_output, open_run, png_path, tell, title_of
from zerosum.errors import UsageError

if TYPE_CHECKING:
    from zerosum.data.base import Data

VERB = ("trade variety for quality: score a run at several truncations", 110)  # what it does, and its place in the list

COUNT = 5_000  # samples at each threshold


@dataclass(frozen=True)
class TruncationOptions:
    """Trade variety for quality: score a run at several truncations of its latents.

    Latents beyond a threshold are drawn again (Brock et al. 2019). Prints a table, draws the curves, and writes all
    scores with their protocols to truncation.jsonl in the run's folder.

    Attributes:
        run: Folder of the run.
        thresholds: Thresholds separated by commas, each above 0. Latents as in training always come last.
        metrics: Names of scores, separated by commas; `zerosum eval --metrics help any` lists all of them. None: what
            needs no download, which is pr,fid with the shipped features for grey 32x32 images, pr,fd_random with random
            features for other images, and modes for points.
        features: Network that extracts features: shipped, random, inception, inception-clean, vgg16, dinov2, clip or
            FILE.onnx. auto: shipped for grey 32x32 images, otherwise inception, or random if no metrics are named.
        count: Samples at each threshold. None: 5,000; without metrics no more than half of the training images.
        standing: Batches of 250 samples from which the statistics of batch normalisation are taken afresh at each
            threshold. 0: the statistics of training. None: 16 if the generator has batch normalisation.
        seed: Seed of the samples. None: one more than the run's own.
        out: Picture to write, FILE.png. None: truncation.png in the run's folder.
        best: Whether to use the checkpoint with the best score instead of the newest one.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    thresholds: str = "0.1,0.2,0.3,0.5,0.7,1,1.4,2"
    metrics: str | None = None
    features: str = "auto"
    count: int | None = None
    standing: int | None = None
    seed: int | None = None
    out: str | None = None
    best: bool = False
    device: str = "auto"


def run(argv: list[str]) -> int:
    """Score a run at each threshold."""
    options = tyro.cli(TruncationOptions, args=argv, prog="zerosum truncation")
    if options.count is not None:
        check_at_least("--count", options.count, 2)
    if options.standing is not None:
        check_at_least("--standing", options.standing, 0)
    thresholds = _parse_thresholds(options.thresholds)
    out = png_path(options.out) if options.out else None
    opened = open_run(options.run, best=options.best, device=options.device, real=True)
    from zerosum.runs import scoring, truncation

    setup, sampler = opened.setup, opened.sampler
    metrics, features = choose_measures(options, setup.data)
    count = options.count or choose_count(options, setup.data)
    judge = scoring.judge_of(
        scoring.real_samples(setup.data), scoring.Request(metrics, features, device=options.device)
    )
    seed = setup.settings.seed + 1 if options.seed is None else options.seed
    standing = options.standing if options.standing is not None else STANDING * sampler.batch_normalised
    what = f"{title_of(opened)}{' (the best checkpoint)' * options.best}, {count:,} samples per point, seed {seed}"
    print(f"measured by {', '.join(metrics)}{f' with {features} features' if features != 'auto' else ''}")
    points = []
    for point in truncation.curve(
        sampler, setup, opened.step, judge, count=count, seed=seed, thresholds=thresholds, standing=standing
    ):
        points.append(point)
        shown = truncation.shown_names(points)
        print(f"threshold {point.label}: " + ", ".join(f"{name} {point.scores[name].value:.3g}" for name in shown))
    print("\n" + truncation.table(points))
    path = out or opened.folder.path / "truncation.png"
    with open_output(path) as file:
        truncation.draw(points, file, what)
    with open_output(opened.folder.path / "truncation.jsonl") as file:
        truncation.save(points, file)
    tell(f"scores at several truncations: {what}", path)
    return 0


def choose_measures(options: TruncationOptions, data: Data) -> tuple[tuple[str, ...], str]:
    """Choose measures and features: those that are asked for, or what needs no download.

    Raises:
        UsageError: Nothing that needs no download fits the data.
    """
    from zerosum.metrics.features.shipped import IMAGE_SHAPE
    from zerosum.metrics.registry import defaults_for, why_not

    if options.metrics is not None:
        return tuple(options.metrics.split(",")), options.features
    if not defaults_for(data):
        raise UsageError(f"{why_not(data)}; name scores with --metrics")
    if data.is_points:
        return defaults_for(data), options.features
    if tuple(data.shape) == IMAGE_SHAPE:
        return ("pr", "fid"), options.features
    return ("pr", "fd_random"), "random" if options.features == "auto" else options.features


def choose_count(options: TruncationOptions, data: Data) -> int:
    """Choose the number of samples at each threshold where nobody says it."""
    if options.metrics is None and data.count is not None:
        return max(2, min(COUNT, data.count // 2))  # distances from one half of the images to the other take no more
    return COUNT


def _parse_thresholds(text: str) -> list[float]:
    try:
        thresholds = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--thresholds {text}: must be numbers separated by commas, such as 0.3,0.5,1") from error
    if not all(threshold > 0 for threshold in thresholds):
        raise UsageError(f"--thresholds {text}: each must be above 0")
    return thresholds
