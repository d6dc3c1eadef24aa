"""The loop around the engine: iterations with what is due after each, and a clean end whatever happens."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field

import torch

from zerosum.core import checkpoint, parallel
from zerosum.files import write_json
from zerosum.folder import RunFolder
from zerosum.metrics.score import Score
from zerosum.runs.earlier import renamer
from zerosum.runs.log import Display, Means
from zerosum.runs.phases import begin, game_at, phases
from zerosum.runs.records import Moment, Records
from zerosum.runs.setup import Batches, Setup


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
        seconds: Seconds of training, without those of pictures and scores.
        images_per_second: Real samples per second of training.
        peak_memory_mib: Largest amount of memory in use, on the GPU if there is one.
        scores: Scores at the end.
    """

    step: int
    finished: bool
    seconds: float
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
        self.log_every = setup.settings.log_every or max(1, setup.recipe.steps // 1000)

    def restore(self) -> None:
        """Go to the newest checkpoint in the folder.

        Raises:
            CheckpointError: The checkpoint cannot be read.
        """
        path = self.folder.latest()
        self.step = int(checkpoint.load_meta(path)["step"])
        like = begin(self.setup, game_at(self.setup, self.step))
        self.state, meta = self.folder.load(like, path, renamer(self.setup.name))
        self.batches.position, self.clock.before = int(meta["position"]), float(meta["seconds"])
        if self.records is not None:
            self.records.resume_at(self.step)

    def play(self) -> Outcome:
        """Train to the end, to the time limit, or until asked to stop. What was learnt is saved in every case."""
        records = self.records
        scores: list[Score] = []
        try:
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

    def now(self) -> Moment:
        """Where the run is."""
        return Moment(self.step, self.state, self.batches.position, self.clock.seconds)

    def iterate(self) -> None:
        """Play the iterations, and do what is due after each."""
        means, total = Means(), self.setup.recipe.steps
        logged_step, logged_seconds, rate = self.step, self.clock.seconds, 0.0
        losses: dict[str, float] = {}
        self.clock.start()
        for step, state, terms in phases(self.setup, self.batches, self.state, self.step):
            self.step, self.state = step, state
            means.add(terms)
            if step % self.log_every == 0 or step == total:
                losses, seconds = means.take(), self.clock.seconds
                images = self.setup.images(step) - self.setup.images(logged_step)
                rate = images / max(seconds - logged_seconds, 1e-9)
                logged_step, logged_seconds = step, seconds
                if self.records is not None:
                    self.records.log(step, losses, seconds, rate)
            self.display.update(step, rate, losses)
            if step == total or self.ends():
                break
            if self.records is not None:
                self.clock.stop()
                self.records.update(self.now())
                self.clock.start()
        self.clock.stop()

    def ends(self) -> bool:
        """Whether it is time to stop. All ranks agree, at iterations that are logged."""
        minutes = self.setup.settings.minutes
        wish = self.stop.asked or (minutes is not None and self.clock.seconds > 60 * minutes)
        if parallel.world() == 1:
            return wish
        if self.step % self.log_every:
            return False
        return float(parallel.mean({"wish": torch.tensor(float(wish), device=self.setup.device)})["wish"]) > 0

    def outcome(self, scores: list[Score]) -> Outcome:
        """Sum up the run, and write ``outcome.json``."""
        images, seconds = self.setup.images(self.step), self.clock.seconds
        if self.setup.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.setup.device) / 2**20
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        rate = images / seconds if seconds else 0.0
        outcome = Outcome(self.step, self.step >= self.setup.recipe.steps, seconds, rate, peak, scores)
        if self.records is not None:
            facts = {key: value for key, value in vars(outcome).items() if key != "scores"}
            write_json(self.folder.outcome_file, facts)
        return outcome
