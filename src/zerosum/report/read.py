"""What is in a run's folder so far: the run may be unfinished, and the last lines of its files cut short."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.files import Row, Rows

if TYPE_CHECKING:
    from zerosum.folder import RunFolder

PICTURES = 24 << 20  # largest size of all pictures on a page, in bytes
PNG_END = b"IEND"


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


def read(folder: RunFolder) -> Story:
    """Read a run's folder.

    Raises:
        UsageError: The folder is not that of a run, or its ``run.json`` is damaged.
    """
    record = folder.record()
    rows = [row for row in rows_by_step(folder.metrics) if isinstance(row.get("losses"), dict)]
    scores = [row for row in rows_by_step(folder.scores) if _is_score(row.get("score"))]
    outcome = _read_object(folder.outcome_file)
    if outcome is not None and rows and int(outcome.get("step", -1)) < rows[-1]["step"]:
        outcome = None  # written before the run was resumed
    pictures, picture_count = read_pictures(folder.samples)
    best = _read_object(folder.best_file)
    spectra = [row for row in rows_by_step(folder.spectra) if _is_look(row)]
    variety = [row for row in rows_by_step(folder.variety) if _are_numbers(row.get("spread"), row.get("repeats"))]
    alarms = [row for row in rows_by_step(folder.alarms) if _is_alarm(row)]
    return Story(folder.path, record, outcome, rows, scores, best, pictures, picture_count, spectra, variety, alarms)


def rows_by_step(file: Path) -> list[Row]:
    """The rows of a ``.jsonl`` file that state their step, by step."""
    rows = [row for row in Rows(file) if isinstance(row.get("step"), int)]
    return sorted(rows, key=lambda row: int(row["step"]))


def read_pictures(folder: Path, limit: int = PICTURES) -> tuple[list[Picture], int]:
    """Read the intact pictures of a run.

    Args:
        folder: Folder of the pictures.
        limit: Largest size of all pictures together, in bytes. If they exceed it, some of them are chosen evenly.

    Returns:
        The pictures that were chosen, by step, and the number of all intact ones.
    """
    files = {int(m[1]): path for path in folder.glob("step-*.png") if (m := re.fullmatch(r"step-(\d+)", path.stem))}
    pictures = [Picture(step, path.read_bytes()) for step, path in sorted(files.items())]
    pictures = [picture for picture in pictures if picture.png[-8:-4] == PNG_END]
    total, kept = len(pictures), pictures
    while len(kept) > 1 and sum(len(picture.png) for picture in kept) > limit:
        kept = thin_out(kept, (len(kept) + 1) // 2)
    return kept, total


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
        and isinstance(value.get("value"), (int, float))
        and isinstance(value.get("protocol"), dict)
    )
