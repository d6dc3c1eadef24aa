"""What is compared: runs and files of scores, and which of them differ in nothing but their seed."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol

from zerosum.errors import UsageError
from zerosum.files import Row, Rows
from zerosum.folder import RunFolder
from zerosum.metrics.score import Plain, Score, differences
from zerosum.runs.settings import SAFE

# Settings that do not change what is trained, besides those that a resumed run may change; the data count by content.
UNIMPORTANT = SAFE | {"seed", "out", "device", "compile", "data", "size"}
LATE = 0.1  # share of the log, at its end, over which losses are averaged


class HasPath(Protocol):
    """What has a folder, such as a ``Run``."""

    @property
    def path(self) -> Path:
        """The folder."""


@dataclass(frozen=True)
class Contestant:
    """A run, or a file of scores.

    Attributes:
        path: Folder or file.
        name: Name that is shown.
        rows: (step, seconds, score), in the order in which the scores were measured. In a file of scores, steps are 0.
        log: Rows of the losses. A file of scores has none.
        record: What ``run.json`` says. ``None``: this is a file of scores.
    """

    path: Path
    name: str
    rows: tuple[tuple[int, float, Score], ...]
    log: tuple[Row, ...] = ()
    record: dict[str, Any] | None = field(default=None, compare=False)

    @property
    def names(self) -> list[str]:
        """Names of the scores, in the order of their first appearance."""
        return list(dict.fromkeys(score.name for *_, score in self.rows))

    @property
    def seed(self) -> int | None:
        """Seed of the run."""
        return None if self.record is None else int(self.record["settings"].get("seed", 0))

    @cached_property
    def images(self) -> float:
        """Real images per step, for the axis of curves."""
        logged = [row for row in self.log if row.get("step") and row.get("images")]
        return float(logged[-1]["images"]) / float(logged[-1]["step"]) if logged else 1.0

    @cached_property
    def configuration(self) -> str | None:
        """All that a run's result depends on, but for its seed, as text. ``None``: this is a file of scores."""
        if self.record is None:
            return None
        settings = {k: v for k, v in self.record["settings"].items() if k not in UNIMPORTANT}
        own = {k: v for k, v in self.record.items() if k in ("recipe", "arguments", "source")}
        return json.dumps([own, settings, self.record["data"].get("fingerprint")], sort_keys=True, default=str)

    def last(self, name: str) -> list[Score]:
        """The scores ``name`` of the last step: one for each seed, all of the same samples, or of the same generator's,
        and measured as the newest one was.
        """
        scores = [(step, score) for step, _, score in self.rows if score.name == name]
        if not scores:
            return []
        last_step, newest = scores[-1]
        same = [score for step, score in scores if step == last_step and _sample(score) == _sample(newest)]
        alike = [score for score in same if not differences(score, newest)]
        return list({score.protocol.get("seed"): score for score in alike}.values())

    def last_step(self, name: str | None = None) -> int:
        """Iterations after which the newest score ``name`` was measured, or after which the log ends."""
        if name is None:
            return max((int(row["step"]) for row in self.log if "step" in row), default=0)
        return next((step for step, _, score in reversed(self.rows) if score.name == name), 0)

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return max((float(row["seconds"]) for row in self.log if "seconds" in row), default=0.0)

    def late_losses(self) -> dict[str, float]:
        """Mean of each loss over the end of the log."""
        rows = [row["losses"] for row in self.log if row.get("losses")]
        late = rows[-max(1, round(LATE * len(rows))) :]
        return {name: statistics.fmean(row.get(name, math.nan) for row in late) for name in (late[-1] if late else {})}


def _sample(score: Score) -> tuple[Plain, ...]:
    """What was scored. A generator's samples have another fingerprint for each seed, and the same name."""
    told = score.protocol
    files = told.get("sample_kind") == "files"
    return told.get("sample"), told.get("sample_fingerprint") if files else None


