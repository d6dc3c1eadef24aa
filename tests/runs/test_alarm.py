"""The rules of the alarms on histories made by hand: each fires on what it is for, and on nothing else."""

import math
from typing import Any

import pytest

from zerosum.runs import alarm

Rows = list[dict[str, Any]]


def looks(*values: float | None, name: str = "D/first", also: float = 1.0) -> Rows:
    """Rows of spectra.jsonl: one layer with these largest singular values, and one at rest."""
    return [
        {"step": 100 * i, "sigma": {name: [value, 0.5, 0.4], "G/last": [also]}} for i, value in enumerate(values, 1)
    ]


def test_healthy_growth_is_no_spike() -> None:
    grown = [1.1**i for i in range(60)]  # from 1 to 277, in steps of a tenth
    rows = looks(*grown)
    assert not any(alarm.find_spikes(rows[:n]) for n in range(len(rows) + 1))


def test_a_spike_is_named_with_its_numbers() -> None:
    rows = looks(*[2.0] * 10, 6.5, 8.0)
    assert not alarm.find_spikes(rows[:11]), "one look is not enough"
    (found,) = alarm.find_spikes(rows)
    assert (found.name, found.since) == ("singular values spike", 1100)
    assert "D/first from 2 to 8" in found.seen
    assert "G/last" not in found.seen
    assert "learning rate" in found.advice


@pytest.mark.parametrize(
    "values",
    [
        [*[2.0] * 10, 6.5, 2.0],  # gone again
        [*[2.0] * 10, 5.9, 8.0],  # not above three times the median yet
        [*[0.0] * 10, 1.0, 1.0],  # from nothing, as layers that begin at zero do
        [None, *[2.0] * 9, 9.0, 9.0],
        [*[2.0] * 10, 9.0, None],
        [*[2.0] * 9, 9.0, 9.0],  # too few looks
    ],
)
def test_what_is_no_spike(values: list[float | None]) -> None:
    assert alarm.find_spikes(looks(*values)) == []


def test_a_layer_that_is_new_is_no_spike_and_only_the_worst_are_named() -> None:
    rows = looks(*[1.0] * 12)
    for row in rows[-2:]:
        row["sigma"]["D/new"] = [50.0]
    assert alarm.find_spikes(rows) == []
    many = [{"step": i, "sigma": {f"G/{k}": [1.0 if i < 10 else 4.0 + k] for k in range(5)}} for i in range(12)]
    (found,) = alarm.find_spikes(many)
    assert "G/4 from 1 to 8, G/3 from 1 to 7, G/2 from 1 to 6 and 2 more" in found.seen


def log(first: float, then: float, *, count: int = 50, **more: float) -> Rows:
    """Rows of metrics.jsonl: a hinge-like critic at ``first`` for five rows, then at ``then``."""
    values = [first] * 5 + [then] * count
    return [{"step": i, "losses": {"D/adv": v, "G/adv": -4.0, **more}} for i, v in enumerate(values, 1)]


def test_a_critic_whose_loss_is_gone_is_saturated() -> None:
    (found,) = alarm.find_saturated_critics(log(2.0, 0.01), ["D"])
    assert (found.name, found.since) == ("D is saturated", 6)
    assert "0.01" in found.seen
    assert "began at 2" in found.seen
    assert len(alarm.find_saturated_critics(log(3000.0, 0.019), ["D"])) == 1
    assert alarm.find_saturated_critics(log(1.0, 0.015), ["D"]) == []


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (log(2.0, 0.03), "one and a half percent of the beginning"),
        (log(2.0, 0.0, count=49), "not long enough"),
        (log(-0.5, -0.001), "a Wasserstein loss near zero"),
        (log(8.0, -3.0), "a gradient penalty at first, then a Wasserstein loss"),
        (log(-1.0, 0.0), "a loss that was negative"),
        (log(2.0, 0.01, **{"D/gp": 0.5}), "a penalty that is left"),
        (log(2.0, 0.01, **{"D/w": -0.001}), "a term that is not bounded"),
        (log(2.0, math.nan), "no number"),
        (log(0.0, 0.0), "nothing from the start"),
        (log(3000.0, 0.4), "a wild beginning, and a healthy loss after it"),
        (log(3000.0, 0.021), "one hundredth of two, and a bit"),
    ],
)
def test_a_critic_that_is_not_saturated(rows: Rows, why: str) -> None:
    assert alarm.find_saturated_critics(rows, ["D"]) == [], why


def test_the_window_is_averaged_and_only_critics_are_judged() -> None:
    rows = log(2.0, 0.0)
    rows[-1]["losses"]["D/adv"] = 1.1  # the mean over 50 rows is 0.022
    assert alarm.find_saturated_critics(rows, ["D"]) == []
    rows[-1]["losses"]["D/adv"] = 0.9
    assert len(alarm.find_saturated_critics(rows, ["D"])) == 1
    for row in rows:
        row["losses"]["G/adv"] = row["losses"]["D/adv"]
    assert alarm.find_saturated_critics(rows, []) == []
    assert alarm.find_saturated_critics(rows, ["E"]) == []


def test_a_wasserstein_critic_that_wanders_is_never_saturated() -> None:
    rows = [{"step": i, "losses": {"D/w": -40 * math.sin(i / 50) ** 2 - 1e-4, "D/gp": 8 / i}} for i in range(1, 1001)]
    assert not any(alarm.find_saturated_critics(rows[:n], ["D"]) for n in range(0, 1001, 10))


