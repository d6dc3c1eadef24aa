import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.metrics.registry import measures

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


def value(out: str, name: str) -> str:
    return next(line.split()[1] for line in out.splitlines() if line.split()[0] == name)


def test_a_generator_and_a_folder_of_its_samples_score_alike(zerosum, runs, image_run: Path, tmp_path: Path) -> None:
    asked = ("--metrics", "fid,pr", "--features", "shipped")
    of_run = zerosum("eval", image_run, *asked, "--count", 40, "--seed", 3)
    assert of_run.code == 0
    assert zerosum("sample", image_run, "--seed", 3, "--count", 40, "--out", tmp_path / "made/").code == 0
    kept = tmp_path / "scores.jsonl"
    of_files = zerosum("eval", tmp_path / "made", "--against", f"npz:{runs.pixels}", *asked, "--out", kept)
    assert of_files.code == 0
    for name in ("fd_shipped", "precision_shipped", "recall_shipped"):
        assert value(of_run.out, name) == value(of_files.out, name)
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [row["name"] for row in rows] == ["fd_shipped", "precision_shipped", "recall_shipped"]
    assert rows[0]["protocol"]["sample_kind"] == "files"
    assert rows[0]["protocol"]["reference_count"] == 80


def test_scores_of_a_run_are_kept_with_it(zerosum, image_run: Path) -> None:
    before = len((image_run / "scores.jsonl").read_text().splitlines())
    said = zerosum("eval", image_run, "--metrics", "is", "--count", 30, "--repeats", 2)
    assert said.code == 0
    rows = [json.loads(line) for line in (image_run / "scores.jsonl").read_text().splitlines()][before:]
    assert [row["score"]["name"] for row in rows] == ["is_shipped"] * 2
    assert [row["score"]["protocol"]["seed"] for row in rows] == [1, 2]
    assert "over 2 seeds" in said.out
    assert "is_shipped" in (image_run / "report.html").read_text()


