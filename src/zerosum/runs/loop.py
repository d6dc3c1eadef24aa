"""The loop around the engine: iterations with what is due after each, and a clean end whatever happens."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

import torch

from zerosum.core import checkpoint, parallel
from zerosum.files import write_json
from zerosum.folder import RunFolder
from zerosum.metrics.score import Score
from zerosum.runs.earlier import renamer
from zerosum.runs.estimate import Pace, Thinning, forecast_for, peak_memory_mib, size, state_bytes, work_of
from zerosum.runs.log import Display, Means, Standing
from zerosum.runs.phases import begin, game_at, phases
from zerosum.runs.records import Moment, Records
from zerosum.runs.setup import Batches, Setup

ROWS = 1000  # rows of the log in a run
SHOWN_APART = 0.25  # seconds between renewals of the display
NEWS = 10.0  # seconds after which losses are shown that are not logged yet
End = Literal["finished", "minutes", "asked"]


class Stop:
    """A request, set from elsewhere (Ctrl-C), to end a run after the current iteration.

    Attributes:
        asked: Whether the run is to end.
    """

    def __init__(self) -> None:
        self.asked = False


class Stopwatch:
    """Counts the seconds of training.

    Attributes:
        before: Seconds up to the last stop, including those of earlier processes that trained the same run.
    """

    def __init__(self) -> None:
        self.before = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self.before if self._since is None else self.before + time.monotonic() - self._since

    def start(self) -> None:
        """Go on counting."""
        self._since = time.monotonic()

    def stop(self) -> None:
        """Stop counting."""
        self.before, self._since = self.seconds, None


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        step: Iterations in all.
        finished: Whether that is all that the recipe asks for.
        ended: Why training ended: it is finished, the minutes that were asked for are over, or somebody asked to stop.
        seconds: Seconds of training, without those of pictures and scores.
        spent: Those of this call of train or resume alone.
        images_per_second: Real samples per second of training.
        peak_memory_mib: Largest amount of memory in use, on the GPU if there is one.
        scores: Scores at the end.
    """

    step: int
    finished: bool
    ended: End
    seconds: float
    spent: float
    images_per_second: float
    peak_memory_mib: float
    scores: list[Score] = field(default_factory=list)


