"""What a run leaves in its folder while it trains: rows of its log, pictures, checkpoints and scores."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from torch import Tensor

from zerosum import __version__
from zerosum.core import checkpoint
from zerosum.core.game import State
from zerosum.errors import CheckpointError, UsageError
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.metrics.registry import direction_of
from zerosum.metrics.score import Score
from zerosum.runs import scoring
from zerosum.runs.log import Display, Means
from zerosum.runs.phases import game_at, sampler_at
from zerosum.runs.pictures import draw_training
from zerosum.runs.renewal import ReportRenewal
from zerosum.runs.setup import Setup
from zerosum.runs.tracking import Journal, open_journal
from zerosum.runs.watch import Watch

SAVE_SECONDS = 300.0  # longest time between checkpoints
EARLY_SECONDS = 30.0  # time after which there is a first checkpoint and a first picture, whatever the steps
IN_ALL = 10  # pictures and checkpoints of a run
SHOWN = 64  # images on a contact sheet
SHOWN_POINTS = 2_000  # points on a scatter plot


class Moment(NamedTuple):
    """Where a run is.

    Attributes:
        step: Iterations so far.
        state: Weights and all else that changes.
        position: Number of the next batch.
        seconds: Seconds of training so far, without those of pictures and scores.
        means: Losses since the last row of the log. ``None``: there are none.
        share: Share of this call of train or resume that is done, from 0 to 1: its time limit counts, too.
        end: Step at which it will probably end. 0: not known.
    """

    step: int
    state: State
    position: int
    seconds: float
    means: Means | None = None
    share: float = 0.0
    end: int = 0


class Records:
    """Writes what a run leaves in its folder. In a run of several processes, only one has records.

    Args:
        setup: What is trained.
        folder: Folder of the run.
        display: Where scores and alarms are shown.
    """

    def __init__(self, setup: Setup, folder: RunFolder, display: Display) -> None:
        self.setup, self.folder, self.display = setup, folder, display
        total = setup.recipe.steps
        self.sample_every = setup.settings.sample_every or max(1, total // IN_ALL)
        self.save_every = setup.settings.save_every or max(1, total // IN_ALL)
        self.watch = Watch(setup, folder, display)
        self.renewal = ReportRenewal(folder, display)
        self.journal: Journal | None = None
        self.saved_at = self.opened_at = 0.0
        self._saved = self._pictured = False  # since the records were opened
        self._pictures = 0  # tenths of this call that are done, where pictures follow its time limit

    def resume_at(self, step: int) -> None:
        """Forget what was recorded after ``step``, and recall what came before."""
        self.folder.forget_after(step)
        self.folder.outcome_file.unlink(missing_ok=True)  # that of the training before, which goes on now
        self.watch.recall()

    def connect(self, step: int) -> None:
        """Open what numbers and pictures go to. Services may print something, so this comes before any display.

        Raises:
            UsageError: The service that was asked for is not installed, or does not start.
        """
        self.journal = open_journal(self.setup, self.folder, self.display, step)

    def open(self, now: Moment) -> None:
        """Do what is due before the first iteration."""
        if now.step == 0:
            self.picture(now)
            if self.setup.settings.eval_start:
                self.score(now)
        self.saved_at = self.opened_at = time.monotonic()
        self._saved, self._pictured = bool(self.folder.checkpoints()), False

    def close(self) -> None:
        """Close what numbers and pictures go to."""
        if self.journal is not None:
            self.journal.close()

    def log(self, step: int, losses: dict[str, float], seconds: float, rate: float) -> None:
        """Add a row to ``metrics.jsonl``.

        Args:
            step: Iterations so far.
            losses: Means of the losses since the last row.
            seconds: Seconds of training so far.
            rate: Real samples per second since the last row.
        """
        facts = {
            "images": self.setup.images(step),
            "seconds": round(seconds, 3),
            "images_per_second": round(rate, 1),
        }
        if self.journal is not None:
            self.journal.add_row(step, facts, losses)
        self.watch.log(step, losses)

    def update(self, now: Moment) -> None:
        """Do what is due after an iteration."""
        every = self.setup.settings.eval_every
        due_score = every > 0 and now.step % every == 0
        early = time.monotonic() - self.opened_at > EARLY_SECONDS
        self.watch.end = now.end or self.setup.recipe.steps
        if self.watch.due(now.step):
            self.look(now)
        if self.picture_due(now):
            self.picture(now)
        elif early and not self._pictured:
            self.draw(now)  # not judged: what alarms see must not depend on the speed of the machine
        late = time.monotonic() - self.saved_at > SAVE_SECONDS or (early and not self._saved)
        saves = due_score or late or now.step % self.save_every == 0
        if saves:
            self.save(now)
        if due_score:
            self.score(now)
        self.renewal.update(saved=saves)

    def picture_due(self, now: Moment) -> bool:
        """Whether it is time for a picture: at every tenth of the steps, or of the time where that ends the run."""
        settings = self.setup.settings
        if settings.sample_every or settings.minutes is None:
            return now.step % self.sample_every == 0
        before, self._pictures = self._pictures, int(IN_ALL * now.share)
        return self._pictures > before

    def finish(self, now: Moment) -> None:
        """Do what is due at the end of training, except scoring."""
        self.watch.end = now.step
        if self.watch.due(now.step):
            self.look(now)
        self.save(now)
        self.picture(now)

    def look(self, now: Moment) -> None:
        """Look at the singular values of every weight."""
        self.watch.look(now.step, game_at(self.setup, now.step), now.state)

    def picture(self, now: Moment) -> None:
        """Draw samples, and judge their variety."""
        self.watch.picture(now.step, self.draw(now))

    def draw(self, now: Moment) -> Tensor:
        """Draw samples from latents that stay the same throughout the run. Returns the samples, (n, ...)."""
        path = self.folder.samples / f"step-{now.step:09d}.png"
        sampler = sampler_at(self.setup, now.state, now.step)
        samples = sampler(0, SHOWN_POINTS if self.setup.data.is_points else SHOWN)
        draw_training(self.setup, sampler, samples, now.step, path)
        if self.journal is not None:
            self.journal.add_picture(path, now.step)
        self._pictured = True
        return samples

    def save(self, now: Moment) -> None:
        """Write a checkpoint.

        Raises:
            CheckpointError: The weights are not finite (earlier checkpoints are kept), or the disk is full.
        """
        check_weights(now.state)
        meta = {
            "recipe": self.setup.name,
            "step": now.step,
            "position": now.position,
            "seconds": now.seconds,
            "means": now.means.save() if now.means is not None else {},
            "zerosum": __version__,
        }
        checkpoint.save(self.folder.checkpoint_for(now.step), now.state, meta)
        self.folder.prune(self.setup.settings.keep)
        self.saved_at, self._saved = time.monotonic(), True

    def score(self, now: Moment) -> list[Score]:
        """Score the generator as it is now, and remember whether it is the best so far.

        Raises:
            UsageError: The samples cannot be scored.
        """
        known = [row["score"] for row in Rows(self.folder.scores) if row["step"] == now.step]
        if known:  # scored before this run was stopped and resumed
            return [Score.from_json(json.dumps(score)) for score in known]
        seed = self.setup.settings.seed + 1
        sampler = sampler_at(self.setup, now.state, now.step).with_seed(seed)
        reasons: dict[str, str] = {}
        try:
            scores = scoring.score_in_training(
                sampler, self.setup, now.step, seed, lambda measure, error: reasons.update({measure.name: str(error)})
            )
        except UsageError as error:
            raise UsageError(f"step {now.step:,} was saved, but {error}") from error
        if reasons and not scores:
            name, reason = next(iter(reasons.items()))
            raise UsageError(f"step {now.step:,} was saved, but these samples cannot be scored: {name}: {reason}")
        for name, reason in reasons.items():
            self.display.say(f"step {now.step:,}: not scored by {name}: {reason}")
        Rows(self.folder.scores).append(*(scoring.row_of(score, now.step, now.seconds) for score in scores))
        for score in scores:
            if self.journal is not None:
                self.journal.add_scalar(f"scores/{score.name}", score.value, now.step)
        if scores:
            self.display.say(f"step {now.step:,}: " + "; ".join(f"{s.name} {s.value:.4g}" for s in scores))
            self.rank(scores[0], now.step)
            self.watch.add_scores(now.step, [json.loads(score.to_json()) for score in scores])
        return scores

    def rank(self, score: Score, step: int) -> None:
        """Mark the checkpoint after ``step`` iterations as the best if ``score`` says so."""
        path, file = self.folder.checkpoint_for(step), self.folder.best_file
        if not path.is_dir():
            return
        sign = -1 if direction_of(score.name) == "higher" else 1
        best = json.loads(file.read_text("utf-8"))["value"] if file.exists() else None
        if best is None or sign * score.value < sign * best:
            self.folder.mark_best(path, score.name, score.value)


def check_weights(state: State) -> None:
    """Refuse weights that are not finite.

    Raises:
        CheckpointError: A weight contains NaN or infinity. The message names the first one and its network.
    """
    for name, weights in state.weights.items():
        for key, weight in weights.items():
            if not bool(weight.isfinite().all()):
                raise CheckpointError(f"{name}/{key} contains NaN or infinity: not saved, earlier checkpoints are kept")