def read(source: str | PathLike[str] | HasPath) -> Contestant:
    """Read a run, its folder, or a ``.jsonl`` file of scores that ``zerosum eval`` wrote.

    Raises:
        UsageError: It is none of them, or contains rows that are not scores. A file may not be empty.
    """
    file = Path(fspath(source)) if isinstance(source, (str, PathLike)) else Path(source.path)
    try:
        if file.suffix == ".jsonl":
            if not file.is_file():
                raise UsageError(f"{file} is not there; give the folder of a run, or a file that zerosum eval wrote")
            rows = tuple((0, 0.0, Score.from_json(json.dumps(row))) for row in Rows(file))
            if not rows:
                raise UsageError(f"{file} has no scores yet; to measure some: zerosum eval")
            return Contestant(file, file.name, rows)
        folder = RunFolder(file)
        record = folder.record()
        scored = tuple(
            (int(row["step"]), float(row["seconds"]), Score.from_json(json.dumps(row["score"])))
            for row in Rows(folder.scores)
        )
    except UsageError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file} contains rows that are not scores ({error})") from error
    return Contestant(file, file.resolve().name, scored, tuple(Rows(folder.metrics)), record)


def read_all(sources: Sequence[str | PathLike[str] | HasPath]) -> list[Contestant]:
    """Read several; where two have the same name, they are shown with their paths.

    Raises:
        UsageError: There are fewer than two, or one cannot be read; see :func:`read`.
    """
    if len(sources) < 2:
        raise UsageError("name at least two runs to compare")
    found = [read(source) for source in sources]
    paths = {one.name: {other.path for other in found if other.name == one.name} for one in found}
    return [replace(one, name=str(one.path)) if len(paths[one.name]) > 1 else one for one in found]


@dataclass(frozen=True)
class Entrant:
    """What one row of a comparison is about: a contestant, or runs that differ only in their seed.

    Attributes:
        name: Name that is shown.
        members: The contestants.
    """

    name: str
    members: tuple[Contestant, ...]

    @property
    def first(self) -> Contestant:
        """The first contestant, which stands for what all have in common."""
        return self.members[0]

    def values(self, name: str) -> list[float]:
        """Last values of a score: one for each run, or for a single contestant, one for each seed of its samples."""
        if len(self.members) == 1:
            return [score.value for score in self.first.last(name)]
        return [statistics.fmean(score.value for score in one.last(name)) for one in self.members]


def entrants(contestants: Sequence[Contestant], names: Sequence[str], *, each: bool = False) -> list[Entrant]:
    """Put runs together that differ only in their seed, were trained as long, and were scored alike.

    Args:
        contestants: What is compared.
        names: Names of the scores that are compared. None: losses are.
        each: Whether every contestant stays by itself.

    Returns:
        Entries, in the order of their first members. Runs with the same seed stay apart: they are no repetitions.
    """
    groups: list[list[Contestant]] = []
    for one in contestants:
        group = next((group for group in groups if not each and _is_repetition(group[0], one, names)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    together = [group for group in groups if len({one.seed for one in group}) == len(group) > 1]
    labels = iter(_labels(together))
    found = []
    for group in groups:
        if group in together:
            found.append(Entrant(f"{next(labels)} ({len(group)} seeds)", tuple(group)))
        else:
            found += [Entrant(one.name, (one,)) for one in group]
    return found


def _is_repetition(a: Contestant, b: Contestant, names: Sequence[str]) -> bool:
    """Whether two runs were made alike, are as long, and were scored alike."""
    return (
        a.configuration is not None
        and a.configuration == b.configuration
        and all(a.last_step(name) == b.last_step(name) for name in names or (None,))
        and not any(differences(a.last(name)[0], b.last(name)[0]) for name in names)
    )


def _labels(groups: Sequence[Sequence[Contestant]]) -> list[str]:
    """Names of groups of runs: the recipe, and those of its arguments, settings and data in which the groups differ."""
    facts = [_facts(group[0]) for group in groups]
    keys = dict.fromkeys(key for one in facts for key in one if key != "recipe")
    differ = [key for key in keys if len({one.get(key) for one in facts}) > 1]
    labels = [
        " ".join([one["recipe"], *(f"{key}={one[key]}" for key in differ if one.get(key) is not None)]) for one in facts
    ]
    return [
        label if labels.count(label) == 1 else f"{label}, {group[0].name}"
        for label, group in zip(labels, groups, strict=True)
    ]


def _facts(one: Contestant) -> dict[str, str]:
    assert one.record is not None  # files of scores are in no group
    settings = {k: v for k, v in one.record["settings"].items() if k not in UNIMPORTANT}
    facts = {"recipe": one.record["recipe"], "data": one.record["data"]["name"]} | one.record["arguments"] | settings
    return {key: str(value) for key, value in (facts | {"step": one.last_step()}).items() if value is not None}
