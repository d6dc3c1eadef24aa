"""``zerosum eval RUN_OR_IMAGES``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from zerosum.cli.common import OpenedRun, check_at_least, open_run, warn_of_other_data
from zerosum.data import load
from zerosum.errors import UsageError
from zerosum.files import Row, Rows
from zerosum.progress import counted, progress

if TYPE_CHECKING:
    from zerosum.metrics.images import SampleSet
    from zerosum.metrics.score import Plain, Score
    from zerosum.runs.sampler import Sampler
    from zerosum.runs.scoring import Request

VERB = ("score a run, or images from any program", 40)  # what it does, and its place in the list


@dataclass(frozen=True)
class EvalOptions:
    """Score a run, or images from any program.

    The scores of a run are added, with their protocols, to its scores.jsonl and its report.

    Attributes:
        target: What to score: the folder of a run, or images in a folder, FILE.zip or FILE.npz.
        against: Source of real images; `zerosum data` lists all sources. None: the run's own.
        metrics: Names of scores, separated by commas, such as fid,kid,pr,dc; `--metrics help` lists all of them.
            None: the scores that training ends with for a run, and fid for images.
        features: Network that extracts features: inception, inception-clean, vgg16, shipped or FILE.onnx.
            auto: shipped for grey 32x32 images, otherwise inception.
        held_out: Source of real images that were not trained on, for copying and cas. Its test split is used if it has
            one.
        count: Number of samples. None: as many as there are real images, at most 50,000; for the scores that training
            ends with, half of the real images, or 2,500 points.
        truncation: Largest size of a latent's component: larger ones are drawn again, as by `zerosum sample`.
            None: latents as in training.
        standing: Batches of 250 samples from which the statistics of batch normalisation are taken afresh. 0: the
            statistics of training.
        seed: Seed of the samples. None: one more than the run's own, as at the end of training.
        repeats: Number of times to score, with consecutive seeds. If more than 1, mean and standard deviation are
            printed too.
        memory_mib: Cap on the memory for distances between pairs of images, in MiB.
        out: File to which the scores of images are added, FILE.jsonl. None: they are only printed.
        best: Whether to use the checkpoint with the best score instead of the newest one.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
    """

    target: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_IMAGES")]
    against: str | None = None
    metrics: str | None = None
    features: str = "auto"
    held_out: str | None = None
    count: int | None = None
    truncation: float | None = None
    standing: int = 0
    seed: int | None = None
    repeats: int = 1
    memory_mib: float = 512.0
    out: str | None = None
    best: bool = False
    device: str = "auto"


def run(argv: list[str]) -> int:
    """Score a run or images."""
    options = tyro.cli(EvalOptions, args=argv, prog="zerosum eval")
    check_at_least("--repeats", options.repeats, 1)
    check_at_least("--standing", options.standing, 0)
    if options.metrics == "help":
        from zerosum.metrics.registry import measures

        print(*(f"{name:<14} {measure.summary}" for name, measure in measures().items()), sep="\n")
        return 0
    if not (Path(options.target) / "run.json").exists() and _source_of(options.target):
        return score_images(options)
    return score_run(options)


def score_run(options: EvalOptions) -> int:
    """Score a run's generator, and keep the scores with the run."""
    opened = open_run(options.target, best=options.best, device=options.device, real=True)
    from zerosum.report.write import write_report

    warn_of_other_data(opened)
    first = opened.setup.settings.seed + 1 if options.seed is None else options.seed
    by_seed = scores_of_run(opened, options, range(first, first + options.repeats))
    keep(opened, options.best, [score for scores in by_seed for score in scores])
    if options.repeats > 1:
        print(*spread(by_seed), sep="\n")
    write_report(opened.folder)
    return 0


