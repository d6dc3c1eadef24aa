"""What is in a run's folder so far: the run may be unfinished, and the last lines of its files cut short."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.files import Row, Rows

if TYPE_CHECKING:
    from zerosum.folder import RunFolder

PICTURES = 24 << 20  # largest size of all pictures on a page, in bytes
PICTURES_WHILE_GOING = 6 << 20  # the same on a page that is written every minute
PNG_END = b"IEND"
LOCK = ".lock"


@dataclass(frozen=True)
class Picture:
    """A picture of samples.

    Attributes:
        step: Steps after which it was drawn.
        png: Content of the PNG file.
    """

    step: int
    png: bytes


@dataclass(frozen=True)
class Story:
    """A run as its files tell it.

    Attributes:
        where: Folder of the run.
        record: Contents of ``run.json``.
        outcome: Contents of ``outcome.json``. ``None``: the run is in training, was interrupted, or has trained
            further since.
        going: Whether the run is in training.
        as_of: What the page is about: the time of reading while the run goes on, otherwise that of its last row, in
            seconds since 1970.
        rows: Rows of ``metrics.jsonl``, by step.
        scores: Rows of ``scores.jsonl``, by step.
        best: Contents of ``state/best.json``. ``None``: there is no best checkpoint.
        pictures: Pictures of samples for the page, by step.
        picture_count: Number of pictures in the folder.
        spectra: Rows of ``spectra.jsonl``, by step.
        variety: Rows of ``variety.jsonl``, by step.
        alarms: Rows of ``alarms.jsonl``, by step.
    """

    where: Path
    record: Row
    outcome: Row | None
    going: bool
    as_of: float
    rows: list[Row]
    scores: list[Row]
    best: Row | None
    pictures: list[Picture]
    picture_count: int
    spectra: list[Row]
    variety: list[Row]
    alarms: list[Row]

    @property
    def step(self) -> int:
        """How far the run is known to have come."""
        steps = [int(row["step"]) for row in self.rows[-1:]] + [picture.step for picture in self.pictures[-1:]]
        return int(self.outcome["step"]) if self.outcome else max(steps, default=0)


def read(folder: RunFolder, *, over: bool = False, pictures: int | None = None) -> Story:
    """Read a run's folder.

    Args:
        folder: Folder of the run.
        over: Whether the caller knows that nobody trains the run any more, however that ended.
        pictures: Number of pictures to read, the newest ones. ``None``: as many as suit a page.

    Raises:
        UsageError: The folder is not that of a run.
        CheckpointError: Its ``run.json`` is damaged.
    """
    record = folder.record()
    rows = [row for row in rows_by_step(folder.metrics) if isinstance(row.get("losses"), dict)]
    scores = [row for row in rows_by_step(folder.scores) if _is_score(row.get("score"))]
    outcome = _read_object(folder.outcome_file)
    if outcome is not None and rows and int(outcome.get("step", -1)) < rows[-1]["step"]:
        outcome = None  # written before the run was resumed
    going = outcome is None and not over and _may_be_going(folder)
    limit = PICTURES_WHILE_GOING if going else PICTURES
    read_in, picture_count = read_pictures(folder.samples, limit, newest=pictures)
    return Story(
        where=folder.path,
        record=record,
        outcome=outcome,
        going=going,
        as_of=time.time() if going else _last_change(folder),
        rows=rows,
        scores=scores,
        best=_read_object(folder.best_file),
        pictures=read_in,
        picture_count=picture_count,
        spectra=[row for row in rows_by_step(folder.spectra) if _is_look(row)],
        variety=[row for row in rows_by_step(folder.variety) if _are_numbers(row.get("spread"), row.get("repeats"))],
        alarms=[row for row in rows_by_step(folder.alarms) if _is_alarm(row)],
    )


def _may_be_going(folder: RunFolder) -> bool:
    """Whether a process holds the folder, or none of these processes left a lock by which to tell."""
    try:
        return folder.is_held() or not (folder.path / LOCK).exists()
    except OSError:  # another user's lock, or a disk that can only be read
        return True


def _last_change(folder: RunFolder) -> float:
    """When the run wrote something last."""
    for file in (folder.metrics, folder.record_file):
        with suppress(OSError):
            return file.stat().st_mtime
    return time.time()


def rows_by_step(file: Path) -> list[Row]:
    """The rows of a ``.jsonl`` file that state their step, by step."""
    rows = [row for row in Rows(file) if isinstance(row.get("step"), int)]
    return sorted(rows, key=lambda row: int(row["step"]))


def read_pictures(folder: Path, limit: int = PICTURES, *, newest: int | None = None) -> tuple[list[Picture], int]:
    """Read the intact pictures of a run.

    Args:
        folder: Folder of the pictures.
        limit: Largest size of all pictures together, in bytes. If they exceed it, some of them are chosen evenly.
        newest: Number of pictures to choose from, the newest ones. ``None``: all.

    Returns:
        The pictures that were chosen, by step, and the number of all intact ones.
    """
    files = {int(m[1]): path for path in folder.glob("step-*.png") if (m := re.fullmatch(r"step-(\d+)", path.stem))}
    intact = [(step, path) for step, path in sorted(files.items()) if _is_whole(path)]
    among = intact[-newest:] if newest else intact
    sizes = {path: path.stat().st_size for _, path in among}
    count = len(among)
    while count > 1 and sum(sizes[path] for _, path in thin_out(among, count)) > limit:
        count -= 1
    return [Picture(step, path.read_bytes()) for step, path in thin_out(among, count)], len(intact)


def _is_whole(path: Path) -> bool:
    """Whether a PNG file has its end: a killed process may have left it unfinished."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) < 8:
            return False
        file.seek(-8, os.SEEK_END)
        return file.read(4) == PNG_END


def thin_out(items: list[Any], count: int) -> list[Any]:
    """Choose at most ``count`` items evenly, among them the last one and, if ``count`` > 1, the first one."""
    if len(items) <= count:
        return items
    if count == 1:
        return items[-1:]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _read_object(file: Path) -> Row | None:
    try:
        value = json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, float)) for value in values)


def _is_look(row: Row) -> bool:
    """Whether a row has lists of numbers by layer, with ``None`` for numbers that were not finite."""
    sigma, ratios = row.get("sigma"), row.get("orthogonality", {})
    return (
        isinstance(sigma, dict)
        and isinstance(ratios, dict)
        and all(isinstance(values, list) and _are_numbers(*filter(None, values)) for values in sigma.values())
        and _are_numbers(*filter(None, ratios.values()))
    )


def _is_alarm(row: Row) -> bool:
    texts = (row.get(key) for key in ("name", "seen", "advice"))
    return isinstance(row.get("since"), int) and all(isinstance(text, str) for text in texts)


def _is_score(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and (isinstance(number := value.get("value"), (int, float)) or number in ("inf", "-inf", "nan"))
        and isinstance(value.get("protocol"), dict)
    )
