"""Runs side by side: a table of their last scores, and curves of all scores. Unlike protocols are refused."""

from __future__ import annotations

import base64
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

from zerosum.errors import UsageError
from zerosum.metrics.score import Plain, Score, differences
from zerosum.runs.contestants import Contestant, Entrant, HasPath, entrants, read_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSSES_NOTE = (
    "there is no score that all have ({had}), so these are losses (means over the last tenth of the log) and times; "
    "losses say little about samples, and those of unlike objectives nothing about each other. "
    "To score a run: zerosum eval RUN"
)
CurvePoints = list[tuple[float, float, float]]  # (real images seen, mean, deviation) of a curve


@dataclass(frozen=True)
class Comparison:
    """Runs side by side. As text it is a table; in a notebook, the table and the curves.

    Attributes:
        entrants: What the rows are about.
        names: Names of the scores that are compared, or of losses where no score is shared.
        scored: Whether the names are those of scores.
        across: Fields of the protocol that may differ.
        notes: What is to be known about the numbers.
    """

    entrants: tuple[Entrant, ...]
    names: tuple[str, ...]
    scored: bool
    across: frozenset[str]
    notes: tuple[str, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A dictionary for each row.

        It has the keys ``name``, ``recipe``, ``data``, ``paths``, ``seeds``, ``step`` and ``seconds``, and for each
        score or loss its mean, under ``NAME_std`` the sample standard deviation (``None`` where there is one value) and
        under ``NAME_n`` the number of values. The values are those of runs with different seeds, or of a single
        contestant's samples with different seeds. What a file of scores does not tell is ``None``.
        """
        return [self._row(entrant) for entrant in self.entrants]

    def _row(self, entrant: Entrant) -> dict[str, Any]:
        record, log = entrant.first.record, entrant.first.log
        row: dict[str, Any] = {
            "name": entrant.name,
            "recipe": record and record["recipe"],
            "data": record and record["data"]["name"],
            "paths": [str(one.path) for one in entrant.members],
            "seeds": [one.seed for one in entrant.members] if record else [],
            "step": entrant.first.last_step(self.names[0] if self.scored else None) if record else None,
            "seconds": statistics.fmean(one.seconds for one in entrant.members) if log else None,
        }
        for name in self.names:
            values = self._values(entrant, name)
            spreads = len(values) > 1 and all(map(math.isfinite, values))
            row |= {
                name: statistics.fmean(values),
                f"{name}_std": statistics.stdev(values) if spreads else None,
                f"{name}_n": len(values),
            }
        return row

    def _values(self, entrant: Entrant, name: str) -> list[float]:
        return entrant.values(name) if self.scored else [one.late_losses()[name] for one in entrant.members]

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The rows as columns of equal length: ``pandas.DataFrame(comparison.columns)``."""
        rows = self.rows
        return {key: [row[key] for row in rows] for key in rows[0]}

    def cells(self) -> list[list[str]]:
        """The table as text, the head first: mean ± standard deviation (number of values)."""
        extra = [] if self.scored else ["steps", "time"]
        table = [["", *extra, *self.names]]
        for row in self.rows:
            times = [] if self.scored else [f"{row['step']:,}", f"{row['seconds'] or 0:,.1f} s"]
            table.append([row["name"], *times, *(_cell(row, name) for name in self.names)])
        return table

    def __str__(self) -> str:
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        head, *body = self.cells()
        rows = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>"]
        rows += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in body]
        notes = "".join(f"<p><small>note: {escape(note)}</small></p>" for note in self.notes)
        picture = io.BytesIO()
        self.figure().savefig(picture, format="png")
        image = base64.b64encode(picture.getvalue()).decode("ascii")
        return f'<table>{"".join(rows)}</table>{notes}<img alt="curves" src="data:image/png;base64,{image}">'

    @property
    def curves(self) -> dict[str, dict[str, CurvePoints]]:
        """Points (real images seen, mean, deviation) of each curve, by score or loss and by the entrant's name.

        A curve joins only what was measured under one protocol, the same for all entrants; where several would do, it
        is the one with the most points. Names of which no entrant has two points are left out.
        """
        every = {name: self._curves_of(name) for name in self.names}
        return {name: lines for name, lines in every.items() if any(len(points) > 1 for points in lines.values())}

    def _curves_of(self, name: str) -> dict[str, CurvePoints]:
        if not self.scored:
            return {
                entrant.name: _points(entrant, [_losses(one, name) for one in entrant.members])
                for entrant in self.entrants
            }
        members = [one for entrant in self.entrants for one in entrant.members]
        series = [_series(one, name) for one in members]
        candidates = [pattern for pattern, _ in series[0]]
        choices = [[self._alike(pattern, kinds) for kinds in series] for pattern in candidates]
        best = max(choices, key=lambda found: (all(map(bool, found)), sum(map(len, found))))
        if not all(map(bool, best)):
            return {}
        steps = {id(one): found for one, found in zip(members, best, strict=True)}
        return {
            entrant.name: _points(entrant, [steps[id(one)] for one in entrant.members]) for entrant in self.entrants
        }

    def _alike(self, pattern: Score, kinds: list[tuple[Score, dict[int, float]]]) -> dict[int, float]:
        """The longest of a contestant's series that was measured as a pattern was, but for the fields in ``across``."""
        fit = [steps for score, steps in kinds if not set(differences(pattern, score)) - self.across]
        return max(fit, key=len, default={})

    def figure(self) -> Figure:
        """Curves of each score or loss over the real images seen, with a band of one deviation where there are seeds.

        Where no entrant has two points, the last values are drawn instead.
        """
        from zerosum.runs.comparison_drawing import draw_curves, draw_values

        curves = self.curves
        return draw_curves(curves) if curves else draw_values(self.rows, self.names)


