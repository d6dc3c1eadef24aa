"""What a run says while it goes: rows in ``metrics.jsonl``, TensorBoard where it is installed, and a progress bar."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import torch

from zerosum.core.game import Said


class Means:
    """Running means of what players say. Stays on the device until asked, so that no step waits for it."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, said: Said) -> None:
        """Take in one iteration."""
        for who, terms in said.items():
            for term, value in terms.items():
                if value.dim() == 0:
                    key = f"{who}/{term}"
                    self._sums[key] = self._sums[key] + value if key in self._sums else value
                    self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> dict[str, float]:
        """The means since the last call; waits for the device once."""
        keys = list(self._sums)
        if not keys:
            return {}
        values = torch.stack([self._sums[k].double() / self._counts[k] for k in keys]).tolist()
        self._sums, self._counts = {}, {}
        return dict(zip(keys, values, strict=True))


class Logger:
    """Appends rows to ``metrics.jsonl`` and, if tensorboard is installed, to an event file beside it."""

    def __init__(self, file: Path) -> None:
        self._rows = file.open("a", buffering=1)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # an extra: its absence is no error
            self._board: Any = None
        else:
            self._board = SummaryWriter(str(file.parent / "tensorboard"))

    def row(self, step: int, values: dict[str, Any], losses: dict[str, float]) -> None:
        """One row."""
        self._rows.write(json.dumps({"step": step, **values, "losses": losses}) + "\n")
        if self._board is not None:
            for key, value in losses.items():
                self._board.add_scalar(key, value, step)

    def scalar(self, name: str, value: float, step: int) -> None:
        """One number for TensorBoard."""
        if self._board is not None:
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush everything."""
        self._rows.close()
        if self._board is not None:
            self._board.close()


def rows_of(file: Path) -> list[dict[str, Any]]:
    """The rows of a ``.jsonl`` file; a row that a killed run left half written is left out."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines() if _whole(line)]


def _whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class Display(Protocol):
    """Shows people how far a run is."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def update(self, step: int, rate: float, losses: dict[str, float]) -> None:
        """``step`` iterations done, at ``rate`` images a second."""

    def say(self, text: str) -> None:
        """A line that stays."""


class Silent:
    """Shows nothing: tests, and ranks other than the first."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, step: int, rate: float, losses: dict[str, float]) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""


class Lines:
    """A line every ten seconds, for output that is no terminal."""

    def __init__(self, total: int) -> None:
        self.total, self._began, self._last, self._first = total, time.monotonic(), 0.0, -1

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, step: int, rate: float, losses: dict[str, float]) -> None:
        """Print, if it is time to."""
        now = time.monotonic()
        self._first = step if self._first < 0 else self._first
        if now - self._last < 10 and step < self.total:
            return
        self._last = now
        done = step - self._first
        left = (now - self._began) / done * (self.total - step) if done else 0.0
        eta = f"  {left / 60:.1f} min left" if done and step < self.total else ""
        print(f"step {step:,}/{self.total:,}  {rate:,.0f} images/s{eta}  {_text(losses)}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)


class Bar:
    """A progress bar with step, rate, time left and losses."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[losses]}"),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("", total=total, rate="", losses="", start=False)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, step: int, rate: float, losses: dict[str, float]) -> None:
        """Move the bar."""
        if not self._progress.tasks[0].started:
            self._progress.start_task(self._task)
        text = _text(losses)
        if text:
            self._progress.update(self._task, losses=text, rate=f"{rate:,.0f} images/s")
        self._progress.update(self._task, completed=step)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False)


def display_for(total: int, *, shown: bool) -> Display:
    """A bar on a terminal, lines elsewhere, or nothing."""
    if not shown:
        return Silent()
    return Bar(total) if sys.stderr.isatty() else Lines(total)


def _text(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in losses.items())
