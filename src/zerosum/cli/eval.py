"""``zerosum eval RUN_OR_IMAGES``."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from zerosum.cli.common import check_at_least
from zerosum.errors import UsageError
from zerosum.progress import counted, progress

if TYPE_CHECKING:
    from zerosum.metrics.score import Score
    from zerosum.runs.evaluation import Evaluation
    from zerosum.runs.targets import Question

VERB = ("score a run, or images from any program", 40)  # what it does, and its place in the list


@dataclass(frozen=True)
class EvalOptions:
    """Score a run, or images from any program.

    The scores of a run are added, with their protocols, to its scores.jsonl and its report.

    Attributes:
        target: What to score: the folder of a run, or images: a folder, FILE.zip, FILE.npz or a source.
        against: Real images: a folder, FILE.zip, FILE.npz or a source; `zerosum data` lists all sources; or
            stats:FILE.npz, saved statistics of some. None: the run's own.
        metrics: Names of scores, separated by commas, such as fid,kid,pr,dc; `--metrics help` lists all of them.
            None: the scores that training ends with for a run, with fid where features are named, and fid for images,
            or scores that need no download where Inception's weights are not on this machine; copying besides where
            there are held-out images.
        features: Network that extracts features: inception, inception-clean, vgg16, dinov2, clip, shipped, random or
            FILE.onnx. auto: shipped for grey 32x32 images, otherwise inception.
        held_out: Real images that were not trained on, for copying, cas and polygons. The test split of a source that
            has one is used.
        count: Number of samples. None: as many as there are real images, at most 50,000; for the scores that training
            ends with, half of the real images, or 2,500 points.
        reference_count: Number of real images, for scores that take as many of both. None: all.
        size: Side to which images are brought on both sides, in pixels. None: they stay as they are, and sets of
            unlike sizes are refused. Real images for a run are brought to its size, with a note.
        crop: Whether images are cut to their centre squares first, on both sides.
        background: Colour on which transparent images of files are put: a name, such as white, or #rrggbb. None:
            transparency is left out, as other tools do; for a run white, as in training.
        truncation: Largest size of a latent's component: larger ones are drawn again, as by `zerosum sample`.
            None: latents as in training.
        standing: Batches of 250 samples from which the statistics of batch normalisation are taken afresh. 0: the
            statistics of training.
        seed: Seed of the samples, and of subsets and permutations. None: one more than the run's own, as at the end of
            training; 0 for images.
        repeats: Number of times to score, with consecutive seeds. If more than 1, mean and standard deviation are
            printed too.
        options: Numbers of measures that are to differ from the published ones, MEASURE.OPTION=VALUE, separated by
            commas. Such as pr.k=5 (published: 3), dc.k=3 (5), is.splits=1 (10), kid.subsets=50 (100),
            kid.subset_size=500 (1,000). `--metrics help` lists all with their sources. They are part of a score's
            protocol.
        batch_size: Number of images that pass the feature network at a time; it moves a score only by rounding.
        memory_mib: Cap on the memory for distances between pairs of images, in MiB.
        save_stats: File to which mean and covariance of the target's features are saved, FILE.npz, as pytorch-fid, ADM
            and EDM have them; nothing is scored. None: nothing is saved.
        out: File to which the scores of images are added, FILE.jsonl. None: they are only printed.
        best: Whether to use the checkpoint with the best score instead of the newest one.
        step: Iterations after which the wanted checkpoint was saved. None: the newest, or the best.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
        json: Whether to print one JSON document instead of lines.
    """

    target: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_IMAGES")]
    against: str | None = None
    metrics: str | None = None
    features: str = "auto"
    held_out: str | None = None
    count: int | None = None
    reference_count: int | None = None
    size: int | None = None
    crop: bool = False
    background: str | None = None
    truncation: float | None = None
    standing: int = 0
    seed: int | None = None
    repeats: int = 1
    options: str | None = None
    batch_size: int = 250
    memory_mib: float = 512.0
    save_stats: str | None = None
    out: str | None = None
    best: bool = False
    step: int | None = None
    device: str = "auto"
    json: bool = False


def run(argv: list[str]) -> int:
    """Score a run or images."""
    options = tyro.cli(EvalOptions, args=argv, prog="zerosum eval")
    check_at_least("--repeats", options.repeats, 1)
    if options.metrics == "help":
        return _list_measures()
    from zerosum.runs.evaluation import Evaluation, PartlyScored

    if options.save_stats is not None:
        return _save_statistics(options, Path(options.save_stats))
    printer = _Printer(options)
    with progress(None, "scoring", True) as advance:
        evaluation = Evaluation(_question(options), show=counted(advance), progress=True)
        _check_target(evaluation, options)
        first = evaluation.target.seed if options.seed is None else options.seed
        try:
            for seed in range(first, first + options.repeats):
                printer.begin()
                for score in evaluation.scores(seed):
                    printer.add(score, named=evaluation.named)
        except BaseException:
            if options.json and any(printer.by_seed):  # what there is already is not lost
                printer.end(refused=evaluation.refused)
            raise
    try:
        evaluation.finish(score for scores in printer.by_seed for score in scores)
    except PartlyScored as error:
        printer.end(refused=evaluation.refused)
        raise UsageError(str(error)) from error
    printer.end()
    return 0


def _list_measures() -> int:
    """Print all measures, and their options with defaults and sources."""
    from zerosum.metrics.options import describe
    from zerosum.metrics.registry import measures

    print(*(f"{name:<14} {measure.summary}" for name, measure in measures().items()), sep="\n")
    print("\noptions, as --options takes them, with their defaults:", *describe(), sep="\n")
    return 0


def _save_statistics(options: EvalOptions, path: Path) -> int:
    from zerosum.runs.evaluation import print_note
    from zerosum.runs.statistics import save_statistics

    for name, given in {"repeats": options.repeats > 1, "out": options.out is not None, "json": options.json}.items():
        if given:
            raise UsageError(f"{name}: --save-stats scores nothing; leave it out", argument=name)
    with progress(None, "features", True) as advance:
        show = counted(advance)
        print(save_statistics(_question(options), path, print_note, seed=options.seed, show=show, progress=True))
    return 0


def _question(options: EvalOptions) -> Question:
    from zerosum.metrics.registry import parse_names
    from zerosum.runs.targets import Question

    own = {"metrics", "seed", "repeats", "save_stats", "out", "json"}
    asked = {one.name: getattr(options, one.name) for one in fields(options) if one.name not in own}
    return Question(metrics=None if options.metrics is None else parse_names(options.metrics), **asked)


def _check_target(evaluation: Evaluation, options: EvalOptions) -> None:
    """Refuse options that mean nothing for a run, or for images."""
    is_run = evaluation.target.folder is not None
    if options.repeats > 1 and not is_run:
        raise UsageError("--repeats draws new samples each time, but images stay the same: leave it out")
    if options.out is not None and is_run:
        raise UsageError(f"--out {options.out}: the scores of a run are added to its scores.jsonl; leave it out")


@dataclass
class _Printer:
    """Prints scores as they come, or all of them as JSON at the end, and adds those of images to a file.

    Attributes:
        options: Options of the command.
        by_seed: The scores for each seed.
    """

    options: EvalOptions
    by_seed: list[list[Score]] = field(default_factory=list)

    def begin(self) -> None:
        """Begin with a further seed."""
        self.by_seed.append([])

    def add(self, score: Score, *, named: bool) -> None:
        """Print a score; those that training ends with, without details, and without floors that were printed."""
        first = len(self.by_seed) == 1
        self.by_seed[-1].append(score)
        if self.options.out is not None:
            from zerosum.files import Rows
            from zerosum.runs.evaluation import append_rows, to_row

            append_rows(Rows(Path(self.options.out)), [to_row(score)])
        if self.options.json:
            return
        if named or first or "seed" in score.protocol:
            print(score.short(), flush=True)
        if named and score.details:
            print("  " + ", ".join(f"{name} {value:.4g}" for name, value in score.details.items()), flush=True)

    def end(self, refused: dict[str, str] | None = None) -> None:
        """Print mean and deviation of several seeds, or all as JSON."""
        if self.options.json:
            print(json.dumps(self._document() | ({"refused": refused} if refused else {}), indent=1, allow_nan=False))
        elif self.options.repeats > 1:
            print(*("", *spread(self.by_seed)), sep="\n")

    def _document(self) -> dict[str, Any]:
        rows = [json.loads(score.to_json()) for scores in self.by_seed for score in scores]
        distinct = [row for i, row in enumerate(rows) if row not in rows[:i]]  # floors are the same for every seed
        return {"target": self.options.target, "against": self.options.against, "scores": distinct}


def spread(by_seed: Iterable[Iterable[Score]]) -> list[str]:
    """Mean and standard deviation over the seeds, as one line for each score that depends on them."""
    values: dict[str, list[float]] = {}
    for score in (score for scores in by_seed for score in scores if "seed" in score.protocol):
        values.setdefault(score.name, []).append(score.value)
    repeated = {name: several for name, several in values.items() if len(several) > 1}
    return [f"{name} {statistics.fmean(several):.4g}{_deviation(several)}" for name, several in repeated.items()]


def _deviation(values: list[float]) -> str:
    if not all(map(math.isfinite, values)):
        return f" over {len(values)} seeds"
    return f" ± {statistics.stdev(values):.2g} over {len(values)} seeds"
