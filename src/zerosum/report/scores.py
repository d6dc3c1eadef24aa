"""Scores on the page. Only scores that were measured alike share a line or a mean."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from zerosum.files import Row
from zerosum.report.chart import Line, chart
from zerosum.report.page import number, summarise, table

# Fields of the protocol that do not say what was measured, as in metrics/score.py, which imports torch. A test compares
# the two.
NOT_COMPARED = frozenset(
    {
        "seed",
        "zerosum",
        "sample",
        "sample_path",
        "sample_fingerprint",
        "sample_decoding",
        "image_shape",
        "reference_decoding",
        "options",
        "batch_size",
    }
)


class Measurement(NamedTuple):
    """A score after some step, from one seed or several.

    Attributes:
        step: Steps after which it was measured.
        scores: Scores of the seeds, all with one name and one protocol.
    """

    step: int
    scores: list[Row]

    @property
    def values(self) -> list[float]:
        """Values of the seeds."""
        return [float(score["value"]) for score in self.scores]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.values)


def group(rows: Sequence[Row]) -> dict[tuple[str, str], list[Measurement]]:
    """Group scores by name and protocol (except the seed), and each group by step. What was repeated counts once."""
    groups: dict[tuple[str, str], dict[int, dict[str, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        score = row["score"]
        key = (
            score["name"],
            json.dumps({k: v for k, v in score["protocol"].items() if k not in NOT_COMPARED}, sort_keys=True),
        )
        groups[key][int(row["step"])][json.dumps(score["protocol"].get("seed"))] = score
    return {
        key: [Measurement(step, list(seeds.values())) for step, seeds in sorted(steps.items())]
        for key, steps in groups.items()
    }


def charts(rows: Sequence[Row]) -> str:
    """Scores over time: a chart for each name that was scored after several steps."""
    by_name: dict[str, list[list[Measurement]]] = defaultdict(list)
    for (name, _), series in group(rows).items():
        if series[0].scores[0]["protocol"].get("sample_kind") != "real":
            by_name[name].append(series)
    figures = [
        chart(name, [line for series in several for line in _lines(name, series, several)], marks=True)
        for name, several in by_name.items()
        if any(len(series) > 1 for series in several)
    ]
    return f'<div class="charts">{"".join(figures)}</div>' if figures else ""


def _lines(name: str, series: list[Measurement], several: list[list[Measurement]]) -> list[Line]:
    """A line over the steps, and its floor if it has one."""
    protocol = series[0].scores[0]["protocol"]
    others = [other[0].scores[0]["protocol"] for other in several if other is not series]
    differs = {k: v for k, v in protocol.items() if k not in NOT_COMPARED and any(o.get(k) != v for o in others)}
    label = ", ".join(f"{k} {summarise(v)}" for k, v in differs.items()) if others else name
    lines = [Line(label, [(float(m.step), m.mean) for m in series])]
    floor = (series[-1].scores[-1].get("details") or {}).get("floor")
    if isinstance(floor, (int, float)) and math.isfinite(floor):
        lines.append(Line("floor", [(float(m.step), float(floor)) for m in series], level=True))
    return lines


def final(rows: Sequence[Row]) -> str:
    """A table of the scores after the last step that was scored, each with its protocol."""
    if not rows:
        return ""
    last = max(int(row["step"]) for row in rows)
    lines = [_line(m) for series in group(rows).values() for m in series if m.step == last]
    head = "<tr><th>score</th><th>value</th><th>measured on</th></tr>"
    return f"<h3>After {last:,} steps</h3><table class='scores'>{head}{''.join(lines)}</table>"


def _line(measurement: Measurement) -> str:
    score, values = measurement.scores[-1], measurement.values
    protocol, details = score["protocol"], score.get("details") or {}
    value = number(measurement.mean)
    if len(values) > 1 and all(map(math.isfinite, values)):
        value = f"{value} ± {statistics.stdev(values):.2g} ({len(values)} seeds)"
    if "of" in details:
        value += f" of {summarise(details['of'])}"
    if "floor" in details:
        value += f" (floor {summarise(details['floor'])})"
    seeds = ", ".join(str(one["protocol"]["seed"]) for one in measurement.scores if "seed" in one["protocol"])
    whole = {**protocol, **({"seed": seeds} if seeds else {})}
    more = f"<details><summary>details</summary>{table(details, form=summarise)}</details>" if details else ""
    return (
        f"<tr><td>{escape(score['name'])}</td><td>{escape(value)}</td>"
        f"<td>{escape(_sides(protocol))}<details><summary>protocol</summary>{table(whole)}</details>{more}</td></tr>"
    )


def _sides(protocol: dict[str, Any]) -> str:
    """What was compared with what."""
    kind, name = protocol.get("sample_kind", "generated"), protocol.get("reference")
    samples = f"{summarise(protocol['samples'])} {kind}" if "samples" in protocol else ""
    count = protocol.get("reference_count")
    reference = f"{summarise(count)} of {name}" if count is not None else name
    return " against ".join(str(side) for side in (samples, reference) if side)
