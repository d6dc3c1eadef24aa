"""Runs side by side: their last scores as a table, and how the scores went as curves. Unlike protocols are refused."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zerosum.metrics.score import Plain, Score, differences
from zerosum.recipe import UsageError
from zerosum.runs.folder import RunFolder
from zerosum.runs.log import rows_of


@dataclass(frozen=True)
class Contestant:
    """A run, or a file of scores.

    Attributes:
        name: for people.
        rows: (step, seconds, score) in the order they were measured; a file of scores has steps of 0.
        images: real images per step, for the axis of curves.
    """

    name: str
    rows: tuple[tuple[int, float, Score], ...]
    images: float = 1.0

    def last(self, name: str) -> list[Score]:
        """The scores ``name`` of the last step: one of each seed, measured as the newest one was."""
        found = [(step, score) for step, _, score in self.rows if score.name == name]
        if not found:
            return []
        step, newest = found[-1]
        alike = [score for at, score in found if at == step and not differences(score, newest)]
        return list({score.protocol.get("seed"): score for score in alike}.values())

    @property
    def names(self) -> list[str]:
        """Names of its scores, in the order of their first appearance."""
        return list(dict.fromkeys(score.name for *_, score in self.rows))


def read(path: str) -> Contestant:
    """A run's folder, or a ``.jsonl`` file that ``zerosum eval --out`` wrote.

    Raises:
        UsageError: it is neither, or holds no scores.
    """
    file = Path(path)
    rows: list[tuple[int, float, Score]]
    try:
        if file.suffix == ".jsonl":
            rows = [(0, 0.0, Score.from_json(json.dumps(row))) for row in rows_of(file)]
            images = 1.0
        else:
            folder = RunFolder(file)
            folder.record()
            rows = [
                (int(row["step"]), float(row["seconds"]), Score.from_json(json.dumps(row["score"])))
                for row in rows_of(folder.scores)
            ]
            images = _images_per_step(folder)
    except UsageError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} holds rows that are no scores ({error})") from error
    if not rows:
        raise UsageError(f"{path} has no scores yet: zerosum eval {path} makes some")
    return Contestant(file.name or path, tuple(rows), images)


def _images_per_step(folder: RunFolder) -> float:
    logged = [row for row in rows_of(folder.metrics) if row.get("step") and row.get("images")]
    return float(logged[-1]["images"]) / float(logged[-1]["step"]) if logged else 1.0


def common(contestants: Sequence[Contestant], wanted: Sequence[str] = ()) -> list[str]:
    """Names of scores that all have, or those ``wanted``.

    Raises:
        UsageError: there are none, or one lacks a wanted score.
    """
    shared = [name for name in contestants[0].names if all(name in other.names for other in contestants)]
    for name in wanted:
        lacking = [one.name for one in contestants if name not in one.names]
        if lacking:
            raise UsageError(f"{', '.join(lacking)} has no score {name!r}; all have: {', '.join(shared) or 'none'}")
    if not shared:
        listed = "; ".join(f"{one.name}: {', '.join(one.names)}" for one in contestants)
        raise UsageError(f"there is no score that all have ({listed}); measure one with zerosum eval --metrics")
    return list(wanted) or shared


def check_alike(contestants: Sequence[Contestant], names: Sequence[str], across: frozenset[str]) -> dict[str, Any]:
    """Refuse scores of unlike protocols; returns the differences in fields that are allowed to differ (``across``).

    Raises:
        UsageError: naming score, field and both values.
    """
    allowed: dict[str, tuple[Plain, Plain]] = {}
    first = contestants[0]
    for other in contestants[1:]:
        for name in names:
            found = differences(first.last(name)[0], other.last(name)[0])
            unlike = {field: pair for field, pair in found.items() if field not in across}
            if unlike:
                listed = "; ".join(f"{field}: {ours!r} against {theirs!r}" for field, (ours, theirs) in unlike.items())
                raise UsageError(
                    f"{name} of {first.name} and of {other.name} were measured under different protocols: {listed}. "
                    f"Measure both alike with zerosum eval, or allow it with --across {','.join(unlike)}"
                )
            allowed |= {field: pair for field, pair in found.items() if field in across}
    return allowed


def table(contestants: Sequence[Contestant], names: Sequence[str]) -> list[list[str]]:
    """Rows of text: a head, then a contestant each; mean ± standard deviation where there are several seeds."""
    rows = [["", *names]]
    for one in contestants:
        cells = []
        for name in names:
            values = [score.value for score in one.last(name)]
            spread = f" ± {statistics.stdev(values):.2g} ({len(values)})" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):.4g}{spread}")
        rows.append([one.name, *cells])
    return rows


def curves(contestants: Sequence[Contestant], names: Sequence[str]) -> Any:
    """A figure of each score over the real images seen; ``None`` where no run has two points."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, MaxNLocator

    every = {name: [_curve(one, name) for one in contestants] for name in names}
    drawn = {name: found for name, found in every.items() if any(len(points) > 1 for points in found)}
    if not drawn:
        return None
    columns = min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(4.5 * columns, 3.5 * rows), dpi=110, layout="tight")
    panels: Any = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(drawn) :]:
        axes.set_axis_off()
    for axes, (name, found) in zip(panels.flat, drawn.items(), strict=False):
        for one, points in zip(contestants, found, strict=True):
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=one.name)
        if name.startswith(("fid", "fd_")):
            axes.set_yscale("log")
        axes.set(title=name, xlabel="real images seen")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.legend(fontsize=8)
    return figure


def _curve(one: Contestant, name: str) -> list[tuple[float, float]]:
    by_step: dict[int, list[float]] = {}
    for step, _, score in one.rows:
        if score.name == name:
            by_step.setdefault(step, []).append(score.value)
    return [(step * one.images, statistics.fmean(values)) for step, values in sorted(by_step.items())]
