"""Singular values of every weight during a run, as Brock et al. 2019 (arXiv:1809.11096, Appendix F) drew them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from zerosum.files import Row
from zerosum.report.chart import Frame, Line, Point, abbreviate, chart, figure, stretches
from zerosum.report.read import thin_out

POINTS = 60  # largest number of points of a line: there are many lines
NAMED = 3  # layers that a legend names besides the first one
DEEP, SHALLOW = 20, 220  # hues of the last layer and of the first
LEVELS = 6  # largest number of lines of the grid


@dataclass(frozen=True)
class WeightLines:
    """The lines of one weight.

    Attributes:
        name: Name of its layer.
        colour: Colour of the lines, in CSS.
        sigmas: Logarithms of the largest singular values over steps, a line each.
        ratio: Ratio of orthogonality over steps.
    """

    name: str
    colour: str
    sigmas: list[list[Point]]
    ratio: list[Point]


class Decades(Frame):
    """A frame whose heights are decimal logarithms."""

    def levels(self) -> list[tuple[float, str]]:
        """1, 2 and 5 times the powers of ten that fit, or only the powers if there are too many."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        fine = [(math.log10(m) + e, m * 10.0**e) for e in powers for m in (1, 2, 5)]
        inside = [(at, value) for at, value in fine if self.low <= at <= self.high]
        if len(inside) > LEVELS:
            inside = [(float(e), 10.0**e) for e in powers if self.low <= e <= self.high]
        return [(at, abbreviate(value)) for at, value in thin_out(inside, LEVELS)]


def figures(rows: Sequence[Row]) -> str:
    """Two figures for each network: the singular values of every layer, and the ratios of orthogonality."""
    names = dict.fromkeys(name for row in rows for name in row["sigma"])
    networks: dict[str, list[str]] = {}
    for name in names:
        networks.setdefault(name.partition("/")[0], []).append(name)
    charts = []
    for network, layers in networks.items():
        lines = [_layer(rows, name, i / max(1, len(layers) - 1)) for i, name in enumerate(layers)]
        charts += [_singular_values(network, lines), _ratios(network, lines)]
    if not any(charts):
        return ""
    note = (
        '<p class="note">Weights before any spectral normalisation, coloured by depth, blue to red. The first layer '
        "is drawn thick, second and third singular values thin; point at a line for its name.</p>"
    )
    return f'{note}<div class="charts">{"".join(charts)}</div>'


def variety(rows: Sequence[Row]) -> str:
    """A chart of how much the samples in the pictures vary."""
    if not rows:
        return ""
    spread = Line("standard deviation, real samples having 1", [(float(row["step"]), row["spread"]) for row in rows])
    repeats = Line("share of near-duplicates", [(float(row["step"]), row["repeats"]) for row in rows])
    return f'<div class="charts">{chart("variety of samples", [spread, repeats], unit="ratio", marks=True)}</div>'


def _layer(rows: Sequence[Row], name: str, depth: float) -> WeightLines:
    looks = thin_out([row for row in rows if row["sigma"].get(name)], POINTS)
    steps = [float(row["step"]) for row in looks]
    count = max((len(row["sigma"][name]) for row in looks), default=0)
    columns = [[row["sigma"][name][i] if i < len(row["sigma"][name]) else None for row in looks] for i in range(count)]
    sigmas = [list(zip(steps, map(_log, column), strict=True)) for column in columns]
    ratios = [row.get("orthogonality", {}).get(name) for row in looks]
    ratio = [(step, math.nan if value is None else float(value)) for step, value in zip(steps, ratios, strict=True)]
    colour = f"hsl({SHALLOW + depth * (DEEP - SHALLOW):.0f} 60% 50%)"
    return WeightLines(name.partition("/")[2], colour, sigmas, ratio)


def _log(value: float | None) -> float:
    return math.log10(value) if value is not None and value > 0 else math.nan


def _singular_values(network: str, layers: Sequence[WeightLines]) -> str:
    """The three largest singular values of every layer, on a logarithmic axis."""
    points = [p for layer in layers for line in layer.sigmas for p in line if math.isfinite(p[1])]
    if not points:
        return ""
    low, high = min(v for _, v in points), max(v for _, v in points)
    margin = max(0.05 * (high - low), 0.2)  # room for a line of the grid
    frame = Decades(*_extent(points), low - margin, high + margin)
    paths = [_paths(frame, layer, layer.sigmas, i == 0, lambda v: abbreviate(10**v)) for i, layer in enumerate(layers)]
    legend = _legend(layers, lambda layer: layer.sigmas[0] if layer.sigmas else [], lambda v: abbreviate(10**v))
    return _figure(f"singular values of {network}", "singular value, logarithmic", legend, frame, paths)


def _ratios(network: str, layers: Sequence[WeightLines]) -> str:
    """The ratio of orthogonality of every layer."""
    points = [p for layer in layers for p in layer.ratio if math.isfinite(p[1])]
    if not points:
        return ""
    frame = Frame(*_extent(points), -0.02, 1.02)
    paths = [_paths(frame, layer, [layer.ratio], i == 0, abbreviate) for i, layer in enumerate(layers)]
    legend = _legend(layers, lambda layer: layer.ratio, abbreviate)
    title = f"ratio of orthogonality of {network}, 0 for rows at right angles"
    return _figure(title, "ratio of orthogonality", legend, frame, paths)


def _extent(points: Sequence[Point]) -> tuple[float, float]:
    return min(u for u, _ in points), max(u for u, _ in points)


def _paths(
    frame: Frame, layer: WeightLines, lines: Sequence[Sequence[Point]], first: bool, form: Callable[[float], str]
) -> str:
    """The lines of a layer under one title, which browsers show when one points at them."""
    parts = []
    for number, line in enumerate(lines):
        kind = "thin" if number else "first" if first else "layer"
        for stretch in stretches(line):
            places = "L".join(f"{u:.1f} {v:.1f}" for u, v in (frame.place(*point) for point in stretch))
            # A look that stands alone is a line of no length, which a round cap makes a dot.
            parts.append(f'<path class="{kind}" d="M{places}{"" if len(stretch) > 1 else "h0"}"/>')
    title = escape(f"{layer.name}: {' to '.join(form(v) for v in _ends(lines[0]))}") if lines else escape(layer.name)
    return f'<g style="--c:{layer.colour}"><title>{title}</title>{"".join(parts)}</g>'


def _ends(line: Sequence[Point]) -> list[float]:
    """The first and the last value that are finite."""
    values = [v for _, v in line if math.isfinite(v)]
    return [values[0], values[-1]] if values else []


def _legend(
    layers: Sequence[WeightLines], line: Callable[[WeightLines], Sequence[Point]], form: Callable[[float], str]
) -> str:
    """The first layer, and those that rose most, with their last values."""
    ends = {layer.name: _ends(line(layer)) for layer in layers}
    rising = sorted(
        (one for one in layers[1:] if ends[one.name]), key=lambda one: ends[one.name][0] - ends[one.name][1]
    )
    shown = [("first layer, ", layers[0]), *(("", layer) for layer in rising[:NAMED])]
    return "".join(
        f'<li><i style="--c:{layer.colour}"></i>{role}{escape(layer.name)} <b>{form(ends[layer.name][1])}</b></li>'
        for role, layer in shown
        if ends[layer.name]
    )


def _figure(title: str, unit: str, legend: str, frame: Frame, paths: Sequence[str]) -> str:
    subtitle = "by step; the layers that rose most"
    return figure(title, subtitle, legend, frame, "".join(reversed(paths)), axes=("step", unit))
