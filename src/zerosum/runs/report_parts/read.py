"""What a run's folder holds, as far as it got: a run may be unfinished, and its last lines cut short."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zerosum.runs.folder import RunFolder

Row = dict[str, Any]
PICTURES = 24 << 20  # bytes of pictures that a page holds, at most
PNG_END = b"IEND"


@dataclass(frozen=True)
class Picture:
    """One picture of samples: after how many steps, and the PNG file's content."""

    step: int
    png: bytes


@dataclass(frozen=True)
class Story:
    """A run as its files tell it.

    Attributes:
        where: the run's folder.
        record: ``run.json``.
        outcome: ``outcome.json``; ``None`` while training, after an interruption, or if the log went on since.
        rows: of ``metrics.jsonl``, by step.
        scores: rows of ``scores.jsonl``, by step.
        best: ``state/best.json``.
        pictures: of samples, in order.
        pictured: number of pictures in the folder, of which ``pictures`` are some.
        spectra: rows of ``spectra.jsonl``, by step.
        variety: rows of ``variety.jsonl``, by step.
        alarms: rows of ``alarms.jsonl``, by step.
    """

    where: Path
    record: Row
    outcome: Row | None
    rows: list[Row]
    scores: list[Row]
    best: Row | None
    pictures: list[Picture]
    pictured: int
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
        UsageError: this is no run, or its ``run.json`` is damaged.
    """
    record = folder.record()
    rows = [row for row in lines(folder.metrics) if isinstance(row.get("losses"), dict)]
    scores = [row for row in lines(folder.scores) if _is_score(row.get("score"))]
    outcome = _object(folder.path / "outcome.json")
    if outcome is not None and rows and int(outcome.get("step", -1)) < rows[-1]["step"]:
        outcome = None  # of before the run was resumed
    pictures, pictured = read_pictures(folder.samples)
    best = _object(folder.states / "best.json")
    spectra = [row for row in lines(folder.spectra) if _is_look(row)]
    variety = [row for row in lines(folder.variety) if _are_numbers(row.get("spread"), row.get("repeats"))]
    alarms = [row for row in lines(folder.alarms) if _is_alarm(row)]
    return Story(folder.path, record, outcome, rows, scores, best, pictures, pictured, spectra, variety, alarms)


def lines(file: Path) -> list[Row]:
    """The whole rows of a file of JSON lines that say their step, by step."""
    if not file.exists():
        return []
    found = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # cut short
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            found.append(row)
    return sorted(found, key=lambda row: int(row["step"]))


def read_pictures(folder: Path, limit: int = PICTURES) -> tuple[list[Picture], int]:
    """A run's intact pictures in order, and how many there are; evenly chosen ones if all exceed ``limit`` bytes."""
    found = {int(m[1]): path for path in folder.glob("step-*.png") if (m := re.fullmatch(r"step-(\d+)", path.stem))}
    pictures = [Picture(step, path.read_bytes()) for step, path in sorted(found.items())]
    pictures = [picture for picture in pictures if picture.png[-8:-4] == PNG_END]
    total, kept = len(pictures), pictures
    while len(kept) > 1 and sum(len(picture.png) for picture in kept) > limit:
        kept = thinned(kept, (len(kept) + 1) // 2)
    return kept, total


def thinned(items: list[Any], count: int) -> list[Any]:
    """At most ``count`` of the items, evenly chosen, the last one and (if ``count`` > 1) the first one among them."""
    if len(items) <= count:
        return items
    if count == 1:
        return items[-1:]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _object(file: Path) -> Row | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _are_numbers(*found: Any) -> bool:
    return all(isinstance(one, (int, float)) for one in found)


def _is_look(row: Row) -> bool:
    """Lists of numbers by layer, ``None`` for what was not finite."""
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


def _is_score(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and isinstance(found.get("name"), str)
        and isinstance(found.get("value"), (int, float))
        and isinstance(found.get("protocol"), dict)
    )
