"""A run's folder: what is where in it, and what can be done with it.

It contains ``run.json`` (recipe, arguments, settings, data, versions), ``state/`` (checkpoints), ``samples/``
(pictures), ``metrics.jsonl``, ``scores.jsonl``, ``spectra.jsonl``, ``variety.jsonl``, ``alarms.jsonl`` and
``report.html``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.errors import CheckpointError, UsageError, nearest
from zerosum.files import Rows, lock, read_record, write_json

if TYPE_CHECKING:
    from zerosum.core.checkpoint import Rename

SCHEMA = 2  # 2: recipes of one's own, settings `keep` and `track`


class RunFolder:
    """The folder of one run.

    Args:
        path: Path of the folder, which need not exist yet.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.record_file = self.path / "run.json"
        self.states = self.path / "state"
        self.best_file = self.states / "best.json"
        self.outcome_file = self.path / "outcome.json"
        self.samples = self.path / "samples"
        self.metrics = self.path / "metrics.jsonl"
        self.scores = self.path / "scores.jsonl"
        self.spectra = self.path / "spectra.jsonl"
        self.variety = self.path / "variety.jsonl"
        self.alarms = self.path / "alarms.jsonl"
        self.report = self.path / "report.html"
        self.source = self.path / "source"  # the text of a recipe of one's own

    @classmethod
    def create(cls, path: str | None, name: str, data: str) -> RunFolder:
        """Make a new folder at ``path``, or the next free one below ``runs/``.

        Args:
            path: Path of the folder. ``None``: one below ``runs/`` that is named after the recipe and the data.
            name: Name of the recipe.
            data: Source of the data.

        Raises:
            UsageError: ``path`` exists and is not empty, or cannot be created.
        """
        folder = cls(path or cls.free_path(name, data))
        if folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
            hint = f"; to continue that run: zerosum resume {path}" if folder.record_file.exists() else ""
            raise UsageError(
                f"out={path}: already exists, and nothing is overwritten; choose another folder{hint}", argument="out"
            )
        try:
            folder.samples.mkdir(parents=True)
            folder.states.mkdir()
        except OSError as error:
            raise UsageError(f"out={path}: cannot be created ({error.strerror})", argument="out") from error
        return folder

    @staticmethod
    def free_path(name: str, data: str) -> str:
        """The next free path below ``runs/`` for a run of the recipe ``name`` on the source ``data``."""
        stem = re.sub(r"[^\w.-]+", "-", f"{name}-{data}").strip("-")
        number = next(i for i in range(1, 10**6) if not Path("runs", f"{stem}-{i}").exists())
        return str(Path("runs", f"{stem}-{number}"))

    def write_record(self, record: dict[str, Any]) -> None:
        """Write ``run.json``."""
        write_json(self.record_file, {"schema": SCHEMA, **record}, indent=2)

    def record(self) -> dict[str, Any]:
        """The contents of ``run.json``.

        Raises:
            UsageError: This is not the folder of a run.
            CheckpointError: ``run.json`` is damaged or newer than this library.
        """
        try:
            return read_record(self.record_file, SCHEMA)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"{self.path} is not a run: it has no run.json.{self._nearest()}") from error
        except ValueError as error:
            raise CheckpointError(f"{self.record_file} {error}") from error

    def _nearest(self) -> str:
        runs = {str(file.parent) for folder in (self.path.parent, Path("runs")) for file in folder.glob("*/run.json")}
        by_name = {Path(run).name: run for run in runs}
        hint = nearest(self.path.name, by_name, cutoff=0.6)
        return re.sub(r"'(.*)'", lambda m: by_name[m[1]], hint)

    def checkpoints(self) -> list[Path]:
        """Paths of the checkpoints, oldest first."""
        return sorted(p for p in self.states.glob("step-*") if p.is_dir())

    def checkpoint_for(self, step: int) -> Path:
        """Path of the checkpoint after ``step`` iterations."""
        return self.states / f"step-{step:09d}"

    def latest(self) -> Path:
        """The newest checkpoint.

        Raises:
            CheckpointError: There is none yet.
        """
        checkpoints = self.checkpoints()
        if not checkpoints:
            raise CheckpointError(f"{self.path} has no checkpoint yet: the run stopped before its first one")
        return checkpoints[-1]

    def best(self) -> Path | None:
        """The checkpoint with the best score, or ``None`` where no checkpoint was scored."""
        if not self.best_file.exists():
            return None
        path = self.states / str(json.loads(self.best_file.read_text("utf-8"))["checkpoint"])
        return path if path.is_dir() else None

    def mark_best(self, path: Path, score: str, value: float) -> None:
        """Remember that the checkpoint ``path`` has the best score so far.

        Args:
            path: Path of the checkpoint.
            score: Name of the score.
            value: Value of the score.
        """
        write_json(self.best_file, {"checkpoint": path.name, "score": score, "value": value})

    def prune(self, keep: int) -> None:
        """Delete all checkpoints except the newest ones and the best.

        Args:
            keep: Number of the newest ones that stay. 0: all of them.
        """
        best = self.best()
        for path in self.checkpoints()[:-keep] if keep else []:
            if path != best:
                shutil.rmtree(path)

    def forget_after(self, step: int) -> None:
        """Drop the rows that were logged after ``step``: a resumed run will log them again."""
        for file in (self.metrics, self.scores, self.spectra, self.variety, self.alarms):
            Rows(file).keep(lambda row: isinstance(row.get("step"), int) and row["step"] <= step)

    def load(self, like: Any, path: Path | None = None, rename: Rename | None = None) -> tuple[Any, dict[str, Any]]:
        """Read a checkpoint into the structure of ``like``.

        Args:
            like: Structure of tensors, such as an initial state.
            path: Path of the checkpoint. ``None``: the newest.
            rename: Today's names of tensors that were saved under other names; see ``checkpoint.load``.

        Raises:
            CheckpointError: The checkpoint cannot be read, or belongs to another recipe. Where there is an older
                checkpoint, the message says how to use it.
        """
        from zerosum.core import checkpoint  # not at the top: a report is written without torch

        path = path or self.latest()
        try:
            state, meta = checkpoint.load(path, like, rename)
        except CheckpointError as error:
            older = [p for p in self.checkpoints() if p < path]
            hint = f". To continue from the one before, delete {path} and resume again" if older else ""
            raise CheckpointError(f"{error}{hint}") from error
        recipe = self.record()["recipe"]
        if meta.get("recipe") != recipe:
            raise CheckpointError(f"{path} was written by recipe {meta.get('recipe')!r}, but the run's is {recipe!r}")
        return state, meta

    def is_held(self) -> bool:
        """Whether a process trains in the folder now."""
        if not (self.path / ".lock").exists():
            return False
        with lock(self.path / ".lock") as free:
            return not free

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, so that no second process trains in it.

        Raises:
            UsageError: Another process holds it.
        """
        with lock(self.path / ".lock") as free:
            if not free:
                raise UsageError(f"{self.path} is being trained by another process")
            yield