def pictures(*seen: tuple[float, float]) -> Rows:
    """Rows of variety.jsonl, (spread, repeats) every thousand steps from 0 on."""
    return [{"step": 1000 * i, "samples": 64, "spread": s, "repeats": r} for i, (s, r) in enumerate(seen)]


def test_variety_that_is_lost() -> None:
    seen = [(0.01, 1.0), (0.9, 0.0), (0.95, 0.0), (0.1, 0.6), (0.1, 0.7), (0.12, 0.8)]
    assert not any(alarm.find_lack_of_variety(pictures(*seen[:n]), 10_000) for n in range(6))
    little, repeated = alarm.find_lack_of_variety(pictures(*seen), 10_000)
    assert (little.name, little.since) == ("little variety", 3000)
    assert "12% of the real samples' standard deviation" in little.seen
    assert (repeated.name, repeated.since) == ("repeated samples", 3000)
    assert "80% of 64 samples" in repeated.seen


def test_a_slow_beginning_is_no_alarm_but_one_that_lasts_is() -> None:
    seen = [(0.01, 1.0)] * 8
    assert not any(
        alarm.find_lack_of_variety(pictures(*seen[:n]), 10_000) for n in range(8)
    )  # up to step 6,000: two judged
    assert len(alarm.find_lack_of_variety(pictures(*seen), 10_000)) == 2
    half_varied = [(0.01, 1.0), (0.6, 0.3), *[(0.1, 0.9)] * 3]  # not varied yet: many were alike
    assert alarm.find_lack_of_variety(pictures(*half_varied), 10_000) == []
    short = [{**row, "step": row["step"] // 100} for row in pictures(*seen)]
    assert alarm.find_lack_of_variety(short, 70) == [], "nothing is expected of seventy steps"


@pytest.mark.parametrize("last", [(0.26, 0.4), (0.9, 0.0)])
def test_variety_that_comes_back(last: tuple[float, float]) -> None:
    seen = [(0.01, 1.0), (0.9, 0.0), (0.1, 0.9), (0.1, 0.9), last]
    assert alarm.find_lack_of_variety(pictures(*seen), 10_000) == []


def test_each_kind_of_monotony_is_told_by_itself() -> None:
    few = [(0.9, 0.0), *[(0.8, 0.9)] * 3]
    assert [found.name for found in alarm.find_lack_of_variety(pictures(*few), 10_000)] == ["repeated samples"]
    dull = [(0.9, 0.0), *[(0.24, 0.1)] * 3]
    assert [found.name for found in alarm.find_lack_of_variety(pictures(*dull), 10_000)] == ["little variety"]


def scores(step: int, name: str = "classes", **shares: float) -> dict[str, Any]:
    return {"step": step, "score": {"name": name, "value": 0.0, "protocol": {"samples": 1000}, "details": shares}}


def test_a_class_that_hardly_occurs() -> None:
    even, skewed = {"a": 0.3, "b": 0.3, "c": 0.4}, {"a": 0.03, "b": 0.37, "c": 0.6}
    assert alarm.find_missing_classes([scores(1000, **even)], 1000) == []
    (found,) = alarm.find_missing_classes([scores(500, **even), scores(1000, **skewed)], 1000)
    assert (found.name, found.since) == ("missing classes", 1000)
    assert "1 of 3 classes" in found.seen
    assert "share of 33%: a 3.00%" in found.seen
    assert alarm.find_missing_classes([scores(1000, a=0.034, b=0.366, c=0.6)], 1000) == []  # above a tenth of a third
    assert alarm.find_missing_classes([scores(500, **skewed), scores(1000, **even)], 1000) == []
    assert alarm.find_missing_classes([scores(499, **skewed)], 1000) == [], "too early to judge"
    assert alarm.find_missing_classes([scores(499, **skewed)], 499) == [], "too short to judge"


def test_modes_are_judged_by_their_counts_and_other_scores_are_not() -> None:
    counts = {f"mode {i}": 100.0 for i in range(7)} | {"mode 7": 0.0}
    (found,) = alarm.find_missing_classes([scores(1000, "modes", **counts)], 1000)
    assert found.name == "missing modes"
    assert "mode 7 0.00%" in found.seen
    assert alarm.find_missing_classes([scores(1000, "fd_fashion", floor=0.0, other=9.0)], 1000) == []
    assert alarm.find_missing_classes([scores(1000, "modes")], 1000) == []
    assert alarm.find_missing_classes([], 1000) == []


def test_samples_that_are_near_no_mode() -> None:
    (found,) = alarm.find_missing_classes([scores(1000, "modes", a=0.0, b=9.0)], 1000)
    assert (found.name, found.since) == ("no modes", 1000)
    assert "9 of 1,000 samples are near one of 2 modes" in found.seen
    assert alarm.find_missing_classes([scores(1000, "modes", a=0.0, b=10.0)], 1000) == [], (
        "too few of them to tell shares"
    )


def test_too_few_samples_say_nothing_of_shares() -> None:
    assert alarm.find_missing_classes([scores(1000, "modes", a=19.0, b=0.0)], 1000) == []
    modes = scores(1000, "modes", a=20.0, b=0.0)
    assert [found.name for found in alarm.find_missing_classes([modes], 1000)] == ["missing modes"]
    modes["score"]["protocol"]["samples"] = 19
    assert alarm.find_missing_classes([modes], 1000) == []
    few = scores(1000, a=1.0, b=0.0)
    few["score"]["protocol"]["samples"] = 19
    assert alarm.find_missing_classes([few], 1000) == []
    few["score"]["protocol"]["samples"] = 20
    assert len(alarm.find_missing_classes([few], 1000)) == 1
