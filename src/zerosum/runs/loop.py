"""The loop around the engine: schedules of pictures, scores and checkpoints, and a clean end whatever happens."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from zerosum import __version__
from zerosum.core import checkpoint, parallel
from zerosum.core.checkpoint import CheckpointError
from zerosum.core.dynamics import alternating
from zerosum.core.game import Game, Said, State, carry, start
from zerosum.core.train import train
from zerosum.metrics.evaluate import evaluate
from zerosum.metrics.measures import higher_is_better
from zerosum.metrics.score import Score
from zerosum.recipe import UsageError
from zerosum.runs import scoring
from zerosum.runs.folder import RunFolder
from zerosum.runs.log import Display, Logger, Means, rows_of
from zerosum.runs.pictures import scatter, sheet
from zerosum.runs.sampler import Sampler, sampled_tensors
from zerosum.runs.setup import Batches, Setup
from zerosum.runs.watch import Watch

SAVE_SECONDS = 300.0  # a checkpoint at least this often
SHOWN = 64  # images on a contact sheet
SHOWN_POINTS = 2_000


class Stop:
    """Set from outside (Ctrl-C) to end a run after the current iteration."""

    def __init__(self) -> None:
        self.asked = False


@dataclass
class Outcome:
    """How a run ended."""

    step: int
    finished: bool
    seconds: float
    images_per_second: float
    peak_memory_mib: float
    scores: list[Score] = field(default_factory=list)


def phase_of(setup: Setup, step: int) -> tuple[int, int]:
    """(index, iterations before it) of the phase in which iteration ``step - 1`` was played."""
    before = 0
    for index, phase in enumerate(setup.recipe.phases):
        if step <= before + phase.steps:
            return index, before
        before += phase.steps
    return len(setup.recipe.phases) - 1, before - setup.recipe.phases[-1].steps


def begin(setup: Setup, game: Game) -> State:
    """The initial state of a game, on the run's device."""
    return start(game, setup.device)


def phases(setup: Setup, batches: Batches, state: State, step: int) -> Iterator[tuple[int, State, Said]]:
    """Iterate over ``(step, state, said)`` of all phases, from ``state`` after ``step`` iterations."""
    index, before = phase_of(setup, step)
    for i, phase in enumerate(setup.recipe.phases):
        if i < index:
            continue
        if i > index:
            state = carry(state, begin(setup, phase.game))
        turns = train(
            phase.game,
            state,
            batches,
            phase.steps,
            first=max(0, step - before),
            dynamics=setup.recipe.dynamics or alternating,
            backend=setup.backend,
            check_every=1 if setup.device.type == "cpu" else 50,
        )
        for t, after, said in turns:
            state = after
            yield before + t + 1, state, said
        before += phase.steps