def score_images(options: EvalOptions) -> int:
    """Score images from any program against real ones."""
    from zerosum.runs import scoring

    if options.against is None:
        raise UsageError(f"{options.target} contains images: name the real ones with --against SOURCE")
    if options.repeats > 1:
        raise UsageError("--repeats draws new samples each time, but images stay the same: leave it out")
    real = scoring.images_of(load(options.against))
    fake = scoring.image_files(_source_of(options.target) or "", real, options.count)
    with progress(fake.count, "features", True) as advance:
        judge = scoring.judge_of(real, _request(options, "fid"), show=counted(advance))
        scores = list(_print_each(scoring.scores_of(judge, lambda count: fake, options.seed or 0, count=fake.count)))
    if options.out is not None:
        _append(Path(options.out), [json.loads(score.to_json()) for score in scores])
    return 0


def scores_of_run(opened: OpenedRun, options: EvalOptions, seeds: range) -> list[list[Score]]:
    """The scores of a run's generator for each seed, printed as they come.

    Without names of measures, they are those that training ends with, against the run's own data.
    """
    from zerosum.runs import scoring

    setup = opened.setup
    elsewhere = options.against if options.metrics is not None else None
    data = load(elsewhere, size=setup.settings.size) if elsewhere else setup.data
    by_seed: list[list[Score]] = []
    with progress(None, "scoring", True) as advance:
        judge = scoring.judge_of(scoring.real_samples(data), _request(options), data, counted(advance))
        for seed in seeds:
            sampler, how = scoring.adapt_sampler(opened.sampler.with_seed(seed), options.truncation, options.standing)

            def fakes(count: int, sampler: Sampler = sampler, how: Mapping[str, Plain] = how) -> SampleSet:
                return scoring.generated_samples(sampler, setup, opened.step, count, how)

            extra = scoring.facts(setup) | how
            scores = scoring.scores_of(judge, fakes, seed, count=options.count, extra=extra)
            named = options.metrics is not None
            by_seed.append(list(_print_each(scores, details=named, floors=named or not by_seed)))
    return by_seed


def _request(options: EvalOptions, default: str = "") -> Request:
    from zerosum.runs.scoring import Request

    names = tuple(filter(None, (options.metrics or default).split(",")))
    return Request(names, options.features, options.held_out, options.memory_mib, options.device)


def _print_each(scores: Iterable[Score], *, details: bool = True, floors: bool = True) -> Iterator[Score]:
    """Print scores as they come, with or without their details and those that are the same for every seed."""
    for score in scores:
        if floors or "seed" in score.protocol:
            print(score.short(), flush=True)
        if details and score.details:
            print("  " + ", ".join(f"{name} {value:.4g}" for name, value in score.details.items()))
        yield score


def _source_of(target: str) -> str | None:
    """The source of data for a path of images. ``None``: there are no images."""
    path = Path(target).expanduser()
    if path.is_dir():
        return f"folder:{target}"
    kind = {".zip": "zip", ".npz": "npz"}.get(path.suffix.lower())
    return f"{kind}:{target}" if kind and path.exists() else None


def keep(opened: OpenedRun, best: bool, scores: list[Score]) -> None:
    """Add scores to ``scores.jsonl``, in rows like those of training."""
    from zerosum.core import checkpoint
    from zerosum.runs.scoring import row_of

    meta = checkpoint.load_meta((opened.folder.best() if best else None) or opened.folder.latest())
    rows = [row_of(score, opened.step, float(meta["seconds"])) for score in scores]
    # A floor is the same for every seed.
    _append(opened.folder.scores, [row for i, row in enumerate(rows) if row not in rows[:i]])


def _append(path: Path, rows: list[Row]) -> None:
    try:
        Rows(path).append(*rows)
    except OSError as error:
        raise UsageError(f"the scores could not be written to {path} ({error.strerror or error})") from error


def spread(by_seed: list[list[Score]]) -> list[str]:
    """Mean and standard deviation over the seeds, as one line for each score."""
    lines = [""]
    for scores in zip(*by_seed, strict=True):
        if "seed" in scores[0].protocol:
            values = [score.value for score in scores]
            mean, deviation = statistics.fmean(values), statistics.stdev(values)
            lines.append(f"{scores[0].name} {mean:.4g} ± {deviation:.2g} over {len(values)} seeds")
    return lines