def compare(
    *runs: str | PathLike[str] | HasPath,
    metrics: str | Sequence[str] | None = None,
    across: str | Sequence[str] = (),
    each: bool = False,
) -> Comparison:
    """Put runs side by side. Those that differ only in their seed are one row, of means and deviations.

    Args:
        runs: Runs, folders of runs, or ``.jsonl`` files of scores; at least two.
        metrics: Names of scores, in a list or separated by commas. ``None``: those that all contestants have, or where
            there are none, losses and times.
        across: Fields of the protocol that may differ, in a list or separated by commas.
        each: Whether every run has a row of its own.

    Raises:
        UsageError: There is nothing to compare, or scores were measured under unlike protocols. The message says
            which.
    """
    contestants = read_all(runs)
    allowed = frozenset(_listed(across))
    wanted = _listed(metrics or ())
    names = shared_names(contestants, wanted)
    if names:
        unlike = check_alike(contestants, names, allowed)
        notes = [f"measured across {field}: {ours} and {theirs}" for field, (ours, theirs) in unlike.items()]
    else:
        names, notes = _shared_losses(contestants)
        return Comparison(tuple(entrants(contestants, (), each=each)), tuple(names), False, allowed, tuple(notes))
    return Comparison(tuple(entrants(contestants, names, each=each)), tuple(names), True, allowed, tuple(notes))


def shared_names(contestants: Sequence[Contestant], wanted: Sequence[str] = ()) -> list[str]:
    """Names of the scores that all contestants have, or those that are ``wanted``. There may be none.

    Raises:
        UsageError: A contestant lacks a score that is wanted.
    """
    shared = [name for name in contestants[0].names if all(name in other.names for other in contestants)]
    for name in wanted:
        lacking = [one.name for one in contestants if name not in one.names]
        if lacking:
            known = ", ".join(shared) or "none"
            raise UsageError(
                f"metrics={name}: there is no score {name!r} of {', '.join(lacking)}; all have: {known}",
                argument="metrics",
            )
    return list(wanted) or shared


def check_alike(
    contestants: Sequence[Contestant], names: Sequence[str], across: frozenset[str]
) -> dict[str, tuple[Plain, Plain]]:
    """Refuse scores of unlike protocols.

    Args:
        contestants: What is compared.
        names: Names of the scores.
        across: Fields of the protocol that may differ.

    Returns:
        Both values of the fields that do differ.

    Raises:
        UsageError: Other fields differ. The message names the score, the fields and both values of each.
    """
    allowed: dict[str, tuple[Plain, Plain]] = {}
    first = contestants[0]
    for other in contestants[1:]:
        for name in names:
            pairs = differences(first.last(name)[0], other.last(name)[0])
            unlike = {field: pair for field, pair in pairs.items() if field not in across}
            if unlike:
                listed = "; ".join(f"{field}: {ours!r} against {theirs!r}" for field, (ours, theirs) in unlike.items())
                raise UsageError(
                    f"{name} of {first.name} and {other.name} was measured under different protocols: {listed}. "
                    f"Measure both alike with zerosum eval, or allow this with across={','.join(unlike)}",
                    argument="across",
                )
            allowed |= {field: pair for field, pair in pairs.items() if field in across}
    return allowed


def _shared_losses(contestants: Sequence[Contestant]) -> tuple[list[str], list[str]]:
    """Names of the losses that all contestants have, and why they stand for scores."""
    had = "; ".join(f"{one.name}: {', '.join(one.names) or 'none'}" for one in contestants)
    silent = [one.name for one in contestants if not one.log]
    if silent:
        raise UsageError(
            f"there is no score that all have ({had}), and no losses of {', '.join(silent)}; measure one with zerosum "
            "eval"
        )
    losses = [one.late_losses() for one in contestants]
    return [name for name in losses[0] if all(name in other for other in losses)], [LOSSES_NOTE.format(had=had)]


def _listed(names: str | Sequence[str]) -> list[str]:
    parts = names.split(",") if isinstance(names, str) else names
    return list(filter(None, map(str.strip, parts)))


def _cell(row: dict[str, Any], name: str) -> str:
    spread = "" if row[f"{name}_std"] is None else f" ± {row[f'{name}_std']:.2g} ({row[f'{name}_n']})"
    return f"{row[name]:.4g}{spread}"


def _series(one: Contestant, name: str) -> list[tuple[Score, dict[int, float]]]:
    """Mean of a score by step, for each protocol that it was measured under, each with a pattern; the newest first."""
    kinds: list[tuple[Score, dict[int, list[float]]]] = []
    for step, _, score in reversed(one.rows):
        if score.name == name:
            values = next((values for pattern, values in kinds if not differences(pattern, score)), None)
            if values is None:
                values = {}
                kinds.append((score, values))
            values.setdefault(step, []).append(score.value)
    return [(pattern, {step: statistics.fmean(found) for step, found in values.items()}) for pattern, values in kinds]


def _losses(one: Contestant, name: str) -> dict[int, float]:
    return {int(row["step"]): row["losses"][name] for row in one.log if name in row.get("losses", {})}


def _points(entrant: Entrant, series: Sequence[dict[int, float]]) -> CurvePoints:
    """Mean and deviation at the steps that all members have."""
    steps = sorted(set.intersection(*map(set, series)))
    images = entrant.first.images
    points = []
    for step in steps:
        values = [found[step] for found in series]
        if all(map(math.isfinite, values)):
            spread = statistics.stdev(values) if values[1:] and all(map(math.isfinite, values)) else 0.0
            points.append((step * images, statistics.fmean(values), spread))
    return points
