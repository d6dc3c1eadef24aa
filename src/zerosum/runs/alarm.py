"""When to warn that a run is collapsing: pure functions from what was logged to findings. ``docs/collapse.md``.

A false alarm costs more trust than a late one costs time, so every rule waits until what it looks for has lasted.
Thresholds are ours; ``docs/collapse.md`` says on which runs they were tried.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]

GROWTH = 3.0  # times its recent median that a largest singular value may reach
RECENT, CONFIRMED = 10, 2  # looks that make the median, and newer ones that must all exceed it
SATURATED = 0.01  # of its initial value: below it, a critic's loss is as good as zero
GUESSING = 2.0  # what a critic that guesses loses at most (hinge; 1.39 logistic): one that begins worse counts as that
INITIAL, WINDOW = 5, 50  # rows of the log that give the initial value, and the last ones that are averaged
SPREAD, VARIED = 0.25, 0.5  # of the real samples' deviation: below, samples look alike; from there on, they vary
REPEATED, RARE = 0.5, 0.1  # share of samples with a near-duplicate: above, few are made again and again; up to, few do
PICTURES = 3  # in a row that must show either
FAIR = 0.1  # of its fair share: below it, a class is missing
ASTRAY = 0.01  # of all samples near any mode: below it, none is found
EXPECTED = 10  # samples of each class, at least, if shares were fair: with fewer, one may be missing by chance
SETTLED = 0.5  # of the run: pictures and scores from then on are judged, for many a run begins slowly
YOUNG = 500  # steps in which no run is expected to make anything good
NAMED = 3  # layers or classes that a message names


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Attributes:
        name: of the rule that it breaks; each is shown once in a run.
        since: the first step of which it is known.
        seen: what was measured.
        advice: what to try.
    """

    name: str
    since: int
    seen: str
    advice: str


def spiking(looks: Sequence[Row]) -> list[Finding]:
    """Weights whose largest singular value grew beyond :data:`GROWTH` times its recent median, and stayed there.

    Brock et al. 2019 (arXiv:1809.11096, Section 4) saw these values explode at collapse.

    Args:
        looks: rows of ``spectra.jsonl``, by step; the last :data:`RECENT` + :data:`CONFIRMED` count.
    """
    if len(looks) < RECENT + CONFIRMED:
        return []
    before, now = looks[-RECENT - CONFIRMED : -CONFIRMED], looks[-CONFIRMED:]
    grown: dict[str, tuple[float, float, float]] = {}
    for name in now[-1]["sigma"]:
        past = [value for look in before if (value := _largest(look, name)) is not None]
        recent = [value for look in now if (value := _largest(look, name)) is not None]
        usual = statistics.median(past) if len(past) == RECENT else 0.0
        if usual > 0 and len(recent) == CONFIRMED and min(recent) > GROWTH * usual:
            grown[name] = (recent[-1] / usual, usual, recent[-1])
    if not grown:
        return []
    worst = sorted(grown.items(), key=lambda item: -item[1][0])
    told = ", ".join(f"{name} from {usual:.3g} to {last:.3g}" for name, (_, usual, last) in worst[:NAMED])
    more = f" and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
    return [
        Finding(
            "singular values spike",
            int(now[0]["step"]),
            f"the largest singular value of {told}{more} (more than {GROWTH:g} times the median of the {RECENT} looks "
            "before)",
            "samples often collapse soon after: go on from a checkpoint before it with a lower learning rate, or keep "
            "the best checkpoint; a new run can bear a stronger penalty, orthogonal regularisation or spectral "
            "normalisation, larger batches, and more data if the critic overfits",
        )
    ]


def _largest(look: Row, name: str) -> float | None:
    values = look["sigma"].get(name)
    return float(values[0]) if values and values[0] is not None else None


def saturated(rows: Sequence[Row], critics: Collection[str]) -> list[Finding]:
    """Critics whose loss fell to nearly nothing: they tell all samples apart, and the generator learns little.

    Compared are the sums of all that a player says, averaged. A player that ever said a negative number is left out:
    its loss is not bounded by zero (Wasserstein critics), so being near it means nothing.

    Args:
        rows: of ``metrics.jsonl``, by step; the first :data:`INITIAL` and the last :data:`WINDOW` count.
        critics: names of the players to judge.
    """
    if len(rows) < INITIAL + WINDOW:
        return []
    first, last = rows[:INITIAL], rows[-WINDOW:]
    found = []
    for who in critics:
        sums = [_said(row, who) for row in (*first, *last)]
        if None in sums:
            continue
        totals = [value for value in sums if value is not None]
        initial, now = statistics.median(totals[:INITIAL]), statistics.fmean(totals[INITIAL:])
        if now < SATURATED * min(initial, GUESSING):
            found.append(
                Finding(
                    f"{who} is saturated",
                    int(last[0]["step"]),
                    f"the loss of {who} averages {now:.3g} over the last {WINDOW} rows of the log, it began at "
                    f"{initial:.3g}: it makes no errors, or knows the real samples by heart",
                    f"a lower learning rate or fewer updates for {who}, a gradient penalty or spectral normalisation "
                    "(or a stronger one), more data or augmentation",
                )
            )
    return found


