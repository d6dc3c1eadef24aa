"""Line charts as SVG that takes its colours from the page, so that it is at home on light and dark ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from zerosum.runs.report_parts.read import thinned

Point = tuple[float, float]
WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 10, 28
POINTS = 500  # of a line, at most
COLOURS = 6  # that the page defines
OUTLIERS = 4.0  # the axis leaves out the rarest values if they would stretch it by more than this


@dataclass(frozen=True)
class Line:
    """A named line; ``level`` draws it dashed and without marks: a floor, or what there is to reach."""

    name: str
    points: Sequence[Point]
    level: bool = False


def chart(title: str, lines: Sequence[Line], *, by: str = "step", marks: bool = False) -> str:
    """A figure with a title, a legend with last values, and the lines. Values that are not finite leave gaps.

    Args:
        title: what the lines show.
        lines: to draw.
        by: what the horizontal axis counts.
        marks: draw the points too.
    """
    values = [v for line in lines for _, v in line.points if math.isfinite(v)]
    if not values:
        return f'<figure class="chart"><figcaption>{escape(title)}: no finite value</figcaption></figure>'
    levels = [v for line in lines if line.level for _, v in line.points if math.isfinite(v)]
    low, high = domain(values, levels)
    beyond = sum(not low <= v <= high for v in values)
    where = [u for line in lines for u, _ in line.points]
    aside = 0.02 * (max(where) - min(where)) if marks else 0.0
    frame = Frame(min(where) - aside, max(where) + aside, low, high)
    drawn = "".join(frame.line(line, i, marks) for i, line in enumerate(lines))
    legend = "".join(_legend(line, i) for i, line in enumerate(lines))
    note = f'<p class="note">{beyond:,} of {len(values):,} values lie beyond the axis.</p>' if beyond else ""
    return (
        f'<figure class="chart"><figcaption>{escape(title)} <small>by {escape(by)}</small></figcaption>'
        f'<ul class="legend">{legend}</ul>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{frame.axes()}<svg x='{LEFT}' y='{TOP}' width='{frame.width}' height='{frame.height}' "
        f"viewBox='{LEFT} {TOP} {frame.width} {frame.height}'>{drawn}</svg></svg>{note}</figure>"
    )


@dataclass(frozen=True)
class Frame:
    """The area of a chart: from data to places on the picture."""

    left: float
    right: float
    low: float
    high: float

    width = WIDTH - LEFT - RIGHT
    height = HEIGHT - TOP - BOTTOM

    def place(self, u: float, v: float) -> Point:
        """Where a point goes."""
        across = (u - self.left) / (self.right - self.left) if self.right > self.left else 0.5
        up = (v - self.low) / (self.high - self.low)
        return LEFT + across * self.width, TOP + (1 - up) * self.height

    def line(self, line: Line, number: int, marks: bool) -> str:
        """A line, interrupted where values are not finite; a stretch of one point is drawn as a mark."""
        kind = f"s{number % COLOURS}" + (" level" if line.level else "")
        if line.level:
            y = self.place(self.left, line.points[-1][1])[1]
            return f'<path class="{kind}" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        parts: list[str] = []
        for stretch in stretches(thinned(list(line.points), POINTS)):
            places = [self.place(u, v) for u, v in stretch]
            if len(places) > 1:
                parts.append(f'<path class="{kind}" d="M{"L".join(f"{u:.1f} {v:.1f}" for u, v in places)}"/>')
            if marks or len(places) == 1:
                parts += [f'<circle class="{kind}" cx="{u:.1f}" cy="{v:.1f}" r="3"/>' for u, v in places]
        return "".join(parts)

    def levels(self) -> list[tuple[float, str]]:
        """Heights of the grid's lines, and what stands beside them."""
        return [(v, short(v)) for v in ticks(self.low, self.high, 5)]

    def axes(self) -> str:
        """Lines and numbers of the axes."""
        parts = []
        for v, text in self.levels():
            y = self.place(self.left, v)[1]
            parts.append(
                f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
                f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
            )
        for u in ticks(self.left, self.right, 5):
            at = self.place(u, self.low)[0]
            parts.append(f'<text x="{at:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{short(u)}</text>')
        return "".join(parts)


def domain(values: Sequence[float], levels: Sequence[float] = ()) -> tuple[float, float]:
    """The range of an axis: all values with a margin, or without the rarest where those would flatten the rest.

    It reaches to all ``levels``.
    """
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    inner_low, inner_high = ordered[int(0.02 * (len(ordered) - 1))], ordered[math.ceil(0.98 * (len(ordered) - 1))]
    if inner_high > inner_low and high - low > OUTLIERS * (inner_high - inner_low):
        margin = 0.25 * (inner_high - inner_low)
        low, high = max(low, inner_low - margin), min(high, inner_high + margin)
    low, high = min([low, *levels]), max([high, *levels])
    margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def stretches(points: Sequence[Point]) -> list[list[Point]]:
    """The points, cut where a value is not finite."""
    found: list[list[Point]] = [[]]
    for u, v in points:
        if math.isfinite(v):
            found[-1].append((u, v))
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A number on an axis."""
    if value and abs(value) >= 1e4:
        scale, letter = next(((s, c) for s, c in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if abs(value) >= s), (1.0, ""))
        return f"{value / scale:.4g}{letter}" if abs(value) < 1e12 else f"{value:.1e}"
    return f"{value:.4g}"


def _legend(line: Line, number: int) -> str:
    last = next((v for _, v in reversed(line.points) if math.isfinite(v)), math.nan)
    kind = "level" if line.level else ""
    return f'<li><i class="s{number % COLOURS} {kind}"></i>{escape(line.name)} <b>{short(last)}</b></li>'
