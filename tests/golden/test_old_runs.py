"""Runs made by version 0.1.0 still load, sample and resume, to the same numbers, and the same commands make them again.

Of those in ``changed.py`` the commands make what is recorded beside the old runs.

``make.py`` says how they were made. On the processor and torch that made them numbers agree to the last bits; elsewhere
roughly, as a few steps of training allow: a changed argument, seed or order of weights is far outside of that.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from changed import CHANGED
from compare import SAME, Tolerance, check
from golden_figures import EXPERIMENTS, TRAININGS
from golden_runs import RESUME_WORDS, RUNS, after, before, copied, logged, resume
from golden_verb import CHANGED_FOLDER, EXPECTED_FILE, RUNS_FOLDER, machine
from make import changed, find

EXPECTED = json.loads(EXPECTED_FILE.read_text())
NAMES = sorted(path.parent.name for path in RUNS_FOLDER.glob("*/run.json"))
ELSEWHERE = Tolerance(2e-3, 2e-3)
NEW_SCORES = {"fd_random", "fd_random_floor", "ms_ssim"}
SHARE = 0.05  # of the standard deviation of samples: how far, elsewhere, one may be off besides
# Their networks have biases before batch normalisation, whose gradients are rounding errors, which Adam makes large.
SENSITIVE, SENSITIVE_ELSEWHERE = {"custom-matching", "info-gan", "vae"}, Tolerance(2e-3, 1e-2)


def test_every_run_is_expected() -> None:
    assert NAMES == sorted(EXPECTED["runs"]) == sorted(RUNS)
    assert RESUME_WORDS.keys() <= set(NAMES)


def test_no_run_names_the_machine_that_made_it() -> None:
    for file in RUNS_FOLDER.rglob("*.json*"):
        assert not re.search(r'"(?:[^"]* )?(/|[A-Z]:\\)[^"]*"', file.read_text()), file
    for name in NAMES:
        assert json.loads((RUNS_FOLDER / name / "run.json").read_text())["settings"]["out"] == f"runs/{name}"


def check_samples(name: str, found: dict[str, Any], recorded: dict[str, Any], tolerance: Tolerance) -> None:
    """Elsewhere small samples, of networks that have hardly learnt, must be near in terms of their own size, too."""
    if tolerance is not SAME and name in SENSITIVE:
        check(found, recorded, SENSITIVE_ELSEWHERE)
        return
    check(found, recorded, tolerance)
    if tolerance is not SAME:
        check(found, recorded, Tolerance(SHARE, SHARE * recorded["std"]))


def without_halves(logs: dict[str, Any]) -> dict[str, Any]:
    """Logs without values held against a half of the real images, which is another half since the first records."""
    return {log: [_without_halves(row) for row in rows] for log, rows in logs.items()}


def _without_halves(row: dict[str, Any]) -> dict[str, Any]:
    is_halved = "score" in row and row["score"]["name"].startswith(("fd_", "classes"))
    return row | {"score": {"name": row["score"]["name"]}} if is_halved else row


def check_logs(found: dict[str, Any], recorded: dict[str, Any], tolerance: Tolerance) -> None:
    if "scores.jsonl" not in recorded:  # images of other shapes than the clothes' had no scores in that version
        assert {row["score"]["name"] for row in found.pop("scores.jsonl", [])} <= NEW_SCORES
    assert found.keys() == recorded.keys()
    for log, rows in found.items():
        if tolerance is SAME or log != "scores.jsonl":  # scores count what lies on either side of a border
            check(rows, recorded[log], tolerance)


def check_training(name: str, found: dict[str, Any], recorded: dict[str, Any], tolerance: Tolerance) -> None:
    check_logs(found["logs"], recorded["logs"], tolerance)
    assert found["samples"].keys() == recorded["samples"].keys()
    for which, samples in found["samples"].items():
        check_samples(name, samples, recorded["samples"][which], tolerance)


@pytest.fixture
def tolerance() -> Tolerance:
    return SAME if machine() == EXPECTED["machine"] else ELSEWHERE


@pytest.mark.parametrize("name", NAMES)
def test_an_old_run_samples_and_resumes_as_it_did(name: str, tolerance: Tolerance, tmp_path: Path) -> None:
    recorded = EXPECTED["runs"][name]
    run = copied(RUNS_FOLDER / name, tmp_path)
    found = before(run)
    assert found.keys() == recorded["before"].keys()
    for which, samples in found.items():
        check_samples(name, samples, recorded["before"][which], tolerance)
    resume(run)
    resumed = after(run)
    check_logs(without_halves(resumed["logs"]), without_halves(recorded["after"]["logs"]), tolerance)
    check_samples(name, resumed["samples"], recorded["after"]["samples"], tolerance)


def recorded(name: str) -> dict[str, Any]:
    """What the command of a run made, by the version that recorded it; with the machine."""
    samples = EXPECTED["runs"][name]["before"]
    return {"machine": EXPECTED["machine"], "found": {"logs": logged(RUNS_FOLDER / name), "samples": samples}}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_command_trains_the_same_run(name: str, tmp_path: Path) -> None:
    record, found = changed(name) if name in CHANGED else recorded(name), find(name, tmp_path)
    if name not in CHANGED:
        record["found"]["logs"], found["logs"] = map(without_halves, (record["found"]["logs"], found["logs"]))
    check_training(name, found, record["found"], SAME if machine() == record["machine"] else ELSEWHERE)


def test_every_change_has_a_reason_and_a_record() -> None:
    known = {"measures"} | RUNS.keys() | EXPERIMENTS.keys() | TRAININGS.keys()
    assert len(known) == 1 + len(RUNS) + len(EXPERIMENTS) + len(TRAININGS)
    assert {path.stem for path in CHANGED_FOLDER.glob("*")} == CHANGED.keys() <= known
    for why in CHANGED.values():
        assert len(why.split()) > 5, why
        assert why.endswith("."), why


@pytest.mark.parametrize("name", [name for name in NAMES if name in CHANGED])
def test_a_run_that_is_said_to_have_changed_has_changed(name: str) -> None:
    old, new = recorded(name), changed(name)
    with pytest.raises(AssertionError):
        check_training(name, new["found"], old["found"], SAME if old["machine"] == new["machine"] else ELSEWHERE)
