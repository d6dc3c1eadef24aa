"""Figures of version 0.1.0, computed again: the lab, scores of fixed images, and longer trainings.

On the processor and torch that made them they agree to the last bits; elsewhere each as near as it was found to come
with other instructions (AVX2, and none).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from compare import SAME, Tolerance, check
from make import EXPERIMENTS, FIGURES_FILE, TRAININGS, experiment, machine, measures, training

EXPECTED = json.loads(FIGURES_FILE.read_text())
MEASURED_ELSEWHERE = Tolerance(1e-4, 1e-9)
ROWS_ELSEWHERE = 2  # of a training, before its path leaves the recorded one
TRAININGS_ELSEWHERE = {"demo": Tolerance(0.1, 0.0), "points": Tolerance(1e-3, 1e-4)}


def is_same_machine() -> bool:
    return bool(machine() == EXPECTED["machine"])


def test_every_figure_is_expected() -> None:
    assert EXPECTED["lab"].keys() == EXPERIMENTS.keys()
    assert EXPECTED["trainings"].keys() == TRAININGS.keys() == TRAININGS_ELSEWHERE.keys()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_finds_the_same_numbers(name: str, tmp_path: Path) -> None:
    tolerance: Tolerance | str = SAME if is_same_machine() else EXPERIMENTS[name].elsewhere
    if isinstance(tolerance, str):
        pytest.skip(f"another processor or torch than recorded, and {tolerance}")
    check(experiment(name, tmp_path), EXPECTED["lab"][name], tolerance)


def test_fixed_images_have_the_same_scores(tmp_path: Path) -> None:
    check(measures(tmp_path), EXPECTED["measures"], SAME if is_same_machine() else MEASURED_ELSEWHERE)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_goes_the_same_way(name: str, tmp_path: Path) -> None:
    found, recorded = training(name, tmp_path), EXPECTED["trainings"][name]
    if is_same_machine():
        check(found, recorded, SAME)
        return
    assert found["losses"].keys() == recorded["losses"].keys()
    for step in list(recorded["losses"])[:ROWS_ELSEWHERE]:
        check(found["losses"][step], recorded["losses"][step], TRAININGS_ELSEWHERE[name])
    for one, other in zip(found["scores"], recorded["scores"], strict=True):
        assert one["name"] == other["name"]
        if one["name"].endswith("_floor"):  # of real images
            check(one, other, MEASURED_ELSEWHERE)


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
