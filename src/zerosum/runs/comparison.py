"""Runs side by side: a table of their last scores, and curves of all scores. Unlike protocols are refused."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zerosum.errors import UsageError
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.metrics.score import Plain, Score, differences


@dataclass(frozen=True)
class Contestant:
    """A run, or a file of scores.

    Attributes:
        name: Name that is shown.
        rows: (step, seconds, score), in the order in which the scores were measured. In a file of scores, steps are 0.
        images: Real images per step, for the axis of curves.
    """

    name: str
    rows: tuple[tuple[int, float, Score], ...]
    images: float = 1.0

    def last(self, name: str) -> list[Score]:
        """The scores ``name`` of the last step: one for each seed, all measured as the newest one was."""
        scores = [(step, score) for step, _, score in self.rows if score.name == name]
        if not scores:
            return []
        last_step, newest = scores[-1]
        alike = [score for step, score in scores if step == last_step and not differences(score, newest)]
        return list({score.protocol.get("seed"): score for score in alike}.values())

    @property
    def names(self) -> list[str]:
        """Names of the scores, in the order of their first appearance."""
        return list(dict.fromkeys(score.name for *_, score in self.rows))


def read(path: str) -> Contestant:
    """Read a run's folder, or a ``.jsonl`` file of scores that ``zerosum eval`` wrote.

    Raises:
        UsageError: The path is neither, or contains no scores.
    """
    file = Path(path)
    rows: list[tuple[int, float, Score]]
    try:
        if file.suffix == ".jsonl":
            rows = [(0, 0.0, Score.from_json(json.dumps(row))) for row in Rows(file)]
            images = 1.0
        else:
            folder = RunFolder(file)
            folder.record()
            rows = [
                (int(row["step"]), float(row["seconds"]), Score.from_json(json.dumps(row["score"])))
                for row in Rows(folder.scores)
            ]
            images = _images_per_step(folder)
    except UsageError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} contains rows that are not scores ({error})") from error
    if not rows:
        raise UsageError(f"{path} has no scores yet; to measure some: zerosum eval {path}")
    return Contestant(file.name or path, tuple(rows), images)


def _images_per_step(folder: RunFolder) -> float:
    logged = [row for row in Rows(folder.metrics) if row.get("step") and row.get("images")]
    return float(logged[-1]["images"]) / float(logged[-1]["step"]) if logged else 1.0


def shared_names(contestants: Sequence[Contestant], wanted: Sequence[str] = ()) -> list[str]:
    """Names of the scores that all contestants have, or those that are ``wanted``.

    Raises:
        UsageError: There are none, or a contestant lacks a score that is wanted.
    """
    shared = [name for name in contestants[0].names if all(name in other.names for other in contestants)]
    for name in wanted:
        lacking = [one.name for one in contestants if name not in one.names]
        if lacking:
            known = ", ".join(shared) or "none"
            raise UsageError(f"there is no score {name!r} of {', '.join(lacking)}; all have: {known}")
    if not shared:
        listed = "; ".join(f"{one.name}: {', '.join(one.names)}" for one in contestants)
        raise UsageError(f"there is no score that all have ({listed}); measure one with zerosum eval")
    return list(wanted) or shared


def check_alike(contestants: Sequence[Contestant], names: Sequence[str], across: frozenset[str]) -> dict[str, Any]:
    """Refuse scores of unlike protocols.

    Args:
        contestants: What is compared.
        names: Names of the scores.
        across: Fields of the protocol that may differ.

    Returns:
        Both values of the fields that do differ.

    Raises:
        UsageError: Other fields differ. The message names the score, the fields and both values of each.
    """
    allowed: dict[str, tuple[Plain, Plain]] = {}
    first = contestants[0]
    for other in contestants[1:]:
        for name in names:
            pairs = differences(first.last(name)[0], other.last(name)[0])
            unlike = {field: pair for field, pair in pairs.items() if field not in across}
            if unlike:
                listed = "; ".join(f"{field}: {ours!r} against {theirs!r}" for field, (ours, theirs) in unlike.items())
                raise UsageError(
                    f"{name} of {first.name} and {other.name} was measured under different protocols: {listed}. "
                    f"Measure both alike with zerosum eval, or allow this with across={','.join(unlike)}",
                    argument="across",
                )
            allowed |= {field: pair for field, pair in pairs.items() if field in across}
    return allowed


def table(contestants: Sequence[Contestant], names: Sequence[str]) -> list[list[str]]:
    """Rows of text, the head first: mean ± standard deviation where a contestant has several seeds."""
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
    """A figure of each score over the real images seen. ``None``: no run has two points."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, MaxNLocator

    every = {name: [_curve(one, name) for one in contestants] for name in names}
    charts = {name: lines for name, lines in every.items() if any(len(points) > 1 for points in lines)}
    if not charts:
        return None
    columns = min(3, len(charts))
    rows = -(-len(charts) // columns)
    figure = Figure(figsize=(4.5 * columns, 3.5 * rows), dpi=110, layout="tight")
    panels: Any = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(charts) :]:
        axes.set_axis_off()
    for axes, (name, lines) in zip(panels.flat, charts.items(), strict=False):
        for one, points in zip(contestants, lines, strict=True):
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
