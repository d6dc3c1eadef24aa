"""When to warn that a run is collapsing: pure functions from what was logged to findings. See ``docs/collapse.md``.

A false alarm costs more trust than a late one costs time, so every rule waits until what it looks for has lasted.
The thresholds are ours; ``docs/collapse.md`` says on which runs they were tried.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from zerosum.files import Row

GROWTH = 3.0  # largest singular value that is not a spike, as a multiple of its recent median
RECENT, CONFIRMED = 10, 2  # looks that give the median, and newer ones that must all exceed it
SATURATED = 0.01  # share of its initial value below which a critic's loss is as good as zero
GUESSING = 2.0  # largest loss of a critic that guesses (hinge; 1.39 logistic): one that starts higher counts as that
INITIAL, WINDOW = 5, 50  # first rows of the log, which give the initial value, and last ones, which are averaged
# Shares of the real samples' deviation: below the first, samples look alike; from the second on, they vary enough.
SPREAD, VARIED = 0.25, 0.5
# Shares of samples with a near-duplicate: above the first, too many have one; up to the second, few enough do.
REPEATED, RARE = 0.5, 0.1
PICTURES = 3  # pictures in a row that must show the same problem
FAIR = 0.1  # part of its fair share below which a class is missing
ASTRAY = 0.01  # share of samples near any mode below which no mode is found
EXPECTED = 10  # least number of samples of each class if shares were fair: with fewer, one may be missing by chance
SETTLED = 0.5  # part of the run after which pictures and scores are judged, because many runs start slowly
YOUNG = 500  # steps in which no run is expected to make anything good
NAMED = 3  # layers or classes that a message names at most


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Attributes:
        name: Name of the problem. Each is shown only once in a run.
        since: First step at which it is known to have been there.
        seen: What was measured.
        advice: What to try.
    """

    name: str
    since: int
    seen: str
    advice: str


def find_spikes(looks: Sequence[Row]) -> list[Finding]:
    """Find weights whose largest singular value grew beyond :data:`GROWTH` times its recent median, and stayed there.

    Brock et al. 2019 (arXiv:1809.11096, Section 4) saw these values explode at collapse.

    Args:
        looks: Rows of ``spectra.jsonl``, by step. The last :data:`RECENT` + :data:`CONFIRMED` count.
    """
    if len(looks) < RECENT + CONFIRMED:
        return []
    before, now = looks[-RECENT - CONFIRMED : -CONFIRMED], looks[-CONFIRMED:]
    grown: dict[str, tuple[float, float, float]] = {}
    for name in now[-1]["sigma"]:
        past = [value for look in before if (value := _largest_value(look, name)) is not None]
        recent = [value for look in now if (value := _largest_value(look, name)) is not None]
        usual = statistics.median(past) if len(past) == RECENT else 0.0
        if usual > 0 and len(recent) == CONFIRMED and min(recent) > GROWTH * usual:
            grown[name] = (recent[-1] / usual, usual, recent[-1])
    if not grown:
        return []
    worst = sorted(grown.items(), key=lambda item: -item[1][0])
    listed = ", ".join(f"{name} from {usual:.3g} to {last:.3g}" for name, (_, usual, last) in worst[:NAMED])
    return [
        Finding(
            "singular values spike",
            int(now[0]["step"]),
            f"the largest singular value of {listed}{_and_more(worst)} (more than {GROWTH:g} times the median of the "
            f"{RECENT} looks before)",
            "samples often collapse soon after: continue from an earlier checkpoint with a lower learning rate, or "
            "keep the best checkpoint; in a new run, try a stronger penalty, orthogonal regularisation or spectral "
            "normalisation, larger batches, and more data if the critic overfits",
        )
    ]


def _and_more(items: Sequence[object]) -> str:
    """How many of the items a message does not name."""
    return f" and {len(items) - NAMED} more" if len(items) > NAMED else ""


def _largest_value(look: Row, name: str) -> float | None:
    values = look["sigma"].get(name)
    return float(values[0]) if values and values[0] is not None else None


