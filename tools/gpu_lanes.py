"""Processes that work off lists of items, each within its time; what they say is heard line by line, at once.

A process is asked for one item after the other. One that crashes or takes too long loses the item that it had in hand
and no other: the next item gets a new process.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple, Protocol

MARK, DONE = "@line ", "@done"
Said = dict[str, Any]  # what is said of an item: "ok", cells of a row by name, and "trace" for the log
Run = Callable[[str], Iterator[Said]]  # item -> what is said of it, as it is found
POISONED = ("CUDA error", "CUBLAS_STATUS", "cudaError", "illegal memory access", "device-side assert")


class Lost(Exception):
    """The process is gone, and the item that it had with it; the text says why."""


class Worker(Protocol):
    """Who does items."""

    def ask(self, item: str, until: float) -> Iterator[Said]:
        """What is said of an item. Raises ``Lost`` at the time ``until`` at the latest."""

    def close(self) -> None:
        """End it, and all that it started."""


def attempt(run: Run, item: str) -> Iterator[Said]:
    """What a function says of an item; an error is one more thing said. Out of memory is an error like others."""
    try:
        yield from run(item)
    except Exception as error:  # a report is to have all that can be found out, and a line for what cannot
        said = (str(error).strip().splitlines() or [""])[0]
        text = f"{type(error).__name__}: {said}"[:300]
        fatal = any(word in str(error) for word in POISONED)
        yield {"ok": False, "what": "failed", "says": text, "trace": traceback.format_exc(), "fatal": fatal}


def serve(run: Run) -> None:
    """Be a worker: read items from standard input, and say what is found on standard output."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print goes elsewhere
    for line in sys.stdin:
        for said in attempt(run, line.strip()):
            out.write(MARK + json.dumps(said) + "\n")
        out.write(DONE + "\n")


class Here:
    """A worker in this process, which nothing stops: for tests. Seeds and settings are the process's: one at a time."""

    turn = threading.Lock()

    def __init__(self, run: Run) -> None:
        self.run = run

    def ask(self, item: str, until: float) -> Iterator[Said]:
        """What is said of an item."""
        with self.turn:
            yield from attempt(self.run, item)

    def close(self) -> None:
        """Nothing was started."""


class Process:
    """A worker in a process of its own, which leads a group, so that what it starts ends with it."""

    alive: ClassVar[set[Process]] = set()

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        self.alive.add(self)
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def ask(self, item: str, until: float) -> Iterator[Said]:
        """What is said of an item, line by line."""
        assert self.process.stdin is not None
        began = time.monotonic()
        with suppress(OSError):  # it has ended, as the queue will show
            self.process.stdin.write(item + "\n")
            self.process.stdin.flush()
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise Lost(f"stopped after {time.monotonic() - began:.0f} s, its time was over") from None
            if line is None:
                raise Lost(self._why())
            if line == DONE:
                return
            if line.startswith(MARK):
                yield json.loads(line[len(MARK) :])

    def _why(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        last = ([line.strip() for line in self.errors if line.strip()] or [""])[-1]
        return f"the process ended with status {code}: {last}"[:300]

    def close(self) -> None:
        """Kill the group."""
        with suppress(ProcessLookupError):  # it has ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.errors.close()
        self.alive.discard(self)


class Job(NamedTuple):
    """Items of one kind, in the order of their worth."""

    part: str
    items: Sequence[str]
    worker: Callable[[], Worker]
    lanes: int  # workers at a time
    until: float  # by the clock of time.monotonic: what is not done by then is not done
    most: float  # seconds for one item


def work_off(jobs: Sequence[Job], hear: Callable[[str, str, Said], None]) -> None:
    """Do the items of all jobs side by side; ``hear(part, item, said)`` is called from several threads."""
    threads = [thread for job in jobs for thread in _lanes(job, hear)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _lanes(job: Job, hear: Callable[[str, str, Said], None]) -> list[threading.Thread]:
    left = deque(job.items)
    return [
        threading.Thread(target=_lane, args=(job, left, hear), daemon=True)
        for _ in range(min(job.lanes, len(job.items)))
    ]


def _lane(job: Job, left: deque[str], hear: Callable[[str, str, Said], None]) -> None:
    worker: Worker | None = None
    try:
        while (item := _next(left)) is not None:
            if time.monotonic() >= job.until:
                hear(job.part, item, {"ok": None, "what": "not reached", "says": "the time of this part was over"})
                continue
            worker = worker or job.worker()
            if not _did(job, worker, item, hear):
                worker.close()
                worker = None
    finally:
        if worker is not None:
            worker.close()


def _next(left: deque[str]) -> str | None:
    try:
        return left.popleft()
    except IndexError:
        return None


def _did(job: Job, worker: Worker, item: str, hear: Callable[[str, str, Said], None]) -> bool:
    """Let a worker do an item. Returns whether it can do another one."""
    usable = True
    try:
        for said in worker.ask(item, min(job.until, time.monotonic() + job.most)):
            usable = usable and not said.get("fatal")
            hear(job.part, item, said)
    except Lost as why:
        stopped = str(why).startswith("stopped")
        hear(job.part, item, {"ok": None if stopped else False, "what": "cut" if stopped else "lost", "says": str(why)})
        return False
    return usable