def _said(row: Row, who: str) -> float | None:
    """The sum of what a player said; ``None`` if it said nothing, or anything negative or not finite."""
    values = [value for key, value in row["losses"].items() if key.partition("/")[0] == who]
    fine = values and all(value is not None and math.isfinite(value) and value >= 0 for value in values)
    return math.fsum(values) if fine else None


def monotonous(pictures: Sequence[Row], total: int) -> list[Finding]:
    """Samples that vary far less than real ones, or of which most have a near-duplicate, in several pictures on end.

    Pictures count from half of the run on, or once samples have varied as they should, but not the earliest.

    Args:
        pictures: rows of ``variety.jsonl``, by step; see :func:`zerosum.runs.watch.variety`.
        total: steps of the run.
    """
    varied = (row["step"] for row in pictures if row["spread"] >= VARIED and row["repeats"] <= RARE)
    begin = max(YOUNG, min(SETTLED * total, next(varied, math.inf)))
    last = [row for row in pictures if row["step"] >= begin][-PICTURES:]
    if len(last) < PICTURES:
        return []
    advice = (
        "go on from an earlier checkpoint, or keep the best one; a new run can bear a lower learning rate, larger "
        "batches, a penalty or spectral normalisation on the critic, an objective that saturates less, or a critic "
        "that sees several samples at once (pac-gan, improved-gan)"
    )
    since, now = int(last[0]["step"]), last[-1]
    found = []
    if all(row["spread"] < SPREAD for row in last):
        seen = f"the same {now['samples']} latents give samples with {now['spread']:.0%} of the real samples' standard "
        found.append(Finding("little variety", since, f"{seen}deviation, {PICTURES} pictures in a row", advice))
    if all(row["repeats"] > REPEATED for row in last):
        seen = f"{now['repeats']:.0%} of {now['samples']} samples are nearly the same as another one, "
        found.append(Finding("repeated samples", since, f"{seen}{PICTURES} pictures in a row", advice))
    return found


def unbalanced(scores: Sequence[Row], total: int) -> list[Finding]:
    """Classes, or modes of a 2-D mixture, that hardly occur among the samples of the newest score.

    Args:
        scores: rows of ``scores.jsonl``; those called ``classes`` and ``modes`` count.
        total: steps of the run: scores from before half of them are not judged, nor early ones.
    """
    judged = [row for row in scores if row["score"]["name"] in ("classes", "modes")]
    if not judged or judged[-1]["step"] < max(YOUNG, SETTLED * total):
        return []
    score, step = judged[-1]["score"], int(judged[-1]["step"])
    counts = _counts(score)
    whole = math.fsum(counts.values())
    samples = float(score["protocol"].get("samples", whole))
    if not counts or samples < EXPECTED * len(counts):
        return []
    if whole < ASTRAY * samples:
        advice = "train longer if samples still come nearer; otherwise another learning rate, or more critic updates"
        seen = f"{whole:,.0f} of {samples:,.0f} samples are near one of {len(counts)} modes"
        return [Finding("no modes", step, seen, advice)]
    if whole < EXPECTED * len(counts):
        return []
    missing = {name: count / whole for name, count in counts.items() if count < FAIR * whole / len(counts)}
    if not missing:
        return []
    rarest = sorted(missing.items(), key=lambda item: item[1])
    told = ", ".join(f"{name} {share:.2%}" for name, share in rarest[:NAMED])
    more = f" and {len(rarest) - NAMED} more" if len(rarest) > NAMED else ""
    fair = f"less than a tenth of their fair share of {1 / len(counts):.0%}"
    return [
        Finding(
            f"missing {score['name']}",
            step,
            f"{len(missing)} of {len(counts)} {score['name']} hold {fair}: {told}{more}",
            "train longer if samples still improve; otherwise labels (cgan, ac-gan, sngan-projection, biggan), a "
            "critic that sees several samples at once (pac-gan, improved-gan), a gradient penalty, or larger batches",
        )
    ]


def _counts(score: Row) -> dict[str, float]:
    """Samples of each class; ``classes`` tells their shares, ``modes`` how many lie near each mode."""
    each = float(score["protocol"].get("samples", 0)) if score["name"] == "classes" else 1.0
    return {str(name): each * float(count) for name, count in (score.get("details") or {}).items()}
