"""Charts of the report: where points are drawn, gaps, thinned lines, spikes, ticks."""

import math
import re

import pytest

from zerosum.report.chart import POINTS, Line, abbreviate, chart, domain, stretches, ticks


def drawn(svg: str) -> list[list[tuple[float, float]]]:
    """The lines of a chart, gridlines aside."""
    paths = re.findall(r'<path class="s\d" d="M([^"]*)"', svg)
    return [[(float(x), float(y)) for x, y in (p.split() for p in path.split("L"))] for path in paths]


def test_a_chart_draws_its_points_where_they_are() -> None:
    svg = chart("loss", [Line("a", [(0, 0.0), (5, 1.0), (10, 0.0)])])
    (line,) = drawn(svg)
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11)
    assert y0 == y2 > y1  # upwards is less
    labels = re.findall(r'<text x="([\d.]+)" y="252" text-anchor="middle">(\d+)</text>', svg)
    assert {int(label): float(x) for x, label in labels}[10] == pytest.approx(x2, abs=0.11)


def test_long_lines_are_thinned_and_keep_their_ends() -> None:
    points = [(float(i), math.sin(i / 100)) for i in range(12_345)]
    (line,) = drawn(chart("loss", [Line("a", points)]))
    (ends,) = drawn(chart("loss", [Line("a", [points[0], (6000.0, -1.0), (6001.0, 1.0), points[-1]])]))
    assert len(line) == POINTS
    assert (line[0][0], line[-1][0]) == (ends[0][0], ends[-1][0])


def test_values_that_are_not_finite_leave_gaps() -> None:
    nan, inf = math.nan, math.inf
    points = [(0.0, nan), (1.0, 1.0), (2.0, 2.0), (3.0, nan), (4.0, inf), (5.0, 3.0)]
    assert stretches(points) == [[(1.0, 1.0), (2.0, 2.0)], [(5.0, 3.0)]]
    svg = chart("loss", [Line("a", points)])
    assert len(drawn(svg)) == 1
    assert svg.count("<circle") == 1  # the point that stands alone
    assert "nan" not in svg
    assert "no finite value" in chart("loss", [Line("a", [(0.0, nan)])])


def test_a_rare_spike_does_not_flatten_the_rest() -> None:
    values = [float(i % 10) for i in range(200)]
    low, high = domain([*values, 1e6])
    assert -5 < low <= 0
    assert 9 <= high < 20
    svg = chart("loss", [Line("a", [(float(i), v) for i, v in enumerate([*values, 1e6])])])
    assert "1 of 201 values lie beyond the axis" in svg
    assert domain([0.0, 10.0]) == (-0.5, 10.5)
    assert domain([0.0, 10.0], [20.0])[1] > 20
    assert domain([3.0, 3.0]) == pytest.approx((2.7, 3.3))
    assert domain([0.0]) == (-1, 1)


def test_ticks_are_round() -> None:
    assert ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert ticks(-0.03, 0.11, 5) == pytest.approx([0, 0.05, 0.1])
    assert ticks(3, 3, 5) == [3]
    assert [abbreviate(v) for v in (0, 0.25, 9_999, 20_000, 1_500_000, -3e9)] == [
        "0",
        "0.25",
        "9999",
        "20k",
        "1.5M",
        "-3G",
    ]
