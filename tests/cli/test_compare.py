import json
import shutil
from pathlib import Path

import pytest

from zerosum.metrics.score import Score


def scores_file(path: Path, *found: tuple[str, float, dict]) -> Path:
    path.write_text("".join(Score(name, value, protocol).to_json() + "\n" for name, value, protocol in found))
    return path


def test_a_table_of_means_over_seeds(zerosum, tmp_path: Path) -> None:
    common = {"samples": 10}
    a = scores_file(tmp_path / "a.jsonl", ("fid", 1.0, {**common, "seed": 0}), ("fid", 3.0, {**common, "seed": 1}))
    b = scores_file(tmp_path / "b.jsonl", ("fid", 5.0, {**common, "seed": 7}), ("kid", 1.0, common))
    said = zerosum("compare", a, b)
    assert said.code == 0
    assert [line.split() for line in said.out.splitlines()] == [
        ["fid"],
        ["a.jsonl", "2", "±", "1.4", "(2)"],  # standard deviation of 1 and 3: sqrt(2)
        ["b.jsonl", "5"],
    ]


def test_only_what_was_measured_as_the_newest_score_counts(zerosum, tmp_path: Path, image_run: Path) -> None:
    few, many = {"samples": 10}, {"samples": 20}
    a = scores_file(tmp_path / "a.jsonl", ("fid", 9.0, {**few, "seed": 0}), ("fid", 3.0, {**many, "seed": 1}))
    rows = [(1, 5.0, {**many, "seed": 0}), (2, 7.0, {**many, "seed": 1})]  # after other steps, too
    (image_run / "scores.jsonl").write_text(
        "".join(
            json.dumps({"step": step, "seconds": 1.0, "score": json.loads(Score("fid", value, protocol).to_json())})
            + "\n"
            for step, value, protocol in rows
        )
    )
    said = zerosum("compare", a, image_run, "--metrics", "fid", "--out", tmp_path / "c.png")
    assert said.code == 0
    assert [line.split() for line in said.out.splitlines()[1:3]] == [["a.jsonl", "3"], [image_run.name, "7"]]


def test_unlike_protocols_are_refused_with_the_differences(zerosum, tmp_path: Path) -> None:
    a = scores_file(tmp_path / "a.jsonl", ("fid", 1.0, {"samples": 10, "ema": 0.0}))
    b = scores_file(tmp_path / "b.jsonl", ("fid", 5.0, {"samples": 20, "ema": 0.9}))
    said = zerosum("compare", a, b)
    assert said.code == 2
    assert "samples: 10 against 20" in said.err
    assert "ema: 0.0 against 0.9" in said.err
    assert "allow this with --across ema,samples" in said.err
    assert zerosum("compare", a, b, "--across", "ema").code == 2
    allowed = zerosum("compare", a, b, "--across", "ema,samples")
    assert allowed.code == 0
    assert "measured across ema: 0.0 and 0.9" in allowed.out


def test_runs_have_curves(zerosum, image_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "curves.png"
    said = zerosum("compare", image_run, image_run, "--metrics", "fd_fashion", "--out", out)
    rows = [json.loads(line) for line in (image_run / "scores.jsonl").read_text().splitlines()]
    found = [(row["step"], row["score"]["value"]) for row in rows if row["score"]["name"] == "fd_fashion"]
    assert said.code == 0
    assert len({step for step, _ in found}) > 1, "the run is scored at its start too"
    assert out.read_bytes().startswith(b"\x89PNG")
    assert said.out.splitlines()[1].split()[1] == f"{found[-1][1]:.4g}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.jsonl"], "at least two"),
        (["a.jsonl", "none"], "none is not a run"),
        (["a.jsonl", "empty.jsonl"], "empty.jsonl has no scores yet"),
        (["a.jsonl", "c.jsonl"], "there is no score that all have (a.jsonl: fid; c.jsonl: kid)"),
        (["a.jsonl", "a.jsonl", "--metrics", "kid"], "there is no score 'kid' of a.jsonl, a.jsonl; all have: fid"),
        (["a.jsonl", "odd.jsonl"], "not a score"),
    ],
)
def test_mistakes_are_told(zerosum, tmp_path: Path, words: list[str], message: str) -> None:
    scores_file(tmp_path / "a.jsonl", ("fid", 1.0, {}))
    scores_file(tmp_path / "c.jsonl", ("kid", 1.0, {}))
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "odd.jsonl").write_text('{"name": "fid"}\n')
    paths = [str(tmp_path / word) if word.endswith((".jsonl", "none")) else word for word in words]
    said = zerosum("compare", *paths)
    assert said.code == 2
    assert message in said.err


def test_json_is_one_document_and_nothing_else(zerosum, tmp_path: Path) -> None:
    a = scores_file(tmp_path / "a.jsonl", ("fid", 1.0, {"seed": 0}), ("fid", 3.0, {"seed": 1}))
    b = scores_file(tmp_path / "b.jsonl", ("fid", 5.0, {"ema": 0.5}))
    said = zerosum("compare", a, b, "--json", "--across", "ema", "--out", tmp_path / "x.png")
    document = json.loads(said.out)
    assert said.err == ""
    assert document["metrics"] == ["fid"]
    assert document["notes"] == ["measured across ema: None and 0.5"]
    assert [(row["name"], row["fid"], row["fid_n"]) for row in document["rows"]] == [
        ("a.jsonl", 2, 2),
        ("b.jsonl", 5, 1),
    ]
    assert document["picture"] == str(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG"), "last values, where there are no curves"


def test_json_writes_no_picture_that_nobody_asked_for(zerosum, image_run: Path) -> None:
    said = zerosum("compare", image_run, image_run, "--json")
    assert json.loads(said.out)["picture"] is None
    assert not (image_run.parent / "comparison.png").exists()


def test_runs_without_common_scores_are_compared_by_losses(zerosum, image_run: Path, point_run: Path) -> None:
    said = zerosum("compare", image_run, point_run)
    assert said.code == 0
    assert "note: there is no score that all have" in said.out
    assert "time" in said.out.splitlines()[0]
    assert zerosum("compare", image_run, point_run, "--metrics", "fd_fashion").code == 2


def test_seeds_are_one_row_or_one_each(zerosum, point_run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(point_run, tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    record["settings"]["seed"] = 5
    (other / "run.json").write_text(json.dumps(record))
    said = zerosum("compare", point_run, other)
    assert "gan (2 seeds)" in said.out
    assert "(2)" in said.out
    assert [line.split()[0] for line in zerosum("compare", point_run, other, "--each").out.splitlines()[1:3]] == [
        "points",
        "other",
    ]
