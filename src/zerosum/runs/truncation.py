"""The trade-off of the truncation trick: quality against variety. Brock et al. 2019, arXiv:1809.11096, Section 3.1."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zerosum.metrics.score import Score
from zerosum.runs.sampler import Sampler
from zerosum.runs.scoring import Judge, drawn_as, facts, generated
from zerosum.runs.setup import Setup

THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)


class Point(NamedTuple):
    """One threshold of the curve; ``None`` for latents as in training."""

    threshold: float | None
    scores: dict[str, Score]

    @property
    def label(self) -> str:
        """For people."""
        return "none" if self.threshold is None else f"{self.threshold:g}"


def curve(
    sampler: Sampler,
    setup: Setup,
    step: int,
    judge: Judge,
    *,
    count: int,
    seed: int,
    thresholds: Sequence[float] = THRESHOLDS,
    standing: int = 16,
) -> Iterator[Point]:
    """Scores at each threshold, from the smallest, and without one at the end.

    Args:
        sampler: of the run.
        setup: of the run.
        step: iterations after which that is.
        judge: of the measures, with the real images.
        count: samples at each threshold.
        seed: of the samples.
        thresholds: each above 0.
        standing: batches over which batch-norm statistics are taken anew for each threshold; 0: those of training.

    Raises:
        UsageError: a threshold is not above 0, latents never come within one, or there are no statistics to take.
    """
    chosen: list[float | None] = [*sorted(set(thresholds)), None]
    for threshold in chosen:
        one, told = drawn_as(sampler.with_seed(seed), threshold, standing)
        scores = judge.scores(generated(one, setup, step, count, told), seed, facts(setup) | told)
        yield Point(threshold, {score.name: score for score in scores})


def table(points: Sequence[Point]) -> str:
    """The curve in Markdown: a row for each threshold, a column for each score."""
    names = list(points[0].scores)
    lines = [f"| threshold | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {p.label} | {' | '.join(f'{p.scores[n].value:.3g}' for n in names)} |" for p in points]
    return "\n".join(lines) + "\n"


def save(points: Sequence[Point], path: Path) -> None:
    """All scores with their protocols, a line of JSON for each threshold."""
    rows = [
        {"threshold": p.threshold, "scores": {n: json.loads(s.to_json()) for n, s in p.scores.items()}} for p in points
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def draw(points: Sequence[Point], path: Path, title: str) -> None:
    """Variety against quality where precision and recall were measured, and every score against the threshold."""
    from matplotlib.figure import Figure

    names = list(points[0].scores)
    pair = [next((n for n in names if n.startswith(kind)), None) for kind in ("precision", "recall")]
    trade = None not in pair
    figure = Figure(figsize=(3.6 * (len(names) + trade), 3.4), dpi=110, layout="constrained")
    panels: Any = figure.subplots(1, len(names) + trade, squeeze=False)[0]
    if trade:
        precision, recall = ([p.scores[str(name)].value for p in points] for name in pair)
        panels[0].plot(recall, precision, marker="o", color="black")
        for point, x, y in zip(points, recall, precision, strict=True):
            panels[0].annotate(point.label, (x, y), textcoords="offset points", xytext=(5, 4), fontsize=8)
        panels[0].margins(0.12)  # room for the thresholds beside the outermost points
        panels[0].set(xlabel=f"variety: {pair[1]}", ylabel=f"quality: {pair[0]}", title="the trade-off")
    places = range(len(points))
    for panel, name in zip(panels[trade:], names, strict=True):
        panel.plot(places, [p.scores[name].value for p in points], marker="o")
        panel.set_xticks(places, [p.label for p in points], fontsize=8)
        panel.set(xlabel="truncation threshold", title=name)
    figure.suptitle(title)
    figure.savefig(path)