class Run:
    """A run in progress."""

    def __init__(self, setup: Setup, folder: RunFolder, display: Display, stop: Stop) -> None:
        self.setup, self.folder, self.display, self.stop = setup, folder, display, stop
        self.writes = parallel.rank() == 0
        self.batches = Batches(setup)
        self.seconds = 0.0  # of training, pictures and scores aside
        self.step = 0
        self.state = begin(setup, setup.recipe.phases[0].game)
        total, asked = setup.recipe.steps, setup.settings
        self.log_every = asked.log_every or max(1, total // 1000)
        self.sample_every = asked.sample_every or max(1, total // 10)
        self.save_every = asked.save_every or max(1, total // 10)
        self.watch = Watch(setup, folder, display, on=self.writes)

    def restore(self) -> None:
        """Go to the newest checkpoint of the folder.

        Raises:
            CheckpointError: it cannot be read.
        """
        path = self.folder.latest()
        step = int(checkpoint.load_meta(path)["step"])
        index, _ = phase_of(self.setup, step)
        self.state, meta = self.folder.load(begin(self.setup, self.setup.recipe.phases[index].game), path)
        self.step, self.batches.position, self.seconds = step, int(meta["position"]), float(meta["seconds"])
        if self.writes:
            self.folder.forget_after(step)
            self.watch.recall()

    def play(self) -> Outcome:
        """Train to the end, to the time limit, or until asked to stop; what was learnt is saved in every case."""
        logger = Logger(self.folder.metrics) if self.writes else None
        scores: list[Score] = []
        try:
            with self.display:
                if self.step == 0:
                    self.picture()
                    if self.setup.settings.eval_start:
                        self.score(logger)
                self.iterate(logger)
                if self.watch.due(self.step):
                    self.look()
                self.save()
                self.picture()
                if not self.stop.asked:
                    scores = self.score(logger)
        finally:
            if logger is not None:
                logger.close()
        return self.outcome(scores)

    def iterate(self, logger: Logger | None) -> None:
        """The iterations, with what is due after each."""
        settings, total = self.setup.settings, self.setup.recipe.steps
        means, saved = Means(), time.monotonic()
        since, logged = time.monotonic(), (self.step, self.seconds)
        rate = 0.0
        losses: dict[str, float] = {}
        for step, state, said in phases(self.setup, self.batches, self.state, self.step):
            self.step, self.state = step, state
            means.add(said)
            if step % self.log_every == 0 or step == total:
                losses = means.take()
                spent = self.seconds + time.monotonic() - since
                rate = (self.setup.images(step) - self.setup.images(logged[0])) / max(spent - logged[1], 1e-9)
                logged = (step, spent)
                self.log(logger, losses, rate, spent)
            self.display.update(step, rate, losses)
            ends = self.ends(self.seconds + time.monotonic() - since)
            if step == total or ends:
                self.seconds += time.monotonic() - since
                return
            due_save = step % self.save_every == 0 or time.monotonic() - saved > SAVE_SECONDS
            due_score = settings.eval_every and step % settings.eval_every == 0
            due_look = self.watch.due(step)
            if step % self.sample_every == 0 or due_save or due_score or due_look:
                self.seconds += time.monotonic() - since
                if due_look:
                    self.look()
                if step % self.sample_every == 0:
                    self.picture()
                if due_save or due_score:
                    self.save()
                    saved = time.monotonic()
                if due_score:
                    self.score(logger)
                since = time.monotonic()

    def ends(self, spent: float) -> bool:
        """Is it time to stop? All ranks agree, at iterations that are logged."""
        minutes = self.setup.settings.minutes
        wish = self.stop.asked or (minutes is not None and spent > 60 * minutes)
        if parallel.world() == 1:
            return wish
        if self.step % self.log_every:
            return False
        return float(parallel.mean({"wish": torch.tensor(float(wish), device=self.setup.device)})["wish"]) > 0

    def log(self, logger: Logger | None, losses: dict[str, float], rate: float, spent: float) -> None:
        """A row of metrics.jsonl."""
        if logger is not None:
            images = self.setup.images(self.step)
            row = {"images": images, "seconds": round(spent, 3), "images_per_second": round(rate, 1)}
            logger.row(self.step, row, losses)
            self.watch.log(self.step, losses)

    def look(self) -> None:
        """Look at the singular values of every weight."""
        index, _ = phase_of(self.setup, self.step)
        self.watch.look(self.step, self.setup.recipe.phases[index].game, self.state)

    def sampler(self) -> Sampler:
        """The generator as it is now."""
        index, _ = phase_of(self.setup, self.step)
        return sampler_of(self.setup, self.state, index)

    def picture(self) -> None:
        """Draw samples from latents that stay the same throughout the run."""
        if not self.writes:
            return
        path = self.folder.samples / f"step-{self.step:09d}.png"
        samples = self.sampler()(0, SHOWN_POINTS if self.setup.data.is_points else SHOWN)
        if self.setup.data.is_points:
            real, _ = self.setup.data.batch(0, SHOWN_POINTS, seed=self.setup.settings.seed + 1)
            scatter(samples, real, path, f"{self.setup.name}, step {self.step:,}")
        else:
            sheet(samples, path)
        self.watch.picture(self.step, samples)

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            CheckpointError: the weights are not finite (the ones before are kept), or the disk is full.
        """
        if not self.writes:
            return
        check_weights(self.state)
        path = self.folder.checkpoint_for(self.step)
        meta = {
            "recipe": self.setup.name,
            "step": self.step,
            "position": self.batches.position,
            "seconds": self.seconds,
            "zerosum": __version__,
        }
        checkpoint.save(path, self.state, meta)
        self.folder.prune()

    def score(self, logger: Logger | None) -> list[Score]:
        """Score the generator as it is now, and remember whether it is the best so far."""
        if logger is None:
            return []
        known = [r["score"] for r in rows_of(self.folder.scores) if r["step"] == self.step]
        if known:  # before this run was stopped and resumed
            return [Score.from_json(json.dumps(score)) for score in known]
        settings = self.setup.settings
        seed, extra = settings.seed + 1, scoring.facts(self.setup)
        sampler = self.sampler().with_seed(seed)
        try:
            scores = evaluate(sampler, self.setup.data, seed=seed, device=self.setup.device, extra=extra)
            scores += scoring.further(sampler, self.setup, self.step, seed)
        except ValueError as error:
            raise UsageError(f"step {self.step:,} was saved but cannot be scored: {error}") from error
        with self.folder.scores.open("a") as rows:
            for score in scores:
                row = {"step": self.step, "seconds": round(self.seconds, 3), "score": json.loads(score.to_json())}
                rows.write(json.dumps(row) + "\n")
                logger.scalar(f"scores/{score.name}", score.value, self.step)
        if scores:
            self.display.say(f"step {self.step:,}: " + "; ".join(f"{s.name} {s.value:.4g}" for s in scores))
            self.rank_best(scores[0])
            self.watch.scored(self.step, [json.loads(score.to_json()) for score in scores])
        return scores

    def rank_best(self, score: Score) -> None:
        """Mark the checkpoint of this step as the best if ``score`` says so."""
        path, file = self.folder.checkpoint_for(self.step), self.folder.states / "best.json"
        if not path.is_dir():
            return
        sign = -1 if higher_is_better(score.name) else 1
        best = json.loads(file.read_text())["value"] if file.exists() else None
        if best is None or sign * score.value < sign * best:
            self.folder.mark_best(path, score.name, score.value)

    def outcome(self, scores: list[Score]) -> Outcome:
        """Sum up, and write ``outcome.json``."""
        images = self.setup.images(self.step)
        if self.setup.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.setup.device) / 2**20
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        rate = images / self.seconds if self.seconds else 0.0
        found = Outcome(self.step, self.step >= self.setup.recipe.steps, self.seconds, rate, peak, scores)
        if self.writes:
            plain = {k: v for k, v in vars(found).items() if k != "scores"}
            (self.folder.path / "outcome.json").write_text(json.dumps(plain, indent=1))
        return found


def sampler_of(setup: Setup, state: State, index: int) -> Sampler:
    """The generator of phase ``index`` at ``state``."""
    recipe, game = setup.recipe, setup.recipe.phases[index].game
    sampler = Sampler(
        game.nets[recipe.generator],
        recipe.prior,
        device=setup.device,
        autocast=setup.autocast,
        seed=setup.settings.seed,
    )
    sampler.load(sampled_tensors(state, recipe.generator))
    return sampler


def check_weights(state: State) -> None:
    """Refuse to save weights that are not numbers.

    Raises:
        CheckpointError: naming the first network and weight that holds nan or infinity.
    """
    for name, weights in state.weights.items():
        for key, weight in weights.items():
            if not bool(weight.isfinite().all()):
                raise CheckpointError(f"{name}/{key} holds nan or infinity: not saved, earlier checkpoints are kept")
