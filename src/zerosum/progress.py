"""A progress bar that appears only when there is something to wait for."""

import contextlib
import time
from collections.abc import Callable, Iterator

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


@contextlib.contextmanager
def _bar(total: int | None, label: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.update(task, completed=done)
