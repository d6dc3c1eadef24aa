"""Scores of anything: a run, a folder, arrays. The command line and Python users call the same code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from zerosum.core import checkpoint
from zerosum.errors import UsageError
from zerosum.files import Row, Rows
from zerosum.metrics.features.find import AnyFeatures, decide, need_download
from zerosum.metrics.images import SampleSet
from zerosum.metrics.measure import Measure
from zerosum.metrics.options import AnyOptions
from zerosum.metrics.registry import defaults_for, parse_names
from zerosum.metrics.sampling import BATCH, Progress
from zerosum.metrics.score import Score
from zerosum.metrics.scores import Scores
from zerosum.progress import counted
from zerosum.progress import progress as bar
from zerosum.runs import scoring
from zerosum.runs.targets import Note, Question, open_target

if TYPE_CHECKING:
    from os import PathLike

    from zerosum.runs.run import Run


class PartlyScored(UsageError):
    """Some measures could not be taken; what the others gave is not lost.

    Args:
        message: Why.
        scores: Scores of the other measures.
    """

    def __init__(self, message: str, scores: Scores) -> None:
        super().__init__(message, argument="metrics")
        self.scores = scores


class Evaluation:
    """A target with all that is needed to score it, once or with several seeds.

    Everything that can be refused is refused here, before anything is computed. Scores of a run are written to its
    ``scores.jsonl`` as they come.

    Args:
        question: What is to be scored, and how.
        note: Function that tells people something. ``None``: it is printed on stderr.
        show: Function that is called with (done, total) images.
        progress: Whether to show a progress bar while images are decoded.

    Raises:
        UsageError: Something that was asked for does not exist or does not apply.
        DataError: Images cannot be loaded.
        CheckpointError: The run has no readable checkpoint.
    """

    def __init__(
        self, question: Question, *, note: Note | None = None, show: Progress | None = None, progress: bool = False
    ) -> None:
        tell = note or print_note
        self.target = open_target(question, tell, progress=progress)
        self.named = question.metrics is not None
        self.refused: dict[str, str] = {}
        names, also = _names(question, self.target.data, is_run=self.target.folder is not None, note=tell)
        request = scoring.Request(
            names,
            question.features,
            question.held_out if self.target.held_out is None else self.target.held_out,
            question.memory_mib,
            question.device,
            also,
            self.target.count,
            self.target.held,
            question.given_options,
            question.batch_size,
        )
        some = self.target.fakes(self.target.count or self.target.held or 2, self.target.seed)
        self._judge = scoring.judge_of(self.target.real, request, self.target.data, show, some)
        self._written: list[Row] = []
        self._seconds: float | None = None

    def scores(self, seed: int) -> Iterator[Score]:
        """The scores with a seed, each as soon as it is known. What a measure refuses is kept in ``refused``.

        Args:
            seed: Seed of the samples, and of subsets and permutations.

        Raises:
            UsageError: The samples are not finite, or scores cannot be written.
        """
        target = self.target

        def fakes(count: int) -> SampleSet:
            return target.fakes(count, seed)

        for score in scoring.scores_of(
            self._judge, fakes, seed, count=target.count, held=target.held, extra=target.facts, refused=self._refuse
        ):
            self._keep(score)
            yield score

    def _refuse(self, measure: Measure, error: ValueError) -> None:
        self.refused[measure.name] = str(error)

    def _keep(self, score: Score) -> None:
        folder = self.target.folder
        if folder is None:
            return
        if self._seconds is None:
            meta = checkpoint.load_meta(folder.checkpoint_for(self.target.step))
            self._seconds = float(meta["seconds"])
        row = scoring.row_of(score, self.target.step, self._seconds)
        if row not in self._written:  # a floor is the same for every seed
            self._written.append(row)
            append_rows(Rows(folder.scores), [row])

    def finish(self, scores: Iterable[Score]) -> None:
        """Renew the report of a run that was scored, and tell what was refused.

        Args:
            scores: The scores that there are.

        Raises:
            PartlyScored: A measure refused the samples.
        """
        if self.target.folder is not None and self._written:
            from zerosum.report.write import write_report

            write_report(self.target.folder)
        if self.refused:
            # Measures that share a fault share a line.
            reasons = dict.fromkeys(self.refused.values())
            listed = (
                f"{', '.join(name for name, why in self.refused.items() if why == reason)}: {reason}"
                for reason in reasons
            )
            raise PartlyScored(f"these samples cannot be scored by {'; by '.join(listed)}", Scores(scores))


# fmt: off
def evaluate(
    target: str | PathLike[str] | Run | Any, *, against: Any = None, metrics: str | Iterable[str] | None = None,
    features: AnyFeatures = "auto", count: int | None = None, reference_count: int | None = None,
    seed: int | None = None, held_out: Any = None, labels: Any = None, size: int | None = None, crop: bool = False,
    background: str | None = None, truncation: float | None = None, standing: int = 0, best: bool = False,
    step: int | None = None, options: AnyOptions | None = None, batch_size: int = BATCH, memory_mib: float = 512.0,
    device: str = "auto", progress: bool = False,
) -> Scores:
    # fmt: on
    """Score a run, or images from any program: ``evaluate("fakes/", against="photos/", metrics="fid,pr")``.

    Scores of a run are added, with their protocols, to its ``scores.jsonl`` and its report.

    Args:
        target: A run (its folder, or a :class:`Run`), or images, as :func:`zerosum.data.load` takes them: the path of a
            folder, .zip or .npz, a source, an array, a tensor or a data set.
        against: Real samples, as ``load`` takes them. ``None``: the run's own.
        metrics: Names of measures. ``None``: what a training ends with for a run, and fid where ``features`` are
            named; fid for images, or what needs no download where Inception's weights are not on this machine; and
            copying where there are ``held_out`` images.
        features: Network that extracts features, as :class:`zerosum.metrics.Metric` takes it. ``"auto"``: shipped for
            grey images of 32x32, otherwise inception.
        count: Number of samples. ``None``: all images of a set; as many of a run as there are real images, at most
            50,000, or half of that or 2,500 points for what a training ends with. Fewer images than there are come in
            one fixed random order.
        reference_count: Number of real images, in one fixed random order. ``None``: all.
        seed: Seed of samples, subsets and permutations. ``None``: one more than the run's own; 0 for images.
        held_out: Real images that were not trained on, as ``load`` takes them; of a source its test split.
        labels: Classes of images that are given as an array or tensor.
        size: Side to which images are brought on both sides, in pixels. ``None``: they stay as they are, and sets of
            unlike sizes are refused. Real images for a run are brought to its size.
        crop: Whether images are cut to their centre squares first, on both sides.
        background: Colour on which transparent images of files are put, such as "white" or "#102030". ``None``:
            transparency is left out, as other tools do; for a run white, as in training.
        truncation: Largest size of a latent's component. ``None``: latents as in training.
        standing: Batches of 250 samples from which batch-norm statistics are taken. 0: the statistics of training.
        best: Whether to score the checkpoint with the best score instead of the newest one.
        step: Iterations after which the wanted checkpoint was saved. ``None``: the newest, or the best.
        options: Options of the measures, such as ``{"pr.k": 5, "kid.subsets": 50}`` or the same as text,
            ``"pr.k=5,kid.subsets=50"``. ``None``: the published values, which docs/evaluation.md lists.
        batch_size: Number of images that pass the feature network at a time.
        memory_mib: Cap on the memory for distances between pairs of images, in MiB.
        device: Device to compute on: auto, cpu, cuda or cuda:N.
        progress: Whether to show progress bars on stderr.

    Raises:
        UsageError: Something that was asked for does not exist or does not apply; nothing was computed then.
        PartlyScored: A measure refused the samples; ``scores`` of the error are those of the others.
        DataError: Images cannot be loaded.
        CheckpointError: The run has no readable checkpoint.
    """
    asked = {name: value for name, value in locals().items() if name not in ("metrics", "seed", "progress")}
    question = Question(metrics=None if metrics is None else parse_names(metrics), **asked)
    scores: list[Score] = []
    with bar(None, "scoring", progress) as advance:
        evaluation = Evaluation(question, show=counted(advance), progress=progress)
        scores += evaluation.scores(evaluation.target.seed if seed is None else seed)
    evaluation.finish(scores)
    return Scores(scores)


def append_rows(file: Rows, rows: Iterable[Row]) -> None:
    """Add rows to a file of scores.

    Raises:
        UsageError: The file cannot be written to.
    """
    try:
        file.append(*rows)
    except OSError as error:
        raise UsageError(f"the scores could not be written to {file.path} ({error.strerror or error})") from error


def to_row(score: Score) -> Row:
    """A score as a row of a file of scores."""
    row: Row = json.loads(score.to_json())
    return row


def print_note(text: str) -> None:
    """Tell people something, on stderr."""
    print(f"note: {text}", file=sys.stderr)


def _names(question: Question, data: Any, *, is_run: bool, note: Note) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the measures, ``()`` for those that fit the data; and of those that are taken besides."""
    if question.metrics is not None:
        return question.metrics, ()
    # What was given for measures to read is read.
    copying = () if question.held_out is None else ("copying",)
    if is_run or data.is_points:
        return (), (*(("fid",) if question.features != "auto" else ()), *copying)
    features, shape = question.features, tuple(data.shape)
    if isinstance(features, str) and need_download(features, shape) and features == "auto":
        names = ", ".join(defaults_for(data))
        note(
            f"{decide(features, shape)}'s weights are not on this machine: {names or 'no score'} instead of fid, which "
            "metrics=fid downloads"
        )
        return (), copying
    return ("fid", *copying), ()
