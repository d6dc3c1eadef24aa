"""``zerosum eval RUN_OR_IMAGES``."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from zerosum.cli.common import Opened, at_least, opened
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from zerosum.metrics.score import Score
    from zerosum.runs.scoring import Asked


@dataclass(frozen=True)
class Options:
    """Score a run, or images of any program.

    A run's scores are added, with their protocol, to its scores.jsonl and its report.

    Attributes:
        target: a run's folder; or images: a folder, FILE.zip or FILE.npz.
        against: the source of real images; None: the run's own. `zerosum data` lists sources.
        metrics: names with commas between, such as fid,kid,pr,dc; `--metrics help` lists them.
            None: for a run, the scores that training ends with; for images, fid.
        features: inception, inception-clean, vgg16, shipped, or FILE.onnx.
            auto: shipped for grey 32x32 images, else inception.
        held_out: a source of real images that were not trained on, for copying and cas: its test split if it has one.
        count: number of samples; None: as many as there are real images, 50,000 at most; for a run's own scores, half
            of the real images or 2,500 points.
        truncation: draw components of latents beyond this again, as `zerosum sample` does; None: as in training.
        standing: batches of samples over which batch-norm statistics are taken anew; 0: those of training.
        seed: of the samples; None: one more than the run's own, as at the end of training.
        repeats: score so many times, with seeds one after the other, and give mean and standard deviation.
        memory_mib: cap on the memory for distances between pairs of images.
        out: FILE.jsonl that the scores of images are added to; None: they are printed only.
        best: the checkpoint with the best score, instead of the newest.
        device: auto, cpu, cuda or cuda:N.
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
    """Score."""
    options = tyro.cli(Options, args=argv, prog="zerosum eval")
    at_least("--repeats", options.repeats, 1)
    at_least("--standing", options.standing, 0)
    if options.metrics == "help":
        from zerosum.metrics.measures import MEASURES

        print(*(f"{name:<14} {measure.summary}" for name, measure in MEASURES.items()), sep="\n")
        return 0
    if not (Path(options.target) / "run.json").exists() and _images(options.target):
        return score_images(options)
    return score_run(options)


def score_run(options: Options) -> int:
    """Score a run's generator, and keep the scores with it."""
    found = opened(options.target, best=options.best, device=options.device, real=True)
    from zerosum.runs.report import write_report

    if found.setup.data.fingerprint != found.folder.record()["data"]["fingerprint"]:
        print(f"note: {found.setup.data.name} has changed since {options.target} was trained on it", file=sys.stderr)
    first = found.setup.settings.seed + 1 if options.seed is None else options.seed
    seeds = range(first, first + options.repeats)
    scored = repeat(found, options, seeds) if options.metrics is None else measured(found, options, seeds)
    keep(found, options.best, [score for scores in scored for score in scores])
    if options.repeats > 1:
        print(*spread(scored), sep="\n")
    write_report(found.folder)
    return 0


def score_images(options: Options) -> int:
    """Score images of any program against real ones."""
    from zerosum.runs import scoring

    if options.against is None:
        raise UsageError(f"{options.target} are images: name the real ones with --against SOURCE")
    if options.repeats > 1:
        raise UsageError("--repeats draws samples anew, and images are what they are: leave it out")
    real = scoring.real_images(options.against, None)
    fake = scoring.image_files(_images(options.target) or "", real, options.count)
    scores = list(_printed(scoring.Judge(real, _asked(options)).scores(fake, options.seed or 0)))
    if options.out is not None:
        _append(Path(options.out), [score.to_json() for score in scores])
    return 0


def measured(found: Opened, options: Options, seeds: range) -> list[list[Score]]:
    """The scores of the chosen measures for each seed, printed as they come."""
    from zerosum.runs import scoring

    source, setup = options.against, found.setup
    real = scoring.real_images(source, setup.settings.size) if source else scoring.images_of(setup.data)
    judge, count = scoring.Judge(real, _asked(options)), options.count or min(real.count, scoring.MOST)
    scored = []
    for seed in seeds:
        sampler, told = scoring.drawn_as(found.sampler.with_seed(seed), options.truncation, options.standing)
        fake = scoring.generated(sampler, setup, found.step, count, told)
        scored.append(list(_printed(judge.scores(fake, seed, scoring.facts(setup) | told))))
    return scored


