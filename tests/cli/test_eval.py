import dataclasses
import json
from pathlib import Path

import pytest

from zerosum.metrics.registry import measures
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
    assert said.code == 2
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
        (["--count", 0], "--count must be a whole number of at least 2, got 0"),
        (["--count", 1], "--count must be a whole number of at least 2, got 1"),
        (["--count", -5], "--count must be a whole number of at least 2, got -5"),
        (["--standing", -1], "--standing must be at least 0"),
        (["--truncation", 0], "--truncation must be above 0"),
        (["--metrics", ""], "name at least one measure"),
        (["--metrics", "fid,coyping"], "Did you mean 'copying'"),
        (["--metrics", "fid,copying"], "name them as --held-out"),
        (["--metrics", "fid,intra-fid"], "needs the class of each image, and"),
        (["--metrics", "fid,ppl", "--features", "none.onnx"], "none.onnx"),
        (["--metrics", "is", "--features", "random"], "--features random: is not a classifier"),
        (["--features", "vgg"], "Did you mean 'vgg16'"),
        (["--metrics", "kid,prd", "--count", 30], "--reference-count 30 cuts the larger set"),
        (["--metrics", "ms-ssim", "--features", "shipped"], "no measure reads them (ms-ssim)"),
        (["--held-out", "fashion-mini", "--metrics", "fid"], "no measure reads held-out images"),
        (["--out", "scores.jsonl"], "--out scores.jsonl: the scores of a run"),
        (["--step", 3], "--step 3"),
        (["--device", "gpu"], "--device gpu"),
        (["--against", "ring"], "has images of 1x32x32, ring points of 2"),
    ],
)
def test_what_cannot_be_done_is_explained(zerosum, image_run: Path, words: list[object], part: str) -> None:
    kept = rows(image_run)
    said = zerosum("eval", image_run, *words)
    assert said.code == 2
    assert part in said.err
    assert rows(image_run) == kept


def test_json_is_one_document_and_nothing_else(zerosum, image_run: Path) -> None:
    record = json.loads((image_run / "run.json").read_text())
    record["data"]["fingerprint"] = "0" * 64
    (image_run / "run.json").write_text(json.dumps(record))
    kept = len(rows(image_run))
    said = zerosum("eval", image_run, "--json", "--repeats", 2, "--count", 20)
    assert said.code == 0
    document = json.loads(said.out)
    assert document["target"] == str(image_run)
    assert [(score["name"], score["protocol"].get("seed")) for score in document["scores"]] == [
        ("fd_fashion", 1),
        ("fd_fashion_floor", None),
        ("fd_fashion", 2),
    ]
    assert document["scores"] == [row["score"] for row in rows(image_run)[kept:]]
    assert "note: " in said.err
    assert "has changed since" in said.err


def test_a_measure_that_refuses_costs_no_other(zerosum, image_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("there are no clusters")

    monkeypatch.setattr("zerosum.metrics.measures.prd.kmeans", fail)
    kept = len(rows(image_run))
    words = "eval", image_run, "--metrics", "kid, prd,ms-ssim", "--count", 30, "--reference-count", 30
    said = zerosum(*words)
    assert said.code == 2
    assert "these samples cannot be scored by prd: there are no clusters" in said.err
    assert said.err.count("\n") == 1
    found = [row["score"]["name"] for row in rows(image_run)[kept:]]
    assert found == ["kid_shipped", "ms_ssim"]
    assert [line.split()[0] for line in said.out.splitlines() if not line.startswith(" ")] == found
    assert "kid_shipped" in (image_run / "report.html").read_text()
    document = json.loads(zerosum(*words, "--json").out)
    assert [score["name"] for score in document["scores"]] == found
    assert list(document["refused"]) == ["prd"]


def test_scores_are_written_as_they_come(zerosum, image_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = len(rows(image_run))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    measure = dataclasses.replace(measures()["ms-ssim"], run=stop)
    monkeypatch.setitem(measures(), "ms-ssim", measure)
    assert zerosum("eval", image_run, "--metrics", "fid,ms-ssim", "--count", 30).code == 130
    assert [row["score"]["name"] for row in rows(image_run)[kept:]] == ["fd_shipped"]


def test_other_real_images_are_used_and_not_ignored(zerosum, runs, image_run: Path) -> None:
    said = zerosum("eval", image_run, "--against", "fashion-mini", "--count", 100)
    assert said.code == 0
    found = scores(rows(image_run))[-1]
    assert found.protocol["reference"] == "fashion-mini"
    assert "100 of fashion-mini" in said.out


def test_data_that_are_gone_are_not_needed_with_others(zerosum, image_run: Path) -> None:
    record = json.loads((image_run / "run.json").read_text())
    record["settings"]["data"] = record["data"]["name"] = "npz:/nowhere/gone.npz"
    (image_run / "run.json").write_text(json.dumps(record))
    assert zerosum("eval", image_run, "--count", 30).code != 0
    assert zerosum("eval", image_run, "--against", "fashion-mini", "--count", 30).code == 0


def test_a_checkpoint_can_be_chosen(zerosum, image_run: Path) -> None:
    assert zerosum("eval", image_run, "--step", 2, "--count", 30).code == 0
    assert rows(image_run)[-1]["step"] == 2
