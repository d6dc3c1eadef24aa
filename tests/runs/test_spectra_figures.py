"""Figures of singular values: lines where the numbers are, named, and few enough to load."""

import json
import math
import re
from itertools import pairwise
from typing import Any

import pytest

from zerosum.report import spectra

Rows = list[dict[str, Any]]


def look(step: int, **sigma: list[float | None]) -> dict[str, Any]:
    named = {name.replace("_", "/"): values for name, values in sigma.items()}
    return {"step": step, "sigma": named, "orthogonality": dict.fromkeys(named, 0.25)}


def figures(rows: Rows) -> list[str]:
    return spectra.figures(rows).split("</figure>")[:-1]


def lines(svg: str, kind: str) -> list[list[tuple[float, float]]]:
    paths = re.findall(rf'<path class="{kind}" d="M([^"]*)"', svg)
    return [[(float(x), float(y)) for x, y in (p.removesuffix("h0").split() for p in d.split("L"))] for d in paths]


def test_a_figure_of_values_and_one_of_ratios_for_each_network() -> None:
    rows = [
        look(s, D_first=[v, 1.0, 0.5], D_last=[w], G_last=[2.0, 1.0]) for s, v, w in ((1, 10.0, 1.0), (2, 100.0, 3.0))
    ]
    found = figures(rows)
    titles = [re.findall(r"<figcaption>([^<]*) <small>", figure) for figure in found]
    ratio = "ratio of orthogonality of {}, 0 for rows at right angles"
    assert titles == [["singular values of D"], [ratio.format("D")], ["singular values of G"], [ratio.format("G")]]
    assert [len(lines(found[0], kind)) for kind in ("first", "layer", "thin")] == [1, 1, 2]
    assert [len(lines(found[1], kind)) for kind in ("first", "layer", "thin")] == [1, 1, 0]
    assert re.findall(r"<title>([^<]*)</title>", found[0]) == ["last: 1 to 3", "first: 10 to 100"]  # the first on top
    assert re.findall(r"<title>([^<]*)</title>", found[1]) == ["last: 0.25 to 0.25", "first: 0.25 to 0.25"]
    colours = re.findall(r'style="--c:(hsl[^"]*)"', found[0].split("<svg")[1] + found[0].split("<svg")[2])
    assert colours == ["hsl(20 60% 50%)", "hsl(220 60% 50%)"]


def test_values_stand_on_a_logarithmic_axis() -> None:
    svg = figures([look(step, D_a=[value]) for step, value in enumerate([0.1, 1.0, 10.0, 100.0])])[0]
    ((*places,),) = lines(svg, "first")
    heights = [y for _, y in places]
    assert [b - a for a, b in pairwise(heights)] == pytest.approx([heights[1] - heights[0]] * 3, abs=0.2)
    assert heights[3] < heights[0]  # upwards is less
    labels = {text: float(y) - 4 for y, text in re.findall(r'y="([\d.]+)" text-anchor="end">([\d.]+)<', svg)}
    assert labels["10"] == pytest.approx(heights[2], abs=0.2)
    assert labels["100"] == pytest.approx(heights[3], abs=0.2)


def test_ratios_stand_on_an_axis_from_zero_to_one() -> None:
    rows = [look(step, D_a=[1.0]) for step in (1, 2)]
    svg = figures(rows)[1]
    labels = {float(text): float(y) - 4 for y, text in re.findall(r'y="([\d.]+)" text-anchor="end">([\d.]+)<', svg)}
    assert min(labels) == 0
    assert max(labels) == 1
    height = lines(svg, "first")[0][0][1]
    assert height == pytest.approx(labels[0] + 0.25 * (labels[1] - labels[0]), abs=0.2)


def test_the_grid_of_a_logarithmic_axis_is_round() -> None:
    def said(low: float, high: float) -> list[str]:
        return [text for _, text in spectra.Decades(0, 1, math.log10(low), math.log10(high)).levels()]

    assert said(0.9, 11) == ["1", "2", "5", "10"]
    assert said(0.009, 110) == ["0.01", "0.1", "1", "10", "100"]
    assert said(1.4, 4) == ["2"]
    assert len(said(1e-9, 1e9)) == spectra.LEVELS


def test_the_layers_that_rose_most_are_named_beside_the_first() -> None:
    rows = [look(s, **{f"D_{i}": [1.0 + s * i] for i in range(6)}) for s in (0, 1)]
    legend = re.findall(r"</i>([^<]*) <b>([^<]*)</b>", figures(rows)[0])
    assert legend == [("first layer, 0", "1"), ("5", "6"), ("4", "5"), ("3", "4")]


def test_what_is_not_finite_leaves_gaps() -> None:
    rows = [look(10 * i, D_a=[value]) for i, value in enumerate([1.0, 2.0, None, 0.0, 4.0])]
    svg = figures(rows)[0]
    assert [len(line) for line in lines(svg, "first")] == [2, 1]
    assert 'h0"' in svg  # the one that stands alone
    assert "<title>a: 1 to 4</title>" in svg
    assert "nan" not in svg
    assert spectra.figures([{"step": 1, "sigma": {"D/a": [None]}, "orthogonality": {"D/a": None}}]) == ""
    assert spectra.figures([]) == ""


def test_a_layer_that_appears_later_or_loses_a_row_is_drawn() -> None:
    rows = [look(0, D_a=[1.0]), look(1, D_a=[1.0], D_b=[2.0, 1.0]), look(2, D_a=[1.0], D_b=[3.0])]
    svg = figures(rows)[0]
    assert [len(line) for line in lines(svg, "layer")] == [2]
    assert [len(line) for line in lines(svg, "thin")] == [1]


def test_names_are_escaped() -> None:
    row = {"step": 1, "sigma": {"<b>/<script>": [1.0]}, "orthogonality": {}}
    text = spectra.figures([row])
    assert "<script>" not in text
    assert "<b>/" not in text
    assert "singular values of &lt;b&gt;" in text


def test_a_page_with_many_layers_stays_light() -> None:
    rows = [look(s, **{f"D_blocks.{i}.conv1": [1.0 + i, 0.5, 0.4] for i in range(100)}) for s in range(1000)]
    text = spectra.figures(json.loads(json.dumps(rows)))
    assert len(text) < 600_000
    assert max(len(line) for line in lines(text, "first")) == spectra.POINTS


def test_variety_is_a_chart_of_its_two_numbers() -> None:
    text = spectra.variety([{"step": s, "samples": 64, "spread": s / 1000, "repeats": 0.125} for s in (0, 500)])
    assert re.findall(r"</i>([^<]*) <b>([^<]*)</b>", text) == [
        ("standard deviation, real samples having 1", "0.5"),
        ("share of near-duplicates", "0.125"),
    ]
    assert spectra.variety([]) == ""
