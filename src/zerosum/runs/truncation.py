"""The truncation trick, which trades variety for quality. Brock et al. 2019, arXiv:1809.11096, Section 3.1."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from zerosum.files import Rows
from zerosum.metrics.registry import direction_of
from zerosum.metrics.score import Score
from zerosum.metrics.suite import Judge
from zerosum.runs.pictures import plain_title
from zerosum.runs.sampler import Sampler
from zerosum.runs.scoring import adapt_sampler, facts, generated_samples, scores_of
from zerosum.runs.setup import Setup

COLUMNS = 4  # panels beside each other
THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)


class TruncationPoint(NamedTuple):
    """One point of the curve.

    Attributes:
        threshold: Largest size of a latent's component. ``None``: latents as in training.
        scores: Scores at this threshold, by name.
    """

    threshold: float | None
    scores: dict[str, Score]

    @property
    def label(self) -> str:
        """The threshold as text."""
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
) -> Iterator[TruncationPoint]:
    """Scores at each threshold, the smallest first, and without a threshold at the end.

    Args:
        sampler: Generator of the run.
        setup: What was trained.
        step: Iterations after which the generator was saved.
        judge: Measures and real images.
        count: Samples at each threshold.
        seed: Seed of the samples.
        thresholds: Thresholds, each above 0.
        standing: Batches from which batch-norm statistics are taken afresh at each threshold. 0: those of training.

    Raises:
        UsageError: A threshold is not above 0, latents never come within one, or there is no batch normalisation.
    """
    all_thresholds: list[float | None] = [*sorted(set(thresholds)), None]
    for threshold in all_thresholds:
        adapted, how = adapt_sampler(sampler.with_seed(seed), threshold, standing)
        fakes = partial(generated_samples, adapted, setup, step, facts=how)
        scores = scores_of(judge, fakes, seed, count=count, extra=facts(setup) | how)
        yield TruncationPoint(threshold, {score.name: score for score in scores})


def shown_names(points: Sequence[TruncationPoint]) -> list[str]:
    """Names of the scores that say something of the samples: floors, which do not, are left out."""
    return [name for name, score in points[0].scores.items() if score.protocol.get("sample_kind") != "real"]


def table(points: Sequence[TruncationPoint]) -> str:
    """The curve as a table in Markdown, with a row for each threshold and a column for each score."""
    names = shown_names(points)
    lines = [f"| threshold | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {p.label} | {' | '.join(f'{p.scores[n].value:.3g}' for n in names)} |" for p in points]
    return "\n".join(lines) + "\n"


def save(points: Sequence[TruncationPoint], path: Path) -> None:
    """Write all scores with their protocols, as one line of JSON for each threshold."""
    rows = (
        {"threshold": p.threshold, "scores": {n: json.loads(s.to_json()) for n, s in p.scores.items()}} for p in points
    )
    Rows(path).append(*rows)


def draw(points: Sequence[TruncationPoint], path: Path, title: str) -> None:
    """Draw quality over variety, where precision and recall were measured, and every score over the threshold."""
    from matplotlib.figure import Figure

    names = shown_names(points)
    pair = [next((n for n in names if n.startswith(kind)), None) for kind in ("precision", "recall")]
    has_both = None not in pair
    count = len(names) + has_both
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(3.8 * columns, 3.6 * rows + 0.5), dpi=110, layout="constrained")
    panels: list[Any] = list(figure.subplots(rows, columns, squeeze=False).flat)
    if has_both:
        _draw_trade_off(panels[0], points, *map(str, pair))
    for panel, name in zip(panels[has_both:], names, strict=False):
        _draw_score(panel, points, name)
    for panel in panels[count:]:
        panel.axis("off")
    figure.suptitle(plain_title(title, 32 * columns), fontsize=11)
    figure.savefig(path, metadata={"Title": title})


def _draw_trade_off(panel: Any, points: Sequence[TruncationPoint], precision: str, recall: str) -> None:
    quality, variety = ([p.scores[name].value for p in points] for name in (precision, recall))
    panel.plot(variety, quality, marker="o", color="black")
    for point, x, y in zip(points, variety, quality, strict=True):
        panel.annotate(point.label, (x, y), textcoords="offset points", xytext=(5, 4), fontsize=8)
    panel.margins(0.12)  # room for the thresholds next to the outermost points
    panel.set(xlabel=f"variety: {recall}", ylabel=f"quality: {precision}", title="the trade-off, at each threshold")


def _draw_score(panel: Any, points: Sequence[TruncationPoint], name: str) -> None:
    places = range(len(points))
    panel.plot(places, [p.scores[name].value for p in points], marker="o")
    floor = (points[0].scores[name].details or {}).get("floor")
    if floor is not None:
        panel.axhline(floor, linestyle="--", linewidth=1, color="grey", label=f"floor {floor:.3g}")
        panel.legend(fontsize=8)
    panel.set_xticks(places, [p.label for p in points], fontsize=8)
    direction = direction_of(name)
    better = "" if direction == "neither" else f" ({direction} is better)"
    panel.set(xlabel="largest component of the latent", ylabel=f"{name}{better}", title=name)
