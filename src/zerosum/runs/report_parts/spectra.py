"""Singular values of every weight over a run, as Brock et al. 2019 (arXiv:1809.11096, Appendix F) drew them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from zerosum.runs.report_parts.chart import HEIGHT, LEFT, TOP, WIDTH, Frame, Line, Point, chart, short, stretches
from zerosum.runs.report_parts.read import Row, thinned

POINTS = 60  # of a line, at most: there are many lines
NAMED = 3  # layers that a legend names, besides the first one
DEEP, SHALLOW = 20, 220  # hues of the last layer and of the first
LEVELS = 6  # of the grid, at most


@dataclass(frozen=True)
class Layer:
    """One weight: lines of its largest singular values, and of its ratio of orthogonality."""

    name: str
    colour: str
    sigmas: list[list[Point]]
    ratio: list[Point]


class Decades(Frame):
    """A frame whose heights are decimal logarithms."""

    def levels(self) -> list[tuple[float, str]]:
        """1, 2 and 5 times the powers of ten that fit, or the powers alone where those are many."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        fine = [(math.log10(m) + e, m * 10.0**e) for e in powers for m in (1, 2, 5)]
        inside = [(at, value) for at, value in fine if self.low <= at <= self.high]
        if len(inside) > LEVELS:
            inside = [(float(e), 10.0**e) for e in powers if self.low <= e <= self.high]
        return [(at, short(value)) for at, value in thinned(inside, LEVELS)]


def figures(rows: Sequence[Row]) -> str:
    """Two figures for each network: singular values of every layer, and ratios of orthogonality."""
    names = dict.fromkeys(name for row in rows for name in row["sigma"])
    networks: dict[str, list[str]] = {}
    for name in names:
        networks.setdefault(name.partition("/")[0], []).append(name)
    drawn = []
    for network, layers in networks.items():
        lines = [_layer(rows, name, i / max(1, len(layers) - 1)) for i, name in enumerate(layers)]
        drawn += [_singular_values(network, lines), _ratios(network, lines)]
    if not any(drawn):
        return ""
    note = (
        '<p class="note">Weights before any spectral normalisation, coloured by depth, blue to red. The first layer '
        "is drawn thick, second and third singular values thin; point at a line for its name.</p>"
    )
    return f'{note}<div class="charts">{"".join(drawn)}</div>'


def variety(rows: Sequence[Row]) -> str:
    """A chart of how much the samples of the pictures vary."""
    if not rows:
        return ""
    spread = Line("standard deviation, real samples having 1", [(float(row["step"]), row["spread"]) for row in rows])
    repeats = Line("share of near-duplicates", [(float(row["step"]), row["repeats"]) for row in rows])
    return f'<div class="charts">{chart("variety of samples", [spread, repeats], marks=True)}</div>'


def _layer(rows: Sequence[Row], name: str, depth: float) -> Layer:
    seen = thinned([row for row in rows if row["sigma"].get(name)], POINTS)
    steps = [float(row["step"]) for row in seen]
    count = max((len(row["sigma"][name]) for row in seen), default=0)
    columns = [[row["sigma"][name][i] if i < len(row["sigma"][name]) else None for row in seen] for i in range(count)]
    sigmas = [list(zip(steps, map(_log, column), strict=True)) for column in columns]
    ratios = [row.get("orthogonality", {}).get(name) for row in seen]
    ratio = [(step, math.nan if value is None else float(value)) for step, value in zip(steps, ratios, strict=True)]
    colour = f"hsl({SHALLOW + depth * (DEEP - SHALLOW):.0f} 60% 50%)"
    return Layer(name.partition("/")[2], colour, sigmas, ratio)


def _log(value: float | None) -> float:
    return math.log10(value) if value is not None and value > 0 else math.nan


def _singular_values(network: str, layers: Sequence[Layer]) -> str:
    """The largest three of every layer on a logarithmic axis."""
    points = [p for layer in layers for line in layer.sigmas for p in line if math.isfinite(p[1])]
    if not points:
        return ""
    low, high = min(v for _, v in points), max(v for _, v in points)
    margin = max(0.05 * (high - low), 0.2)  # room for a line of the grid
    frame = Decades(*_across(points), low - margin, high + margin)
    lines = [_drawn(frame, layer, layer.sigmas, i == 0, lambda v: short(10**v)) for i, layer in enumerate(layers)]
    biggest = _legend(layers, lambda layer: layer.sigmas[0] if layer.sigmas else [], lambda v: short(10**v))
    return _figure(f"singular values of {network}", frame, lines, biggest)


def _ratios(network: str, layers: Sequence[Layer]) -> str:
    """The ratio of orthogonality of every layer."""
    points = [p for layer in layers for p in layer.ratio if math.isfinite(p[1])]
    if not points:
        return ""
    frame = Frame(*_across(points), -0.02, 1.02)
    lines = [_drawn(frame, layer, [layer.ratio], i == 0, short) for i, layer in enumerate(layers)]
    rising = _legend(layers, lambda layer: layer.ratio, short)
    return _figure(f"ratio of orthogonality of {network}, 0 for rows at right angles", frame, lines, rising)


def _across(points: Sequence[Point]) -> tuple[float, float]:
    return min(u for u, _ in points), max(u for u, _ in points)


def _drawn(
    frame: Frame, layer: Layer, lines: Sequence[Sequence[Point]], first: bool, form: Callable[[float], str]
) -> str:
    """The lines of a layer under one title, which browsers show where one points."""
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
    """The first value and the last one that are finite."""
    values = [v for _, v in line if math.isfinite(v)]
    return [values[0], values[-1]] if values else []


def _legend(
    layers: Sequence[Layer], line: Callable[[Layer], Sequence[Point]], form: Callable[[float], str]
) -> Sequence[str]:
    """The first layer, and those that rose most, with their last values."""
    ends = {layer.name: _ends(line(layer)) for layer in layers}
    rising = sorted(
        (one for one in layers[1:] if ends[one.name]), key=lambda one: ends[one.name][0] - ends[one.name][1]
    )
    told = [("first layer, ", layers[0]), *(("", layer) for layer in rising[:NAMED])]
    return [
        f'<li><i style="--c:{layer.colour}"></i>{role}{escape(layer.name)} <b>{form(ends[layer.name][1])}</b></li>'
        for role, layer in told
        if ends[layer.name]
    ]


def _figure(title: str, frame: Frame, lines: Sequence[str], legend: Sequence[str]) -> str:
    return (
        f'<figure class="chart"><figcaption>{escape(title)} <small>by step; the layers that rose most</small>'
        f'</figcaption><ul class="legend">{"".join(legend)}</ul>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">{frame.axes()}'
        f"<svg x='{LEFT}' y='{TOP}' width='{frame.width}' height='{frame.height}' "
        f"viewBox='{LEFT} {TOP} {frame.width} {frame.height}'>{''.join(reversed(lines))}</svg></svg></figure>"
    )
