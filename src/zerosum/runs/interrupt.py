"""Ctrl-C and its like end a run after its current iteration, with everything saved."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from zerosum.runs.loop import Stop


@contextmanager
def interruptible(*numbers: int) -> Iterator[Stop]:
    """Give what ends a run, which the first of these signals asks for. A second one raises ``KeyboardInterrupt``.

    Outside the main thread no signals arrive, and none are waited for.

    Args:
        numbers: Numbers of the signals, such as ``signal.SIGINT``.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: object) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        print("\nstopping after this step, and saving; press again to stop at once", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
