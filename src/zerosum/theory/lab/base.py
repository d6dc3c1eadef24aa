"""What an experiment of the lab is given, and what it gives back."""

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
    """The room in which an experiment is done.

    Attributes:
        seed: of everything random.
        folder: where an experiment may keep what it has measured so far, to go on from there; ``None``: nowhere.
        shown: show progress on a terminal.
    """

    seed: int = 0
    folder: Path | None = None
    shown: bool = False

    def track(self, steps: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """The same items, with a bar on stderr once they have taken two seconds.

        Args:
            steps: what to go through.
            label: of the bar.
            total: how many there are; ``None``: their own length, where they have one.
        """
        from zerosum.data.progress import progress

        if total is None and isinstance(steps, Sized):
            total = len(steps)
        with progress(total, label, self.shown and sys.stderr.isatty()) as advance:
            for item in steps:
                yield item
                advance(1)


@dataclass(frozen=True)
class Found:
    """What came of an experiment.

    Attributes:
        numbers: what was measured and what theory predicts, as JSON can hold it.
        says: the same for people: one sentence each, with the figures in it.
        figures: by name.
    """

    numbers: dict[str, Any]
    says: tuple[str, ...]
    figures: dict[str, Figure] = field(default_factory=dict)