def test_files_of_another_size_are_refused_and_resized_where_that_is_asked(zerosum, runs, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    asked = ("eval", folder, "--against", f"npz:{runs.pixels}", "--metrics", "fid", "--features", "random")
    said = zerosum(*asked)
    assert said.code == 2
    assert "images of 3x20x20" in said.err
    assert "with --size 20 for instance; nothing is resized silently" in said.err
    said = zerosum(*asked, "--size", 32)
    assert said.code == 0
    assert "12 of 12 images are smaller than 32 and were enlarged" in said.err
    assert "is grey and" in said.err
    assert "12 files" in said.out


def test_help_lists_the_measures(zerosum) -> None:
    said = zerosum("eval", "any", "--metrics", "help")
    assert said.code == 0
    names, options = said.out.split("\n\n")
    assert [line.split()[0] for line in names.splitlines()] == list(measures())
    assert "kid.subset_size=1000 " in options


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "fid"], "name the real ones with --against"),
        (["--against", "fashion-mini", "--repeats", "2"], "--repeats draws new samples each time"),
        (["--against", "fashion-mini", "--metrics", "fdi"], "Did you mean 'fid'"),
        (["--against", "fashion-mini", "--features", "vgg"], "Did you mean 'vgg16'"),
        (["--against", "fashion-mini", "--features", "none.onnx"], "none.onnx"),
        (["--against", "fashion-mini", "--metrics", "copying"], "--held-out"),
        (["--against", "fashion-mini", "--count", "3"], "has 2 images, fewer than the 3"),
        (["--against", "ring"], "--against ring: has points, and"),
        (["--against", "fashion-mini", "--best"], "--best: is for runs, and"),
        (["--against", "fashion-mini", "--step", "3"], "--step 3: is for runs, and"),
        (["--against", "fashion-mini", "--truncation", "0.5"], "--truncation 0.5: is for runs"),
        (["--against", "fashion-mini", "--standing", "4"], "--standing 4: is for runs"),
        (["--against", "fashion-mini", "--count", "1"], "--count must be a whole number of at least 2"),
        (["--against", "fashion-mini", "--held-out", "digits", "--metrics", "fid"], "no measure reads held-out images"),
        (["--against", "fashion-mini", "--size", "0"], "--size 0: give the side of the images in pixels"),
        (["--against", "fashion-mini", "--background", "whit"], "--background whit: is not a colour"),
        (["--against", "fashion-mini", "--reference-count", "1"], "--reference-count must be a whole number of at"),
        (["--against", "fashion-mini", "--metrics", "prd"], "--reference-count 2 cuts the larger set"),
        (["--against", "fashion-mini", "--metrics", "swd, ms-ssim"], "--reference-count 2 cuts the larger set"),
        (["--against", "fashion-mini", "--metrics", "swd", "--features", "vgg16"], "no measure reads them (swd)"),
        (["--against", "fashion-mini", "--metrics", "ppl"], "needs a run whose generator takes only latents"),
        (["--against", "fashion-mini", "--metrics", "intra-fid"], "needs the class of each image"),
    ],
)
def test_mistakes_are_told(zerosum, tmp_path: Path, words: list[str], message: str) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    for i in range(2):
        Image.new("L", (32, 32), 100 * i).save(folder / f"{i}.png")
    said = zerosum("eval", folder, *words)
    assert said.code == 2
    assert message in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("target", "against", "message"),
    [
        ("none", "fashion-mini", "the folder holds no images"),
        ("none", "nowhere", "there is no source 'nowhere'"),
        ("nowhere/fakes", "fashion-mini", "nowhere/fakes: there is no run, no path and no source of this name"),
        ("nowhere", "fashion-mini", "nowhere: there is no run, no path and no source of this name"),
        ("runs/dcgam-1", "fashion-mini", "Did you mean 'runs/dcgan-1'?"),
        ("ring", "fashion-mini", "ring"),
    ],
)
def test_what_is_not_there_is_told(zerosum, target: str, against: str, message: str) -> None:
    Path("none").mkdir()
    Path("runs/dcgan-1").mkdir(parents=True)
    Path("runs/dcgan-1/run.json").write_text("{}")
    said = zerosum("eval", target, "--against", against)
    assert said.code in (1, 2)
    assert message in said.err
    assert "not a run" not in said.err
    assert "Traceback" not in said.err
    assert said.err.count("\n") == 1


def test_training_computes_further_scores_with_the_same_code(zerosum, runs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["--data", f"npz:{runs.pixels}", "--width", 4, "--latent", 8, "--batch-size", 8, "--steps", 2, "--out", out]
    said = zerosum("train", "dcgan", *words, "--metrics", "is,kid", "--eval-count", 40)
    assert said.code == 0
    found = {row["score"]["name"]: row["score"] for row in map(json.loads, (out / "scores.jsonl").open())}
    assert {"is_shipped", "kid_shipped"} <= found.keys()
    again = zerosum("eval", out, "--metrics", "is,kid", "--count", 40)
    assert value(again.out, "kid_shipped") == value(said.out, "kid_shipped")
    last = json.loads((out / "scores.jsonl").read_text().splitlines()[-1])["score"]
    assert last["protocol"].pop("sample_path") == str(out.resolve())
    assert last["protocol"] == found["kid_shipped"]["protocol"]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("kidd", "--metrics: there is no measure 'kidd'. Did you mean 'kid'"),
        ("copying", "--metrics copying: needs held-out images"),
        ("intra-fid", "needs labelled data and a recipe that generates by label"),
    ],
)
def test_metrics_that_could_not_be_computed_are_refused_before_training(
    zerosum, runs, tmp_path: Path, metrics: str, message: str
) -> None:
    words = ["--data", f"npz:{runs.pixels}", "--batch-size", 8, "--out", tmp_path / "run"]
    said = zerosum("train", "dcgan", *words, "--metrics", metrics)
    assert said.code == 2
    assert message in said.err
    assert not (tmp_path / "run").exists()
