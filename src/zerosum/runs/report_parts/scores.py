"""Scores on the page. Only those that were measured alike stand on one line or in one mean."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from zerosum.runs.report_parts.chart import Line, chart
from zerosum.runs.report_parts.page import number, said, table
from zerosum.runs.report_parts.read import Row

# As in metrics/score.py, which imports torch: neither says what was measured. A test compares the two.
NOT_COMPARED = frozenset({"seed", "zerosum"})


class Measured(NamedTuple):
    """One score after some step, from one seed or several: the scores, all of one name and one protocol."""

    step: int
    scores: list[Row]

    @property
    def values(self) -> list[float]:
        """A value from each seed."""
        return [float(score["value"]) for score in self.scores]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)


def measured(rows: Sequence[Row]) -> dict[tuple[str, str], list[Measured]]:
    """Scores by (name, protocol but for the seed), each by step; what was measured twice counts once."""
    found: dict[tuple[str, str], dict[int, dict[str, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        score = row["score"]
        key = (
            score["name"],
            json.dumps({k: v for k, v in score["protocol"].items() if k not in NOT_COMPARED}, sort_keys=True),
        )
        found[key][int(row["step"])][json.dumps(score["protocol"].get("seed"))] = score
    return {
        key: [Measured(step, list(seeds.values())) for step, seeds in sorted(steps.items())]
        for key, steps in found.items()
    }


def charts(rows: Sequence[Row]) -> str:
    """Scores over time: a chart for each name that was scored after several steps."""
    named: dict[str, list[list[Measured]]] = defaultdict(list)
    for (name, _), series in measured(rows).items():
        if series[0].scores[0]["protocol"].get("sample_kind") != "real":
            named[name].append(series)
    drawn = [
        chart(name, [line for series in several for line in _lines(name, series, several)], marks=True)
        for name, several in named.items()
        if any(len(series) > 1 for series in several)
    ]
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _lines(name: str, series: list[Measured], several: list[list[Measured]]) -> list[Line]:
    """A line over the steps, and its floor where it has one."""
    protocol = series[0].scores[0]["protocol"]
    others = [other[0].scores[0]["protocol"] for other in several if other is not series]
    differs = {k: v for k, v in protocol.items() if k not in NOT_COMPARED and any(o.get(k) != v for o in others)}
    label = ", ".join(f"{k} {said(v)}" for k, v in differs.items()) if others else name
    lines = [Line(label, [(float(m.step), m.mean) for m in series])]
    floor = (series[-1].scores[-1].get("details") or {}).get("floor")
    if isinstance(floor, (int, float)) and math.isfinite(floor):
        lines.append(Line("floor", [(float(m.step), float(floor)) for m in series], level=True))
    return lines


def final(rows: Sequence[Row]) -> str:
    """The scores after the last step that was scored, each with its protocol."""
    if not rows:
        return ""
    last = max(int(row["step"]) for row in rows)
    lines = [_line(m) for series in measured(rows).values() for m in series if m.step == last]
    head = "<tr><th>score</th><th>value</th><th>measured on</th></tr>"
    return f"<h3>After {last:,} steps</h3><table>{head}{''.join(lines)}</table>"


def _line(found: Measured) -> str:
    score = found.scores[-1]
    protocol, details = score["protocol"], score.get("details") or {}
    value = number(found.mean)
    if len(found.values) > 1:
        value = f"{value} ± {statistics.stdev(found.values):.2g} ({len(found.values)} seeds)"
    if "of" in details:
        value += f" of {said(details['of'])}"
    if "floor" in details:
        value += f" (floor {said(details['floor'])})"
    seeds = ", ".join(str(one["protocol"]["seed"]) for one in found.scores if "seed" in one["protocol"])
    whole = {**protocol, **({"seed": seeds} if seeds else {})}
    return (
        f"<tr><td>{escape(score['name'])}</td><td>{escape(value)}</td>"
        f"<td>{escape(_versus(protocol))}<details><summary>protocol</summary>{table(whole)}</details>{_more(details)}"
        "</td></tr>"
    )


def _versus(protocol: dict[str, Any]) -> str:
    samples = f"{said(protocol['samples'])} {protocol.get('sample_kind', 'generated')}" if "samples" in protocol else ""
    count = protocol.get("reference_count")
    reference = f"{said(count)} of {protocol.get('reference')}" if count is not None else protocol.get("reference")
    return " against ".join(str(part) for part in (samples, reference) if part)


def _more(details: dict[str, Any]) -> str:
    return f"<details><summary>details</summary>{table(details, form=said)}</details>" if details else ""
