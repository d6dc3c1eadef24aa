"""A run as people hold it: its generator and networks, its losses and scores as columns, its report and pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.metrics.score import column_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zerosum.data.base import Data
    from zerosum.pages import Page
    from zerosum.runs.loop import Outcome
    from zerosum.runs.opening import Opened
    from zerosum.runs.sampler import Sampler
    from zerosum.runs.setup import Setup

Columns = dict[str, list[float]]  # of equal length: what a data frame is made of


class Run:
    """A run: what :func:`zerosum.train` gives, and :func:`zerosum.load`.

    Nothing is read before it is asked for; :attr:`losses` and :attr:`scores` are read from the folder each time.

    Args:
        path: Folder of the run.
        best: Whether the networks are those of the checkpoint with the best score instead of the newest one.
        step: Iterations after which the wanted checkpoint was saved. ``None``: the newest, or the best.
        device: Device on which the networks compute: auto, cpu, cuda or cuda:N.
        recipe: The recipe, where the run cannot find it by itself.
        data: The real data, where they were given in Python.
        outcome: How the training ended, where it was this process that trained it.

    Raises:
        UsageError: The folder is not that of a run.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        best: bool = False,
        step: int | None = None,
        device: str = "cpu",
        recipe: Page | None = None,
        data: Data | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.folder = RunFolder(path)
        self.record = self.folder.record()
        self.outcome = outcome
        self._recipe, self._data = recipe, data
        self._how: dict[str, Any] = {"best": best, "step": step, "device": device}

    def __getstate__(self) -> dict[str, Any]:
        """What a copy has, in another process too: its folder leads to all else."""
        kept = ("folder", "record", "outcome", "_data", "_how")
        return {name: vars(self)[name] for name in kept} | {"_recipe": None}

    @property
    def path(self) -> Path:
        """Folder of the run."""
        return self.folder.path

    @property
    def report(self) -> Path:
        """The page with everything about the run, which any browser shows."""
        return self.folder.report

    @cached_property
    def opened(self) -> Opened:
        """The run at its checkpoint."""
        from zerosum.runs.opening import open_checkpoint

        return open_checkpoint(self.path, **self._how, recipe=self._recipe, data=self._data)

    @property
    def setup(self) -> Setup:
        """What is trained: recipe, arguments, settings, data."""
        return self.opened.setup

    @property
    def step(self) -> int:
        """Iterations after which the networks were saved."""
        return self.opened.step

    @cached_property
    def generator(self) -> Sampler:
        """The generator: its running average, where one is kept. ``generator.module`` is the plain network."""
        return self.opened.sampler

    @cached_property
    def networks(self) -> dict[str, nn.Module]:
        """Copies of all networks by name, as they are trained (not averaged), as plain modules in evaluation mode."""
        import copy

        from zerosum.runs.phases import game_at

        setup, state = self.opened.setup, self.opened.state
        found = {}
        for name, net in game_at(setup, self.opened.step).nets.items():
            found[name] = copy.deepcopy(net).to(setup.device).eval()
            found[name].load_state_dict(state.weights[name] | state.buffers[name])
        return found

    def sample(self, n: int, **how: Any) -> Tensor:
        """Samples of the generator; see :meth:`zerosum.runs.sampler.Sampler.sample`."""
        return self.generator.sample(n, **how)

    def evaluate(self, **how: Any) -> Any:
        """Scores of the generator; see :func:`zerosum.evaluate`."""
        from zerosum.runs.evaluation import evaluate

        return evaluate(self, **({"against": self._data} if self._data is not None else {}) | how)

    @property
    def losses(self) -> Columns:
        """Losses as columns: ``step``, then one for each player and term, such as ``D/adv``; NaN where none was logged.

        ``pandas.DataFrame(run.losses)`` is a table of them.
        """
        return _columns((row["step"], row["losses"]) for row in Rows(self.folder.metrics))

    @property
    def scores(self) -> Columns:
        """Scores as columns: ``step``, then one for each score, the newest where one was measured more than once.

        Scores with other options than the published ones have columns of their own, such as ``precision (k=5)``. The
        protocol under which each was measured is in the run's ``scores.jsonl``.
        """
        by_step: dict[float, dict[str, float]] = {}
        for row in Rows(self.folder.scores):
            by_step.setdefault(row["step"], {})[column_of(row["score"])] = float(row["score"]["value"])
        return _columns(sorted(by_step.items()))

    def __repr__(self) -> str:
        losses, scores = self.losses, self.scores
        where = f"step {losses['step'][-1]:,}" if losses["step"] else "not trained yet"
        shown = [f"{name} {column[-1]:.4g}" for name, column in scores.items() if name != "step" and column]
        facts = [f"{self.record['recipe']} on {self.record['data']['name']}", where, *shown]
        return f"<Run {self.path}: {', '.join(facts)}>"

    def _repr_html_(self) -> str:
        from zerosum.report.notebook import card

        return card(self.folder)


def _columns(rows: Iterable[tuple[float, dict[str, float]]]) -> Columns:
    """Rows of named numbers as columns of equal length."""
    table = list(rows)
    names = list(dict.fromkeys(name for _, values in table for name in values))
    columns: Columns = {"step": [step for step, _ in table]}
    return columns | {name: [values.get(name, math.nan) for _, values in table] for name in names}