def find_saturated_critics(rows: Sequence[Row], critics: Collection[str]) -> list[Finding]:
    """Find critics whose loss fell to almost nothing: they tell all samples apart, and the generator learns little.

    The averages of a player's total loss are compared. A player that ever reported a negative number is left out: its
    loss is not bounded by zero (Wasserstein critics), so being near zero means nothing.

    Args:
        rows: Rows of ``metrics.jsonl``, by step. The first :data:`INITIAL` and the last :data:`WINDOW` count.
        critics: Names of the players to judge.
    """
    if len(rows) < INITIAL + WINDOW:
        return []
    first, last = rows[:INITIAL], rows[-WINDOW:]
    findings = []
    for who in critics:
        sums = [_total_loss(row, who) for row in (*first, *last)]
        if None in sums:
            continue
        totals = [value for value in sums if value is not None]
        initial, now = statistics.median(totals[:INITIAL]), statistics.fmean(totals[INITIAL:])
        if now < SATURATED * min(initial, GUESSING):
            findings.append(
                Finding(
                    f"{who} is saturated",
                    int(last[0]["step"]),
                    f"the loss of {who} averages {now:.3g} over the last {WINDOW} rows of the log; it began at "
                    f"{initial:.3g}, so {who} makes no errors, or knows the real samples by heart",
                    f"a lower learning rate or fewer updates for {who}, a gradient penalty or spectral normalisation "
                    "(or a stronger one), more data or augmentation",
                )
            )
    return findings


def _total_loss(row: Row, who: str) -> float | None:
    """The sum of a player's losses. ``None``: it has none, or one of them is negative or not finite."""
    values = [value for key, value in row["losses"].items() if key.partition("/")[0] == who]
    fine = values and all(value is not None and math.isfinite(value) and value >= 0 for value in values)
    return math.fsum(values) if fine else None


def find_lack_of_variety(pictures: Sequence[Row], total: int) -> list[Finding]:
    """Find samples that vary far less than real ones, or mostly have a near-duplicate, in several pictures in a row.

    Pictures count from half of the run on, or as soon as samples have varied as they should, but not the earliest.

    Args:
        pictures: Rows of ``variety.jsonl``, by step; see :func:`zerosum.runs.watch.variety`.
        total: Steps of the run.
    """
    varied = (row["step"] for row in pictures if row["spread"] >= VARIED and row["repeats"] <= RARE)
    begin = max(YOUNG, min(SETTLED * total, next(varied, math.inf)))
    last = [row for row in pictures if row["step"] >= begin][-PICTURES:]
    if len(last) < PICTURES:
        return []
    advice = (
        "continue from an earlier checkpoint, or keep the best one; in a new run, try a lower learning rate, larger "
        "batches, a penalty or spectral normalisation on the critic, an objective that saturates less, or a critic "
        "that sees several samples at once (pac-gan, improved-gan)"
    )
    since, now = int(last[0]["step"]), last[-1]
    findings = []
    if all(row["spread"] < SPREAD for row in last):
        seen = f"the same {now['samples']} latents give samples with {now['spread']:.0%} of the real samples' standard "
        findings.append(Finding("little variety", since, f"{seen}deviation, {PICTURES} pictures in a row", advice))
    if all(row["repeats"] > REPEATED for row in last):
        seen = f"{now['repeats']:.0%} of {now['samples']} samples are nearly the same as another one, "
        findings.append(Finding("repeated samples", since, f"{seen}{PICTURES} pictures in a row", advice))
    return findings


def find_missing_classes(scores: Sequence[Row], total: int) -> list[Finding]:
    """Find classes, or modes of a 2-D mixture, that hardly occur among the samples of the newest score.

    Args:
        scores: Rows of ``scores.jsonl``. Only scores called ``classes`` and ``modes`` count.
        total: Steps of the run. Scores from its first half are not judged, nor are early ones.
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
    listed = ", ".join(f"{name} {share:.2%}" for name, share in rarest[:NAMED])
    fair = f"less than a tenth of their fair share of {1 / len(counts):.0%}"
    return [
        Finding(
            f"missing {score['name']}",
            step,
            f"{len(missing)} of {len(counts)} {score['name']} hold {fair}: {listed}{_and_more(rarest)}",
            "train longer if samples still improve; otherwise labels (cgan, ac-gan, sngan-projection, biggan), a "
            "critic that sees several samples at once (pac-gan, improved-gan), a gradient penalty, or larger batches",
        )
    ]


def _counts(score: Row) -> dict[str, float]:
    """Number of samples of each class. ``classes`` gives their shares, ``modes`` how many lie near each mode."""
    each = float(score["protocol"].get("samples", 0)) if score["name"] == "classes" else 1.0
    return {str(name): each * float(count) for name, count in (score.get("details") or {}).items()}


# Earlier names, for tools/alarm_replay.py.
saturated, monotonous, unbalanced = find_saturated_critics, find_lack_of_variety, find_missing_classes
