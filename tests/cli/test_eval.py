import json
from pathlib import Path

import pytest

from zerosum.metrics.score import Score, comparable

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]


def scores(found: list[dict]) -> list[Score]:
    return [Score.from_json(json.dumps(row["score"])) for row in found]


def test_it_measures_as_training_does(zerosum, image_run: Path) -> None:
    before = rows(image_run)
    said = zerosum("eval", image_run)
    assert said.code == 0
    after = rows(image_run)[len(before) :]
    at_the_end = [row for row in before if row["step"] == 4]
    assert [row["step"] for row in after] == [4] * len(at_the_end)
    assert [row.keys() for row in after] == [row.keys() for row in at_the_end]
    for mine, theirs in zip(scores(after), scores(at_the_end), strict=True):
        assert comparable(mine, theirs)
        assert mine.value == pytest.approx(theirs.value)
        assert mine.short() in said.out
    assert after[0]["seconds"] == at_the_end[0]["seconds"]


def test_repetitions_have_a_mean_and_a_spread(zerosum, image_run: Path) -> None:
    kept = len(rows(image_run))
    said = zerosum("eval", image_run, "--repeats", 3, "--seed", 10, "--count", 20)
    assert said.code == 0
    found = scores(rows(image_run)[kept:])
    values = [score.value for score in found if score.name == "fd_fashion"]
    assert [score.protocol.get("seed") for score in found if score.name == "fd_fashion"] == [10, 11, 12]
    assert sum(score.name == "fd_fashion_floor" for score in found) == 1
    mean = sum(values) / 3
    deviation = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
    assert f"fd_fashion {mean:.4g} ± {deviation:.2g} over 3 seeds" in said.out
    assert said.out.count("fd_fashion_floor") == 1  # it is the same for every seed
    assert "(3 seeds)" in (image_run / "report.html").read_text()


def test_points(zerosum, point_run: Path) -> None:
    kept = rows(point_run)
    said = zerosum("eval", point_run, "--count", 100)
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()] == ["modes", "high_quality", "mode_kl"]
    assert "(100 generated vs ring, seed 1)" in said.out
    assert len(rows(point_run)) == len(kept) + 3


def test_a_line_that_was_cut_short_costs_no_other(zerosum, point_run: Path) -> None:
    with (point_run / "scores.jsonl").open("a") as file:
        file.write('{"step": 2, "sec')
    assert zerosum("eval", point_run, "--count", 10).code == 0
    lines = (point_run / "scores.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines[-3:]] == [2, 2, 2]


def test_where_no_score_fits_it_says_why(zerosum, runs) -> None:
    said = zerosum("eval", runs.unscored)
    assert said.code == 1
    assert "no score fits these data: swiss-roll is not a mixture of known modes" in said.err
    assert not (runs.unscored / "scores.jsonl").exists()


def test_data_that_changed_since_are_noted(zerosum, point_run: Path) -> None:
    assert "changed" not in zerosum("eval", point_run, "--count", 10).err
    record = json.loads((point_run / "run.json").read_text())
    record["data"]["fingerprint"] = "0" * 64
    (point_run / "run.json").write_text(json.dumps(record))
    said = zerosum("eval", point_run, "--count", 10)
    assert said.code == 0
    assert "note: ring has changed since" in said.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--repeats", 0], "--repeats must be at least 1"),
        (["--count", 41], "the count must be between 2 and 40"),
        (["--count", 0], "has 0 image(s) to measure: at least 2 are needed"),
    ],
)
def test_what_cannot_be_done_is_explained(zerosum, image_run: Path, words: list[object], part: str) -> None:
    kept = rows(image_run)
    said = zerosum("eval", image_run, *words)
    assert said.code == 1
    assert part in said.err
    assert rows(image_run) == kept
