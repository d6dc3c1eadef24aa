"""A progress bar that appears only when there is something to wait for."""

import contextlib
import time
from collections.abc import Callable, Iterator

PATIENCE = 2.0
"""Seconds of work before a bar appears."""


@contextlib.contextmanager
def progress(total: int | None, label: str, enabled: bool) -> Iterator[Callable[[int], None]]:
    """Yield ``advance(n)``; a bar on stderr appears once the work has lasted ``PATIENCE`` seconds, if ``enabled``."""
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


@contextlib.contextmanager
def _bar(total: int | None, label: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.update(task, completed=done)
