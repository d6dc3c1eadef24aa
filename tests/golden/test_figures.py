"""Figures of version 0.1.0, computed again: the lab, scores of fixed images, and longer trainings.

On the processor and torch that made them they agree to the last bits; elsewhere each as near as it was found to come
with other instructions (AVX2, and none).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from changed import CHANGED
from compare import SAME, Tolerance, check
from golden_figures import EXPERIMENTS, TRAININGS, experiment, measures, training
from golden_verb import FIGURES_FILE, machine
from make import changed

EXPECTED = json.loads(FIGURES_FILE.read_text())
MEASURED_ELSEWHERE = Tolerance(1e-4, 1e-9)
ROWS_ELSEWHERE = {"demo": 2, "points": 1}  # of a training, before its path leaves the recorded one
TRAININGS_ELSEWHERE = {"demo": Tolerance(0.1, 0.0), "points": Tolerance(0.1, 0.01)}


def is_same_machine() -> bool:
    return bool(machine() == EXPECTED["machine"])


def record_of(name: str, kind: str) -> dict[str, Any]:
    """What an experiment or a training should come to, and the machine that found it."""
    return changed(name) if name in CHANGED else {"machine": EXPECTED["machine"], "found": EXPECTED[kind][name]}


def test_every_figure_is_expected() -> None:
    assert EXPECTED["lab"].keys() == EXPERIMENTS.keys()
    assert EXPECTED["trainings"].keys() == TRAININGS.keys() == TRAININGS_ELSEWHERE.keys()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_finds_the_same_numbers(name: str, tmp_path: Path) -> None:
    record = record_of(name, "lab")
    same, elsewhere = machine() == record["machine"], EXPERIMENTS[name].elsewhere
    if not same and isinstance(elsewhere, str):
        pytest.skip(f"another processor or torch than recorded, and {elsewhere}")
    check_experiment(name, experiment(name, tmp_path), record["found"], same=same)


def check_experiment(name: str, found: Any, recorded: Any, *, same: bool) -> None:
    elsewhere = EXPERIMENTS[name].elsewhere
    check(found, recorded, SAME if same or isinstance(elsewhere, str) else elsewhere)


DRAWN = {"fd_infinity", "kid", "is", "c2st", "1nn", "mmd2", "swd", "prd_f8", "prd_f1/8", "ms_ssim"}  # by seed


def test_fixed_images_have_the_same_scores(tmp_path: Path) -> None:
    found, record = measures(tmp_path), changed("measures")
    check(found, record["found"]["scores"], SAME if machine() == record["machine"] else MEASURED_ELSEWHERE)
    first = EXPECTED["measures"]
    assert [one["name"] for one in found] == [one["name"] for one in first]
    undrawn = [i for i, one in enumerate(first) if one["name"].removesuffix("_shipped") not in DRAWN]
    tolerance = SAME if is_same_machine() else MEASURED_ELSEWHERE
    check([found[i] for i in undrawn], [first[i] for i in undrawn], tolerance)


def test_measures_that_draw_by_seed_have_changed() -> None:
    with pytest.raises(AssertionError):
        check(changed("measures")["found"]["scores"], EXPECTED["measures"], MEASURED_ELSEWHERE)


def check_training(name: str, found: Any, recorded: Any, *, same: bool) -> None:
    if same:
        check(found, recorded, SAME)
        return
    assert found["losses"].keys() == recorded["losses"].keys()
    for step in list(recorded["losses"])[: ROWS_ELSEWHERE[name]]:
        check(found["losses"][step], recorded["losses"][step], TRAININGS_ELSEWHERE[name])
    for one, other in zip(found["scores"], recorded["scores"], strict=True):
        assert one["name"] == other["name"]
        if one["name"].endswith("_floor"):  # of real images
            check(one, other, MEASURED_ELSEWHERE)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "demo")) for n in TRAININGS])
def test_a_training_goes_the_same_way(name: str, tmp_path: Path) -> None:
    record = record_of(name, "trainings")
    check_training(name, training(name, tmp_path), record["found"], same=machine() == record["machine"])


@pytest.mark.parametrize("name", [name for name in (*EXPERIMENTS, *TRAININGS) if name in CHANGED])
def test_a_figure_that_is_said_to_have_changed_has_changed(name: str) -> None:
    kind, compare = ("lab", check_experiment) if name in EXPERIMENTS else ("trainings", check_training)
    new = changed(name)
    with pytest.raises(AssertionError):
        compare(name, new["found"], EXPECTED[kind][name], same=new["machine"] == EXPECTED["machine"])


def score(value: float, **details: float) -> dict[str, Any]:
    return {"name": "fid", "value": value, "details": details}


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        ([score(1.0 + 1e-5, low=0.5)], "/0/value: is"),
        ([score(1.0, low=0.5, high=1.0)], "/0/details: has"),
        ([score(1.0, low=float("nan"))], "/0/details/low: is nan"),
        ([score(1.0, low=0.5), score(1.0, low=0.5)], ": is"),
        ([score(1.0, low=0.5) | {"name": "kid"}], "/0/name: is 'kid'"),
        ([score(True, low=0.5)], "/0/value: is True"),
        ([1.0], "/0: has 1.0"),
        (1.0, ": is 1.0"),
    ],
)
def test_the_comparison_sees_differences(found: Any, difference: str) -> None:
    recorded = [score(1.0, low=0.5)]
    check([score(1.0 + 1e-7, low=0.5)], recorded, SAME)
    with pytest.raises(AssertionError, match="1 differ") as said:
        check(found, recorded, SAME)
    assert f"\n{difference}" in str(said.value)
