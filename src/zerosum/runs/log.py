"""What a run reports while it trains: rows in ``metrics.jsonl``, TensorBoard if it is installed, and a progress bar."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Self

import torch

from zerosum.core.game import Said
from zerosum.files import Rows


class Means:
    """Running means of what players report. They stay on the device until needed, so that no step waits for it."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, losses: Said) -> None:
        """Add what the players report in one iteration."""
        for who, terms in losses.items():
            for term, value in terms.items():
                if value.dim() == 0:
                    key = f"{who}/{term}"
                    self._sums[key] = self._sums[key] + value if key in self._sums else value
                    self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> dict[str, float]:
        """Return the means since the last call. This waits for the device once."""
        keys = list(self._sums)
        if not keys:
            return {}
        values = torch.stack([self._sums[k].double() / self._counts[k] for k in keys]).tolist()
        self._sums, self._counts = {}, {}
        return dict(zip(keys, values, strict=True))


class Logger:
    """Appends rows to ``metrics.jsonl``, and to an event file next to it if tensorboard is installed.

    Args:
        file: Path of ``metrics.jsonl``.
    """

    def __init__(self, file: Path) -> None:
        self._rows = Rows(file)
        self._board: Any = None

    def open(self) -> None:
        """Begin an event file, if tensorboard is installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # an extra: its absence is not an error
            return
        self._board = SummaryWriter(str(self._rows.path.parent / "tensorboard"))

    def add_row(self, step: int, values: dict[str, Any], losses: dict[str, float]) -> None:
        """Append a row."""
        self._rows.append({"step": step, **values, "losses": losses})
        if self._board is not None:
            for key, value in losses.items():
                self._board.add_scalar(key, value, step)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Give a number to TensorBoard."""
        if self._board is not None:
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still in memory."""
        if self._board is not None:
            self._board.close()


class Display:
    """Shows people how far a run has come. This one shows nothing, as for tests and for ranks other than the first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, step: int, rate: float, losses: dict[str, float]) -> None:
        """Show that ``step`` iterations are done, at ``rate`` images a second."""

    def say(self, text: str) -> None:
        """Show a line that stays."""


class Lines(Display):
    """Prints a line every ten seconds, for output that is not a terminal.

    Args:
        total: Iterations in all.
    """

    def __init__(self, total: int) -> None:
        self.total, self._began, self._last, self._first = total, time.monotonic(), 0.0, -1

    def update(self, step: int, rate: float, losses: dict[str, float]) -> None:
        """Print a line if the last one was ten seconds ago."""
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


class Bar(Display):
    """A progress bar with step, rate, time left and losses.

    Args:
        total: Iterations in all.
    """

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

    def __enter__(self) -> Self:
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
    """The display for a run of ``total`` iterations: a bar on a terminal, lines elsewhere, nothing if not ``shown``."""
    if not shown:
        return Display()
    return Bar(total) if sys.stderr.isatty() else Lines(total)


def _text(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in losses.items())
