"""A run's folder: what is where, and what may be done to it.

``run.json`` (recipe, arguments, settings, data, versions), ``state/`` (checkpoints), ``samples/``, ``metrics.jsonl``,
``scores.jsonl``, ``spectra.jsonl``, ``variety.jsonl`` and ``alarms.jsonl`` (what was watched), ``report.html``.
"""

from __future__ import annotations

import difflib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zerosum.recipe import UsageError

SCHEMA = 1
KEPT = 2  # checkpoints, besides the best


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.record_file = self.path / "run.json"
        self.states = self.path / "state"
        self.samples = self.path / "samples"
        self.metrics = self.path / "metrics.jsonl"
        self.scores = self.path / "scores.jsonl"
        self.spectra = self.path / "spectra.jsonl"
        self.variety = self.path / "variety.jsonl"
        self.alarms = self.path / "alarms.jsonl"
        self.report = self.path / "report.html"

    @classmethod
    def create(cls, path: str | None, name: str, data: str) -> RunFolder:
        """A new folder at ``path``, or the next free one below ``runs/``.

        Raises:
            UsageError: ``path`` exists and is not empty, or cannot be made.
        """
        if path is None:
            stem = re.sub(r"[^\w.-]+", "-", f"{name}-{data}").strip("-")
            number = next(i for i in range(1, 10**6) if not Path("runs", f"{stem}-{i}").exists())
            path = str(Path("runs", f"{stem}-{number}"))
        folder = cls(path)
        if folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
            hint = f" To go on with that run: zerosum resume {path}" if folder.record_file.exists() else ""
            raise UsageError(f"--out {path}: exists already, and nothing is overwritten; choose another.{hint}")
        try:
            folder.samples.mkdir(parents=True)
            folder.states.mkdir()
        except OSError as error:
            raise UsageError(f"--out {path}: cannot make this folder ({error.strerror})") from error
        return folder

    def write_record(self, record: dict[str, Any]) -> None:
        """Write ``run.json``."""
        partial = self.path / ".run.json.partial"
        partial.write_text(json.dumps({"schema": SCHEMA, **record}, indent=2))
        partial.replace(self.record_file)

    def record(self) -> dict[str, Any]:
        """What ``run.json`` says.

        Raises:
            UsageError: this is no run's folder, or ``run.json`` is damaged or newer than this library.
        """
        try:
            record: dict[str, Any] = json.loads(self.record_file.read_text())
            schema = int(record["schema"])
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"{self.path} is not a run: it has no run.json.{self._nearest()}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self.record_file} is damaged ({error})") from error
        if schema > SCHEMA:
            raise UsageError(
                f"{self.record_file} has schema {schema}, this zerosum reads up to {SCHEMA}: update zerosum"
            )
        return record

    def _nearest(self) -> str:
        runs = {str(file.parent) for folder in (self.path.parent, Path("runs")) for file in folder.glob("*/run.json")}
        by_name = {Path(run).name: run for run in runs}
        near = difflib.get_close_matches(self.path.name, by_name, n=1)
        return f" Did you mean {by_name[near[0]]}?" if near else ""

    def checkpoints(self) -> list[Path]:
        """Checkpoints, oldest first."""
        return sorted(p for p in self.states.glob("step-*") if p.is_dir())

    def checkpoint_for(self, step: int) -> Path:
        """Where the checkpoint after ``step`` iterations goes."""
        return self.states / f"step-{step:09d}"

    def latest(self) -> Path:
        """The newest checkpoint.

        Raises:
            CheckpointError: there is none yet.
        """
        from zerosum.core.checkpoint import CheckpointError

        found = self.checkpoints()
        if not found:
            raise CheckpointError(f"{self.path} has no checkpoint yet: the run stopped before its first one")
        return found[-1]

    def best(self) -> Path | None:
        """The checkpoint with the best score, where scores were taken along the way."""
        file = self.states / "best.json"
        if not file.exists():
            return None
        path = self.states / str(json.loads(file.read_text())["checkpoint"])
        return path if path.is_dir() else None

    def mark_best(self, path: Path, score: str, value: float) -> None:
        """Remember that ``path`` has the best score so far."""
        partial = self.states / ".best.json.partial"
        partial.write_text(json.dumps({"checkpoint": path.name, "score": score, "value": value}))
        partial.replace(self.states / "best.json")

    def prune(self) -> None:
        """Delete all checkpoints but the newest ones and the best."""
        best = self.best()
        for path in self.checkpoints()[:-KEPT]:
            if path != best:
                shutil.rmtree(path)

    def forget_after(self, step: int) -> None:
        """Drop what was logged after ``step``: a resumed run says it again."""
        for file in (self.metrics, self.scores, self.spectra, self.variety, self.alarms):
            if file.exists():
                rows = [row for row in file.read_text().splitlines() if _step_of(row) <= step]
                file.write_text("".join(row + "\n" for row in rows))

    def load(self, like: Any, path: Path | None = None) -> tuple[Any, dict[str, Any]]:
        """A checkpoint (the newest by default) in the structure of ``like``.

        Raises:
            CheckpointError: it cannot be read, or is of another recipe; names an intact older one where there is one.
        """
        from zerosum.core import checkpoint  # here: a report is written without torch
        from zerosum.core.checkpoint import CheckpointError

        path = path or self.latest()
        try:
            state, meta = checkpoint.load(path, like)
        except CheckpointError as error:
            older = [p for p in self.checkpoints() if p < path]
            hint = f" To go on from the one before: delete {path} and resume again" if older else ""
            raise CheckpointError(f"{error}.{hint}") from error
        if meta.get("recipe") != self.record()["recipe"]:
            raise CheckpointError(f"{path} was made by recipe {meta.get('recipe')!r}, the run is of another")
        return state, meta

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run, so that no second process trains in the same folder."""
        handle = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(f"{self.path} is being trained by another process") from error
            yield
        finally:
            os.close(handle)


def _step_of(row: str) -> int:
    try:
        return int(json.loads(row)["step"])
    except (ValueError, KeyError, TypeError):
        return 2**62  # half a row, from a run that was killed while writing it
