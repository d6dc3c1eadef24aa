"""Files that survive a kill, a full disk and readers: how runs, scores and figures are written and read.

A file or folder is written next to its place and renamed once it is whole (:func:`atomic`, :func:`temporary`,
:func:`atomic_folder`). Rows of JSON are appended in such a way that a torn last row harms neither the rows before it
nor those after it (:class:`Rows`). One process at a time holds a folder (:func:`lock`). Imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

TEMPORARY = ".tmp-"  # beginning of the names of temporary files
ABANDONED = 24 * 3600.0  # seconds after which a temporary file is taken to be that of a killed process


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a path to write to instead of ``path``, in the same folder and with the same suffix.

    The file becomes ``path`` when the block ends. If the block raises, the file is removed, and what was at ``path``
    stays.

    Raises:
        OSError: The folder cannot be written to, or the disk is full.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    partial.unlink(missing_ok=True)  # a killed process may have had the same number
    try:
        yield partial
        _put(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def temporary(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Give a new file in ``folder`` with its path, open for reading and writing, under a name that nobody else uses.

    This is :func:`atomic` for files whose final name is known only once they are whole: call :func:`commit` inside the
    block. Otherwise the file is removed when the block ends.

    Raises:
        OSError: The folder cannot be written to.
    """
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)
    with os.fdopen(handle, "w+b") as file:
        try:
            yield Path(name), file
        finally:
            Path(name).unlink(missing_ok=True)


def commit(file: IO[bytes], partial: Path, path: Path) -> None:
    """Close a :func:`temporary` file and rename it to ``path``, replacing what was there.

    Raises:
        OSError: The disk is full. What was at ``path`` stays.
    """
    file.close()  # Windows does not rename open files
    _put(partial, path)


def sweep(folder: Path) -> None:
    """Remove the :func:`temporary` files that killed processes left behind more than a day ago."""
    for path in folder.glob(f"{TEMPORARY}*"):
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def _put(partial: Path, path: Path) -> None:
    flush(partial)
    partial.replace(path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill instead of ``path``, as :func:`atomic` does for a file.

    What stood at ``path`` is replaced as a whole.

    Raises:
        OSError: The folder cannot be written to, or the disk is full. What was at ``path`` stays.
    """
    partial, old = path.with_name(f".{path.name}.partial"), _path_aside(path)
    try:
        restore_folder(path)
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        for file in partial.iterdir():
            flush(file)
        if path.exists():
            path.rename(old)
        partial.rename(path)
        flush(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        restore_folder(path)
        shutil.rmtree(partial, ignore_errors=True)


def restore_folder(path: Path) -> None:
    """Put back the folder that :func:`atomic_folder` had moved aside when its process was killed."""
    if not path.exists():
        with suppress(OSError):
            _path_aside(path).rename(path)


def _path_aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all; see :func:`atomic`."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write a JSON file, whole or not at all; see :func:`atomic`.

    Raises:
        ValueError: The value contains NaN or infinity, which JSON cannot express.
    """
    write_text(path, json.dumps(value, indent=indent, allow_nan=False) + "\n")


def read_record(path: Path, schema: int) -> dict[str, Any]:
    """Read a JSON object that states its schema.

    Args:
        path: Path of the file.
        schema: Newest schema that is understood.

    Raises:
        FileNotFoundError: There is no such file.
        NotADirectoryError: What should be its folder is a file.
        ValueError: The file is damaged, or has a newer schema. The message continues a sentence that begins with the
            name of the file.
    """
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
        stated = int(record["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"is damaged ({error})") from error
    if stated > schema:
        raise ValueError(f"has schema {stated}, and this zerosum reads up to {schema} (update zerosum)")
    return record


def flush(path: Path) -> None:
    """Wait until a file, or the list of a folder's entries, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


Row = dict[str, Any]  # a JSON object


class Rows:
    """A ``.jsonl`` file, with one JSON object per line, that can be read and appended to as often as needed.

    A line that a killed process left unfinished is skipped, as is anything else that is not a JSON object. The next
    row starts on a line of its own.

    Args:
        path: Path of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Row]:
        for line in self._lines():
            row = _parse(line)
            if row is not None:
                yield row

    def append(self, *rows: Mapping[str, Any], durable: bool = False) -> None:
        """Add rows at the end.

        Args:
            rows: Rows to add, one object each.
            durable: Whether to wait until the rows are on the disk.

        Raises:
            OSError: The file cannot be written to, or the disk is full.
        """
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
            else:
                torn = False
            file.write(b"\n" * torn + "".join(json.dumps(row) + "\n" for row in rows).encode())
            file.flush()
            if durable:
                os.fsync(file.fileno())

    def keep(self, wanted: Callable[[Row], bool]) -> None:
        """Keep only the rows that are ``wanted``. If that drops nothing, not even a torn line, the file is untouched.

        Raises:
            OSError: The file cannot be written. It is as it was.
        """
        lines = list(self._lines())
        kept = [line for line in lines if (row := _parse(line)) is not None and wanted(row)]
        if kept != lines:
            write_text(self.path, "".join(line + "\n" for line in kept))

    def _lines(self) -> Iterator[str]:
        if self.path.exists():
            # Split at line feeds only: a row may contain other characters that separate lines.
            yield from (line for line in self.path.read_text("utf-8", errors="replace").split("\n") if line)


def _parse(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold a lock file, and give whether it was free. It is free again when this process ends, however it ends.

    Raises:
        OSError: The lock file cannot be created.
    """
    import fcntl

    handle = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def printable(name: str) -> str:
    """The name of a file, an archive's member or a class as one visible line: control characters become escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
