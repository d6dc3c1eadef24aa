"""How figures of the lab look: colours that the colour-blind can tell apart, and line styles that survive printing."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

# Okabe and Ito 2008, "Color Universal Design"; black first, yellow left out (too light on paper).
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH, HEIGHT = 3.6, 3.0  # of a panel, in inches


def panels(rows: int = 1, columns: int = 1, *, width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Any]:
    """A figure and its axes, an array (rows, columns).

    Args:
        rows: Number of rows of panels.
        columns: Number of columns of panels.
        width: Width of a panel, in inches.
        height: Height of a panel, in inches.
    """
    figure = Figure(figsize=(width * columns, height * rows), dpi=100, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=8)
        one.title.set_fontsize(10)
    return figure, axes


def line(i: int, *, marked: bool = False) -> dict[str, Any]:
    """Colour and style of curve number ``i``.

    Args:
        i: Number of the curve, from 0.
        marked: Whether to mark its points, which helps where they are few.
    """
    k = i % len(COLOURS)
    style: dict[str, Any] = {"color": COLOURS[k], "linestyle": STYLES[k], "linewidth": 1.6}
    return style | ({"marker": MARKERS[k], "markersize": 5} if marked else {})


def draw_points(axes: Any, fake: Any, real: Any, title: str, *, limit: float | None = None) -> None:
    """Draw generated points over real ones in one panel with equal axes.

    Args:
        axes: Axes of the panel.
        fake: Generated points, (N, 2).
        real: Real points, (M, 2), drawn in grey.
        title: Title of the panel.
        limit: Limit of both axes; ``None`` for a third beyond the real points.
    """
    fake, real = np.asarray(fake), np.asarray(real)
    reach = 1.3 * float(np.abs(real).max()) if limit is None else limit
    axes.scatter(*real.T, s=3, c="#bbbbbb", linewidths=0)
    axes.scatter(*fake.T, s=3, c=COLOURS[1], linewidths=0)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=title)
    axes.set_xticks([])
    axes.set_yticks([])