def _asked(options: Options) -> Asked:
    from zerosum.runs.scoring import Asked

    names = (options.metrics or "fid").split(",")
    return Asked(tuple(names), options.features, options.held_out, options.memory_mib, options.device, shown=True)


def _printed(scores: Iterable[Score]) -> Iterable[Score]:
    for score in scores:
        print(score.short(), flush=True)
        details = ", ".join(f"{name} {value:.4g}" for name, value in score.details.items())
        if details:
            print(f"  {details}")
        yield score


def _images(target: str) -> str | None:
    """The source that a path of images is, or ``None``."""
    path = Path(target).expanduser()
    if path.is_dir():
        return f"folder:{target}"
    kind = {".zip": "zip", ".npz": "npz"}.get(path.suffix.lower())
    return f"{kind}:{target}" if kind and path.exists() else None


def repeat(found: Opened, options: Options, seeds: range) -> list[list[Score]]:
    """The scores that training ends with, for each seed, printed as they come.

    Raises:
        UsageError: none fits the data, the samples are not finite, or the data cannot give ``count``.
    """
    from zerosum.data.progress import progress
    from zerosum.metrics.evaluate import POINTS, evaluate, why_not
    from zerosum.runs.scoring import drawn_as, facts

    setup = found.setup
    why = why_not(setup.data)
    if why is not None:
        raise UsageError(f"{options.target} cannot be scored: {why}")
    usual = POINTS if setup.data.count is None else setup.data.count // 2
    scored: list[list[Score]] = []
    with progress(len(seeds) * (options.count or usual), "scoring", True) as advance:
        for seed in seeds:
            before = 0

            def show(done: int, total: int) -> None:
                nonlocal before
                advance(done - before)
                before = done

            sampler, told = drawn_as(found.sampler.with_seed(seed), options.truncation, options.standing)
            try:
                scores = evaluate(
                    sampler,
                    setup.data,
                    seed=seed,
                    count=options.count,
                    device=setup.device,
                    progress=show,
                    extra=facts(setup) | told,
                )
            except ValueError as error:
                raise UsageError(f"{options.target} cannot be scored: {error}") from error
            scored.append(scores)
            print(*(score.short() for score in scores if len(scored) == 1 or "seed" in score.protocol), sep="\n")
    return scored


def keep(found: Opened, best: bool, scores: list[Score]) -> None:
    """Add scores to ``scores.jsonl``, in rows like those of training."""
    from zerosum.core import checkpoint

    folder = found.folder
    meta = checkpoint.load_meta((folder.best() if best else None) or folder.latest())
    rows = [
        json.dumps({"step": found.step, "seconds": round(float(meta["seconds"]), 3), "score": json.loads(text)})
        for text in dict.fromkeys(score.to_json() for score in scores)  # a floor is the same for every seed
    ]
    _append(folder.scores, rows)


def _append(path: Path, rows: list[str]) -> None:
    """Add lines to a file; one that was cut short before is not continued."""
    try:
        cut = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        with path.open("a") as file:
            file.write("\n" * cut + "".join(row + "\n" for row in rows))
    except OSError as error:
        raise UsageError(f"the scores could not be kept in {path} ({error.strerror or error})") from error


def spread(scored: list[list[Score]]) -> list[str]:
    """Mean and standard deviation over the seeds, a line for each score."""
    lines = [""]
    for scores in zip(*scored, strict=True):
        if "seed" in scores[0].protocol:
            values = [score.value for score in scores]
            mean, deviation = statistics.fmean(values), statistics.stdev(values)
            lines.append(f"{scores[0].name} {mean:.4g} ± {deviation:.2g} over {len(values)} seeds")
    return lines
