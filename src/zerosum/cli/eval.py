"""``zerosum eval RUN``."""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from zerosum.cli.common import Opened, at_least, opened
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from zerosum.metrics.score import Score


@dataclass(frozen=True)
class Options:
    """Score a run, and add the scores with their protocol to its scores.jsonl and its report.

    Attributes:
        run: the run's folder.
        count: number of samples; None: what the score says, half of the real images or 2,500 points.
        seed: of the samples; None: one more than the run's own, as at the end of training.
        repeats: score so many times, with seeds one after the other, and give mean and standard deviation.
        best: the checkpoint with the best score, instead of the newest.
        device: auto, cpu, cuda or cuda:N.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    count: int | None = None
    seed: int | None = None
    repeats: int = 1
    best: bool = False
    device: str = "auto"


def run(argv: list[str]) -> int:
    """Score."""
    options = tyro.cli(Options, args=argv, prog="zerosum eval")
    at_least("--repeats", options.repeats, 1)
    found = opened(options.run, best=options.best, device=options.device, real=True)
    from zerosum.metrics.evaluate import why_not
    from zerosum.runs.report import write_report

    why = why_not(found.setup.data)
    if why is not None:
        raise UsageError(f"{options.run} cannot be scored: {why}")
    if found.setup.data.fingerprint != found.folder.record()["data"]["fingerprint"]:
        print(f"note: {found.setup.data.name} has changed since {options.run} was trained on it", file=sys.stderr)
    first = found.setup.settings.seed + 1 if options.seed is None else options.seed
    scored = repeat(found, options, range(first, first + options.repeats))
    keep(found, options.best, [score for scores in scored for score in scores])
    if options.repeats > 1:
        print(*spread(scored), sep="\n")
    write_report(found.folder)
    return 0


def repeat(found: Opened, options: Options, seeds: range) -> list[list[Score]]:
    """The scores of each seed, printed as they come.

    Raises:
        UsageError: the samples are not finite, or the data cannot give ``count``.
    """
    from zerosum.data.progress import progress
    from zerosum.metrics.evaluate import POINTS, evaluate

    setup = found.setup
    extra = {"ema": setup.settings.ema, "precision": "bf16" if setup.autocast else "float32"}
    usual = POINTS if setup.data.count is None else setup.data.count // 2
    scored: list[list[Score]] = []
    with progress(len(seeds) * (options.count or usual), "scoring", True) as advance:
        for seed in seeds:
            before = 0

            def show(done: int, total: int) -> None:
                nonlocal before
                advance(done - before)
                before = done

            sampler = found.sampler.with_seed(seed)
            try:
                scores = evaluate(
                    sampler,
                    setup.data,
                    seed=seed,
                    count=options.count,
                    device=setup.device,
                    progress=show,
                    extra=dict(extra),
                )
            except ValueError as error:
                raise UsageError(f"{options.run} cannot be scored: {error}") from error
            scored.append(scores)
            print(*(score.short() for score in scores if len(scored) == 1 or "seed" in score.protocol), sep="\n")
    return scored


def keep(found: Opened, best: bool, scores: list[Score]) -> None:
    """Add scores to ``scores.jsonl``, in rows like those of training."""
    from zerosum.core import checkpoint

    folder = found.folder
    meta = checkpoint.load_meta((folder.best() if best else None) or folder.latest())
    rows = [
        json.dumps({"step": found.step, "seconds": round(float(meta["seconds"]), 3), "score": json.loads(text)}) + "\n"
        for text in dict.fromkeys(score.to_json() for score in scores)  # a floor is the same for every seed
    ]
    try:
        cut = folder.scores.exists() and folder.scores.read_bytes()[-1:] not in (b"", b"\n")
        with folder.scores.open("a") as file:
            file.write("\n" * cut + "".join(rows))
    except OSError as error:
        raise UsageError(f"the scores could not be kept in {folder.scores} ({error.strerror or error})") from error


def spread(scored: list[list[Score]]) -> list[str]:
    """Mean and standard deviation over the seeds, a line for each score."""
    lines = [""]
    for scores in zip(*scored, strict=True):
        if "seed" in scores[0].protocol:
            values = [score.value for score in scores]
            mean, deviation = statistics.fmean(values), statistics.stdev(values)
            lines.append(f"{scores[0].name} {mean:.4g} ± {deviation:.2g} over {len(values)} seeds")
    return lines
