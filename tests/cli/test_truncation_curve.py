"""``zerosum truncation``: the curve's order, what its scores say of themselves, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

import zerosum
from zerosum.cli.main import run
from zerosum.data import load
from zerosum.metrics.score import Score
from zerosum.runs.truncation import TruncationPoint, table

WORDS = ["--count", "80", "--standing", "2", "--metrics", "labels,fid", "--thresholds", "1.5,0.5"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    clothes, out = load("fashion-mini"), folder / "conditional"
    np.savez(folder / "few.npz", images=clothes.pixels[::40], labels=clothes.labels[::40])
    settings = {"data": f"npz:{folder / 'few.npz'}", "out": str(out), "sample_every": 9, "save_every": 9}
    small = {"g_width": 4, "d_width": 4, "latent": 6, "batch_size": 8, "n_critic": 1, "steps": 1}
    zerosum.train("sngan-projection", **settings, **small)
    return out


def test_a_row_for_each_threshold_and_one_without(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["truncation", str(trained), *WORDS]) == 0
    rows = [json.loads(line) for line in (trained / "truncation.jsonl").read_text().splitlines()]
    assert [row["threshold"] for row in rows] == [0.5, 1.5, None]
    assert (trained / "truncation.png").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert "| none |" in said
    for row in rows:
        assert set(row["scores"]) == {"label_accuracy_shipped", "fd_shipped"}
        for score in row["scores"].values():
            assert score["protocol"].get("truncation") == row["threshold"]
            assert score["protocol"]["standing"] == 2
    # The same images as `eval` draws, so the same score to the last digit.
    assert (
        run(["eval", str(trained), "--count", "80", "--metrics", "fid", "--truncation", "0.5", "--standing", "2"]) == 0
    )
    kept = [json.loads(line)["score"] for line in (trained / "scores.jsonl").read_text().splitlines()]
    (again,) = [s for s in kept if s["protocol"].get("truncation") == 0.5]
    assert again["value"] == rows[0]["scores"]["fd_shipped"]["value"]
    assert again["value"] != rows[2]["scores"]["fd_shipped"]["value"]


def test_small_thresholds_make_alike_images(trained: Path) -> None:
    sampler = zerosum.load(trained).generator.of_classes([3])
    spread = [sampler.truncated(t)(0, 64).std(0).mean() for t in (0.05, 0.5)] + [sampler(0, 64).std(0).mean()]
    assert spread == sorted(spread)
    assert spread[0] < 0.2 * spread[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--thresholds", "0.5,0"], "--thresholds 0.5,0: each must be above 0"),
        (["--thresholds", "0.5,much"], "must be numbers separated by commas"),
        (["--count", "1"], "--count must be at least 2"),
        (["--standing", "-1"], "--standing must be at least 0"),
        (["--metrics", "pr,fidd"], "fidd"),
        (["--out", "curve.jpg"], "pictures are written as PNG"),
    ],
)
def test_refusals(trained: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["truncation", str(trained), *words]) == 2
    assert message in capsys.readouterr().err


def test_a_threshold_that_no_latent_comes_within(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["truncation", str(trained), "--count", "4", "--thresholds", "1e-9"]) == 2
    assert "still beyond it; use a larger one" in capsys.readouterr().err


def test_the_table_by_hand() -> None:
    points = [
        TruncationPoint(t, {"precision": Score("precision", v, {}, {})}) for t, v in ((0.5, 0.91234), (None, 0.5))
    ]
    assert table(points) == "| threshold | precision |\n|---|---|\n| 0.5 | 0.912 |\n| none | 0.5 |\n"
