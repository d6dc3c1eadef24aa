"""Draws runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

COLUMNS = 3  # largest number of panels in a row
DISTANCES = ("fid", "fd_")  # beginnings of names of scores that fall by orders of magnitude


def draw_curves(curves: Mapping[str, Mapping[str, Sequence[tuple[float, float, float]]]]) -> Figure:
    """A panel for each score, a line for each entrant, and a band of one deviation where it has several runs.

    Args:
        curves: Points (real samples seen, mean, deviation) by score and entrant.
    """
    figure, panels = _panels(len(curves))
    for axes, (name, lines) in zip(panels, curves.items(), strict=True):
        for entrant, points in lines.items():
            x, mean, deviation = zip(*points, strict=True) if points else ((), (), ())
            (line,) = axes.plot(x, mean, marker="o" if len(x) < 50 else None, markersize=3, label=entrant)
            if any(deviation):
                low = [m - d for m, d in zip(mean, deviation, strict=True)]
                high = [m + d for m, d in zip(mean, deviation, strict=True)]
                axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        if name.startswith(DISTANCES) and all(m > 0 for points in lines.values() for _, m, _ in points):
            axes.set_yscale("log")
        axes.set(title=name, xlabel="real samples seen")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.legend(fontsize=8)
    return figure


def draw_values(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Figure:
    """A panel for each score, a point for each row with its deviation.

    Args:
        rows: Rows of a comparison.
        names: Names of the scores.
    """
    figure, panels = _panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        for place, row in enumerate(rows):
            axes.errorbar(row[name], place, xerr=row[f"{name}_std"] or 0.0, fmt="o", capsize=3)
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
        axes.set(title=name, ylim=(len(rows) - 0.5, -0.5))
    return figure


def _panels(count: int) -> tuple[Figure, list[Any]]:
    """A figure, and as many axes as there are panels."""
    columns = max(1, min(COLUMNS, count))
    rows = -(-max(1, count) // columns)
    figure = Figure(figsize=(4.5 * columns, 3.5 * rows), dpi=110, layout="tight")
    panels: Any = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[count:]:
        axes.set_axis_off()
    return figure, list(panels.flat[:count])
