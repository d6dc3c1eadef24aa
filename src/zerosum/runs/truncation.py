"""The truncation trick, which trades variety for quality. Brock et al. 2019, arXiv:1809.11096, Section 3.1."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from zerosum.files import Rows
from zerosum.metrics.score import Score
from zerosum.metrics.suite import Judge
from zerosum.runs.sampler import Sampler
from zerosum.runs.scoring import adapt_sampler, facts, generated_samples, scores_of
from zerosum.runs.setup import Setup

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


def table(points: Sequence[TruncationPoint]) -> str:
    """The curve as a table in Markdown, with a row for each threshold and a column for each score."""
    names = list(points[0].scores)
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

    names = list(points[0].scores)
    pair = [next((n for n in names if n.startswith(kind)), None) for kind in ("precision", "recall")]
    has_both = None not in pair
    figure = Figure(figsize=(3.6 * (len(names) + has_both), 3.4), dpi=110, layout="constrained")
    panels: Any = figure.subplots(1, len(names) + has_both, squeeze=False)[0]
    if has_both:
        precision, recall = ([p.scores[str(name)].value for p in points] for name in pair)
        panels[0].plot(recall, precision, marker="o", color="black")
        for point, x, y in zip(points, recall, precision, strict=True):
            panels[0].annotate(point.label, (x, y), textcoords="offset points", xytext=(5, 4), fontsize=8)
        panels[0].margins(0.12)  # room for the thresholds next to the outermost points
        panels[0].set(xlabel=f"variety: {pair[1]}", ylabel=f"quality: {pair[0]}", title="the trade-off")
    places = range(len(points))
    for panel, name in zip(panels[has_both:], names, strict=True):
        panel.plot(places, [p.scores[name].value for p in points], marker="o")
        panel.set_xticks(places, [p.label for p in points], fontsize=8)
        panel.set(xlabel="truncation threshold", title=name)
    figure.suptitle(title)
    figure.savefig(path)
