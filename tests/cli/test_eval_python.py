"""``zerosum.evaluate`` of runs: the numbers of the command line, kept with the run."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import zerosum as zs
from zerosum.errors import UsageError
from zerosum.files import Rows
from zerosum.metrics.score import Score, comparable
from zerosum.report.write import write_report
from zerosum.runs.evaluation import PartlyScored

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]


def scores(found: list[dict]) -> list[Score]:
    return [Score.from_json(json.dumps(row["score"])) for row in found]


def test_a_run_is_scored_as_training_scored_it(image_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at_the_end = scores([row for row in rows(image_run) if row["step"] == 4])
    kept = len(rows(image_run))
    found = zs.evaluate(image_run)
    assert capsys.readouterr().out == ""
    assert list(found) == ["fd_fashion", "fd_fashion_floor"]
    for mine, theirs in zip(found.values(), at_the_end, strict=True):
        assert comparable(mine, theirs)
        assert mine.value == pytest.approx(theirs.value)
    assert scores(rows(image_run)[kept:]) == list(found.values())
    assert zs.evaluate(str(image_run))["fd_fashion"] == found["fd_fashion"]


def test_the_command_line_gives_the_same(zerosum, image_run: Path) -> None:
    how = {"metrics": "fid,pr,ms-ssim", "count": 40, "seed": 3, "truncation": 0.5}
    found = zs.evaluate(image_run, **how)
    words = [word for name, value in how.items() for word in (f"--{name}", value)]
    document = json.loads(zerosum("eval", image_run, *words, "--json").out)
    assert document["scores"] == json.loads(found.to_json())["scores"]
    assert found["fid"].protocol["truncation"] == 0.5


def test_a_run_object_means_its_checkpoint(image_run: Path) -> None:
    run = zs.load(image_run, step=2)
    found = zs.evaluate(run, metrics="fid", count=40)
    assert rows(image_run)[-1]["step"] == 2
    assert run.evaluate(metrics="fid", count=40)["fid"] == found["fid"]
    assert zs.evaluate(run, metrics="fid", count=40, step=4)["fid"].value != found["fid"].value
    assert rows(image_run)[-1]["step"] == 4
    samples = zs.load(image_run, step=2).sample(40, seed=1)
    from_samples = zs.evaluate(samples, against=zs.data.load(run.setup.data.name), metrics="fid")
    assert from_samples["fid"].value == pytest.approx(found["fid"].value, rel=1e-5)


def test_held_out_images_and_features_of_ones_own(image_run: Path) -> None:
    fresh = zs.data.load("fashion-mini")
    held_out = zs.data.load(fresh.pixels[:60], labels=fresh.labels[:60])

    def rowwise(x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(1, 3))

    found = zs.evaluate(image_run, metrics=["copying", "fid"], held_out=held_out, features=rowwise, count=40)
    assert list(found) == ["copying_z_rowwise", "fd_rowwise"]
    assert found["copying_z"].protocol["held_out"] == held_out.name


def test_a_refusal_loses_nothing(image_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = len(rows(image_run))

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no clusters")

    monkeypatch.setattr("zerosum.metrics.measures.prd.kmeans", fail)
    with pytest.raises(PartlyScored, match="by prd: no clusters") as caught:
        zs.evaluate(image_run, metrics="is,prd,kid", count=30, reference_count=30)
    assert list(caught.value.scores) == ["is_shipped", "kid_shipped"]
    assert [row["score"]["name"] for row in rows(image_run)[kept:]] == ["is_shipped", "kid_shipped"]
    kept = len(rows(image_run))
    with pytest.raises(UsageError, match="name them as held_out"):
        zs.evaluate(image_run, metrics="is,copying", count=30)
    assert len(rows(image_run)) == kept


def test_a_generator_that_diverged_is_told_once(image_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zerosum.runs.sampler import Sampler

    monkeypatch.setattr(Sampler, "__call__", lambda self, start, n: torch.full((n, 1, 32, 32), math.nan))
    with pytest.raises(PartlyScored, match=r"by fid, is: 40 of samples 0 to 39 hold NaN") as caught:
        zs.evaluate(image_run, metrics="fid,is", count=40)
    assert not caught.value.scores


def test_labels_of_a_run_are_its_own(class_run: Path) -> None:
    found = zs.evaluate(class_run, metrics="intra-fid", count=60)
    assert found["intra_fid"].details.keys() == {"bag", "coat", "dress"}
    with pytest.raises(UsageError, match="labels: go with images"):
        zs.evaluate(class_run, labels=[0, 1])
    with pytest.raises(UsageError, match="which cgan at step 4 is not"):
        zs.evaluate(class_run, metrics="fid,ppl", count=60)


def test_a_set_of_another_size_is_brought_to_the_runs_and_arrays_are_not(
    image_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = zs.data.load("fashion-mini").pixels[:50]
    large = np.repeat(np.repeat(fresh, 2, 1), 2, 2)
    np.savez(image_run.parent / "large.npz", images=large)
    found = zs.evaluate(image_run, against=image_run.parent / "large.npz", metrics="fid", count=40)
    assert "large.npz: all images were brought from 1x64x64 to 1x32x32" in capsys.readouterr().err
    same = zs.evaluate(image_run, against=fresh, metrics="fid", count=40)
    assert found["fid"].value == pytest.approx(same["fid"].value, rel=0.05)
    with pytest.raises(UsageError, match="has images of 1x32x32, array images of 1x64x64"):
        zs.evaluate(image_run, against=large, metrics="fid", count=40)


def test_points(point_run: Path) -> None:
    found = zs.evaluate(point_run, count=100)
    assert list(found) == ["modes", "high_quality", "mode_kl"]
    with pytest.raises(UsageError, match="metrics=fid: looks at images"):
        zs.evaluate(point_run, metrics="fid")


def test_infinite_scores_are_kept_and_shown(zerosum, image_run: Path) -> None:
    """Of several seeds, which have no deviation then."""
    for seed in (1, 2):
        score = Score("modes", math.inf, {"seed": seed, "samples": 5}, {"reverse_kl": math.inf})
        Rows(image_run / "scores.jsonl").append({"step": 4, "seconds": 1.0, "score": json.loads(score.to_json())})
    run = zs.load(image_run)
    assert run.scores["modes"][-1] == math.inf
    assert "modes inf" in repr(run)
    write_report(run.folder)
    assert "<td>modes</td><td>inf</td>" in run.report.read_text()
    assert "modes" in zerosum("compare", image_run, image_run, "--metrics", "modes").out
