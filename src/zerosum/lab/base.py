"""What an experiment is given, and what it returns."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")


@dataclass(frozen=True)
class Lab:
    """The surroundings of an experiment.

    Attributes:
        seed: Seed of everything random.
        folder: Folder for partial results, from which an interrupted experiment goes on; ``None`` to keep nothing.
        shown: Whether to show progress on a terminal.
    """

    seed: int = 0
    folder: Path | None = None
    shown: bool = False

    def track(self, steps: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Iterate over the same items, with a progress bar on stderr if they take longer than two seconds.

        Args:
            steps: Items to iterate over.
            label: Label of the bar.
            total: Number of items; ``None`` for their own length, if they have one.
        """
        from zerosum.progress import progress

        if total is None and isinstance(steps, Sized):
            total = len(steps)
        with progress(total, label, self.shown and sys.stderr.isatty()) as advance:
            for item in steps:
                yield item
                advance(1)


@dataclass(frozen=True)
class Findings:
    """What an experiment found.

    Attributes:
        numbers: Measurements and the predictions of theory, in values that JSON can hold.
        says: The same for people, in one sentence each with the figures in it.
        figures: Figures by name.
    """

    numbers: dict[str, Any]
    says: tuple[str, ...]
    figures: dict[str, Figure] = field(default_factory=dict)
