"""Line charts as SVG that take their colours from the page, so that they suit light and dark pages alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from zerosum.report.read import thin_out

Point = tuple[float, float]
WIDTH, HEIGHT = 520, 280
LEFT, RIGHT, TOP, BOTTOM = 72, 14, 10, 46
POINTS = 500  # largest number of points of a line
COLOURS = 6  # colours that the page defines
LONGEST = 42  # characters of the words on the vertical axis
OUTLIERS = 4.0  # the axis leaves out the most extreme values if they would stretch it by more than this factor


@dataclass(frozen=True)
class Line:
    """A named line.

    Attributes:
        name: Name in the legend.
        points: Points of the line, from left to right.
        level: Whether it is a level, such as a floor: a horizontal dashed line without marks.
    """

    name: str
    points: Sequence[Point]
    level: bool = False


def chart(title: str, lines: Sequence[Line], *, unit: str = "", by: str = "step", marks: bool = False) -> str:
    """A figure with a title, a legend with last values, and the lines. Values that are not finite leave gaps.

    Args:
        title: What the lines show.
        lines: Lines to draw.
        unit: What stands on the vertical axis. "": the title.
        by: What the horizontal axis counts.
        marks: Whether to mark the points.
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
    paths = "".join(frame.line(line, i, marks) for i, line in enumerate(lines))
    legend = "".join(_legend(line, i) for i, line in enumerate(lines))
    note = f'<p class="note">{beyond:,} of {len(values):,} values lie beyond the axis.</p>' if beyond else ""
    return figure(title, f"by {by}", legend, frame, paths, axes=(by, unit or title), note=note)


def figure(
    title: str, subtitle: str, legend: str, frame: Frame, paths: str, *, axes: tuple[str, str], note: str = ""
) -> str:
    """A figure of lines.

    Args:
        title: What the lines show.
        subtitle: What follows the title, in small letters.
        legend: Items of the legend, as HTML.
        frame: Area of the chart.
        paths: Lines, as SVG.
        axes: Words on the horizontal axis and on the vertical one.
        note: What stands below the lines, as HTML.
    """
    return (
        f'<figure class="chart"><figcaption>{escape(title)} <small>{escape(subtitle)}</small></figcaption>'
        f'<ul class="legend">{legend}</ul>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{frame.axes()}{_words(*axes)}<svg x='{LEFT}' y='{TOP}' width='{frame.width}' height='{frame.height}' "
        f"viewBox='{LEFT} {TOP} {frame.width} {frame.height}'>{paths}</svg></svg>{note}</figure>"
    )


def _words(across: str, up: str) -> str:
    """Words on the axes, as SVG."""
    middle, height = LEFT + (WIDTH - LEFT - RIGHT) / 2, TOP + (HEIGHT - TOP - BOTTOM) / 2
    short = up if len(up) <= LONGEST else f"{up[: LONGEST - 1]}…"
    return (
        f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
        f'<text class="axis" transform="translate(14 {height:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(short)}</text>"
    )


@dataclass(frozen=True)
class Frame:
    """The area of a chart, which maps data to places on the picture.

    Attributes:
        left: Value at the left edge.
        right: Value at the right edge.
        low: Value at the bottom.
        high: Value at the top.
    """

    left: float
    right: float
    low: float
    high: float

    width = WIDTH - LEFT - RIGHT
    height = HEIGHT - TOP - BOTTOM

    def place(self, u: float, v: float) -> Point:
        """The place of a point on the picture."""
        across = (u - self.left) / (self.right - self.left) if self.right > self.left else 0.5
        up = (v - self.low) / (self.high - self.low)
        return LEFT + across * self.width, TOP + (1 - up) * self.height

    def line(self, line: Line, number: int, marks: bool) -> str:
        """A line as SVG, interrupted where values are not finite. A stretch of one point is drawn as a mark."""
        kind = f"s{number % COLOURS}" + (" level" if line.level else "")
        if line.level:
            y = self.place(self.left, line.points[-1][1])[1]
            return f'<path class="{kind}" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        parts: list[str] = []
        for stretch in stretches(thin_out(list(line.points), POINTS)):
            places = [self.place(u, v) for u, v in stretch]
            if len(places) > 1:
                parts.append(f'<path class="{kind}" d="M{"L".join(f"{u:.1f} {v:.1f}" for u, v in places)}"/>')
            if marks or len(places) == 1:
                parts += [f'<circle class="{kind}" cx="{u:.1f}" cy="{v:.1f}" r="3"/>' for u, v in places]
        return "".join(parts)

    def levels(self) -> list[tuple[float, str]]:
        """Heights of the grid's lines, with their labels."""
        return [(v, abbreviate(v)) for v in ticks(self.low, self.high, 5)]

    def axes(self) -> str:
        """Grid lines and labels of the axes, as SVG."""
        parts = []
        for v, text in self.levels():
            y = self.place(self.left, v)[1]
            parts.append(
                f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
                f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
            )
        for u in ticks(self.left, self.right, 5):
            at = self.place(u, self.low)[0]
            parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{abbreviate(u)}</text>')
        return "".join(parts)


def domain(values: Sequence[float], levels: Sequence[float] = ()) -> tuple[float, float]:
    """The range of an axis: all values with a margin, or without the most extreme if those would flatten the rest.

    It includes all ``levels``.
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
    pieces: list[list[Point]] = [[]]
    for u, v in points:
        if math.isfinite(v):
            pieces[-1].append((u, v))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def abbreviate(value: float) -> str:
    """Write a number as a label of an axis."""
    if value and abs(value) >= 1e4:
        scale, letter = next(((s, c) for s, c in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if abs(value) >= s), (1.0, ""))
        return f"{value / scale:.4g}{letter}" if abs(value) < 1e12 else f"{value:.1e}"
    return f"{value:.4g}"


def _legend(line: Line, number: int) -> str:
    last = next((v for _, v in reversed(line.points) if math.isfinite(v)), math.nan)
    kind = "level" if line.level else ""
    return f'<li><i class="s{number % COLOURS} {kind}"></i>{escape(line.name)} <b>{abbreviate(last)}</b></li>'