class Training:
    """A run in progress.

    Args:
        setup: What is trained.
        folder: Folder of the run.
        display: What shows how far the run has come.
        stop: What ends the run early.
    """

    def __init__(self, setup: Setup, folder: RunFolder, display: Display, stop: Stop) -> None:
        self.setup, self.folder, self.display, self.stop = setup, folder, display, stop
        self.records = Records(setup, folder, display) if parallel.rank() == 0 else None
        self.batches = Batches(setup)
        self.clock = Stopwatch()
        self.step = 0
        self.state = begin(setup, game_at(setup, 0))
        self.means = Means()
        self.losses: dict[str, float] = {}  # what the display shows
        self.logged = (0, 0.0)  # iterations and seconds at the newest row of the log
        self.shown_at = self.news_at = 0.0  # when the display was renewed, and when it had new losses
        self.earlier = 0.0  # seconds of training in earlier calls
        self.work = work_of(setup)
        self.pace = self._pace()
        self.ended: End = "finished"
        # Where the time decides on the end, the steps of rows must not depend on it: a resumed run meets the same.
        self.thinning = Thinning(setup.recipe.steps, ROWS) if setup.settings.minutes is not None else None
        self.log_every = setup.settings.log_every or max(1, setup.recipe.steps // ROWS)

    def restore(self) -> None:
        """Go to the newest checkpoint in the folder.

        Raises:
            CheckpointError: The checkpoint cannot be read.
        """
        path = self.folder.latest()
        self.step = int(checkpoint.load_meta(path)["step"])
        like = begin(self.setup, game_at(self.setup, self.step))
        self.state, meta = self.folder.load(like, path, renamer(self.setup.page))
        self.batches.position, self.clock.before = int(meta["position"]), float(meta["seconds"])
        self.means.restore(meta.get("means", {}), self.setup.device)
        if self.records is not None:
            self.records.resume_at(self.step)

    def play(self) -> Outcome:
        """Train to the end, to the time limit, or until asked to stop. What was learnt is saved in every case.

        Raises:
            UsageError: The service that is to track the run does not start.
        """
        records = self.records
        scores: list[Score] = []
        self.earlier, self.pace = self.clock.seconds, self._pace()
        try:
            if records is not None:
                records.connect(self.step)
            with self.display:
                if records is not None:
                    records.open(self.now())
                self.iterate()
                if records is not None:
                    records.finish(self.now())
                    if not self.stop.asked:
                        scores = records.score(self.now())
        finally:
            if records is not None:
                records.close()
        return self.outcome(scores)

    def _pace(self) -> Pace:
        minutes, compiled = self.setup.settings.minutes, self.setup.backend is not None
        return Pace(self.work, self.step, self.setup.recipe.steps, minutes=minutes, compiled=compiled)

    @property
    def spent(self) -> float:
        """Seconds of training in this call of train or resume."""
        return self.clock.seconds - self.earlier

    def now(self) -> Moment:
        """Where the run is."""
        known = (self.step, self.state, self.batches.position, self.clock.seconds)
        return Moment(*known, means=self.means, share=self.pace.share, end=self.pace.end)

    def iterate(self) -> None:
        """Play the iterations, and do what is due after each."""
        total, said = self.setup.recipe.steps, False
        self.logged = (self.step, self.clock.seconds)
        self.display.update(Standing(self.step))
        self.shown_at = self.news_at = time.monotonic()
        self.clock.start()
        for step, state, terms in phases(self.setup, self.batches, self.state, self.step):
            self.step, self.state = step, state
            self.means.add(terms)
            if self.logs(step):
                self.log(step)
            self.pace.tick(step, self.spent, time.monotonic())
            self.show()
            said = said or self.foretell()
            if step == total or self.ends():
                break
            if self.records is not None:
                self.clock.stop()
                self.records.update(self.now())
                self.clock.start()
        self.clock.stop()
        if self.ended == "minutes":
            self.display.say(self.why_so_soon())

    def logs(self, step: int) -> bool:
        """Whether a row is due after ``step`` iterations: a function of the step alone."""
        if self.thinning is not None and not self.setup.settings.log_every:
            return step in self.thinning or step == self.setup.recipe.steps
        return step % self.log_every == 0 or step == self.setup.recipe.steps

    def log(self, step: int) -> None:
        """Add a row to the log."""
        self.losses, seconds = self.means.take(), self.clock.seconds
        before, then = self.logged
        images = self.work(step) - self.work(before)
        self.logged, self.news_at = (step, seconds), time.monotonic()
        if self.records is not None:
            self.records.log(step, self.losses, seconds, images / max(seconds - then, 1e-9))

    def show(self) -> None:
        """Let the display know, a few times a second. What is not logged yet is shown where rows are far apart."""
        now, last = time.monotonic(), self.step == self.setup.recipe.steps
        if not self.display.shown or (now - self.shown_at < SHOWN_APART and not last):
            return
        if now - self.news_at > NEWS or not self.losses:
            self.losses, self.news_at = self.means.peek() or self.losses, now
        self.display.update(Standing(self.step, self.pace.rate, self.pace.left, self.losses))
        self.shown_at = now

    def foretell(self) -> bool:
        """Say what the run will take, once that is known. Returns whether it is."""
        if not self.pace.known or self.step == self.setup.recipe.steps:
            return False
        told = forecast_for(self.setup, self.pace.per_step, self.pace.first)
        self.display.say(f"{told}; a checkpoint takes {size(state_bytes(self.state))}")
        return True

    def why_so_soon(self) -> str:
        """What is said of a run that its time limit ended."""
        asked, total = self.setup.settings.minutes, self.setup.recipe.steps
        minutes = self.spent / 60
        taken = f"{minutes:.1f} minutes" if minutes >= 1 else f"{minutes:.2g} minutes"
        return f"stopped after {taken} at step {self.step:,} of {total:,}, at the time limit ({asked:g} min)"

    def ends(self) -> bool:
        """Whether it is time to stop. All ranks agree, at iterations that are logged."""
        minutes = self.setup.settings.minutes
        over = minutes is not None and self.spent > 60 * minutes
        if parallel.world() > 1:
            if not self.logs(self.step):
                return False
            over = over and parallel.rank() == 0  # the others' clocks run on while it draws and scores
            wishes = {"asked": float(self.stop.asked), "over": float(over)}
            heard = parallel.mean({k: torch.tensor(v, device=self.setup.device) for k, v in wishes.items()})
            asked, over = float(heard["asked"]) > 0, float(heard["over"]) > 0
        else:
            asked = self.stop.asked
        self.ended = "asked" if asked else "minutes" if over else "finished"
        return asked or over

    def outcome(self, scores: list[Score]) -> Outcome:
        """Sum up the run, and write ``outcome.json``."""
        seconds, finished = self.clock.seconds, self.step >= self.setup.recipe.steps
        outcome = Outcome(
            step=self.step,
            finished=finished,
            ended=self.ended,
            seconds=seconds,
            spent=self.spent,
            images_per_second=self.setup.images(self.step) / seconds if seconds else 0.0,
            peak_memory_mib=peak_memory_mib(self.setup.device),
            scores=scores,
        )
        if self.records is not None:
            facts = {key: value for key, value in vars(outcome).items() if key != "scores"}
            write_json(self.folder.outcome_file, facts)
        return outcome
