"""A progress bar that appears only when there is something to wait for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from zerosum.files import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

PATIENCE = 2.0  # seconds of work before a bar appears


@contextlib.contextmanager
def progress(total: int | None, label: str, enabled: bool) -> Iterator[Callable[[int], None]]:
    """Give a function to call with each number of steps that have been done; they show as a bar on stderr.

    Args:
        total: Number of steps in all; ``None`` where it is not known.
        label: Words beside the bar.
        enabled: Whether to show the bar at all, once the work has lasted ``PATIENCE`` seconds.
    """
    start = time.monotonic()
    done = 0
    with contextlib.ExitStack() as stack:
        bar: Callable[[int], None] | None = None

        def advance(n: int) -> None:
            nonlocal done, bar
            done += n
            if bar is None and enabled and time.monotonic() - start > PATIENCE:
                bar = stack.enter_context(_bar(total, label))
            if bar is not None:
                bar(done)

        yield advance


def counted(advance: Callable[[int], None]) -> Callable[[int, int], None]:
    """Turn the function that :func:`progress` gives into one that is called with ``(done, total)``.

    Where ``done`` is smaller than before, counting has begun anew, as for a second set: all of it is added.

    Args:
        advance: Function to call with the number of further steps.
    """
    before = 0

    def show(done: int, total: int) -> None:
        nonlocal before
        advance(done - before if done >= before else done)
        before = done

    return show


def shorten(text: str, room: int) -> str:
    """Cut the middle out of a text that is longer than ``room`` characters, as both ends of a path say the most."""
    if len(text) <= room:
        return text
    end = max(0, (room - 1) // 2)
    return (text[: max(0, room - 1 - end)] + "…" + text[len(text) - end :])[: max(0, room)]


@contextlib.contextmanager
def _bar(total: int | None, label: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console

    console = Console(stderr=True)
    with fitted_bar(console, label) as shown:
        task = shown.add_task("", total=total)
        yield lambda done: shown.update(task, completed=done)


def fitted_bar(console: Console, label: str) -> Progress:
    """A bar with share and time left beside it, whose label is as long as the width of the terminal allows.

    Args:
        console: Where it shows. Where that is not a terminal, it does not.
        label: Words beside the bar, shown as they are.
    """
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TimeRemainingColumn
    from rich.text import Text

    length = max(6, min(40, console.width // 4))

    class Label(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(shorten(printable(label), max(4, console.width - length - len(" 100% 0:00:00") - 2)))

    columns = (Label(), BarColumn(length), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
