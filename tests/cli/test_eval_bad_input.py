"""`zerosum eval` with input that does not go together: one line, the status 2, and nothing is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from zerosum.cli.main import run
from zerosum.metrics.features.inception import PUBLISHED
from zerosum.metrics.images import ImageSet

# Names of classes (of 2 images each) by the name of the folder; none: images without classes.
FOLDERS: dict[str, list[str]] = {
    "pets": ["cat", "dog", "bird"],
    "written": ["Bird", "CAT", "dog"],
    "strangers": ["cat", "dog", "fish"],
    "few": ["cat", "dog"],
    "numbered": ["0", "1", "2"],
    "twins": ["t-shirt", "T shirt", "coat"],
    "hats": ["t shirt", "coat", "hat"],
    "plain": [],
    "more": [],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("bad")
    rng = np.random.default_rng(0)
    for folder, classes in FOLDERS.items():
        for name in classes or [""]:
            (here / folder / name).mkdir(parents=True)
            for i in range(2 if classes else {"plain": 20, "more": 24}[folder]):
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(
                    here / folder / name / f"{i}.png"
                )
    return here


@pytest.fixture
def refused(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What is said of a command that is refused before any feature is computed."""
    monkeypatch.chdir(place)

    def refuse(*words: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(ImageSet, "batches", None)  # a pass over images would be a TypeError
            assert run(["eval", *words]) == 2
        said = capsys.readouterr()
        assert not said.out
        (line,) = [line for line in said.err.splitlines() if not line.startswith("note:")]
        return line.removeprefix("zerosum: ")

    return refuse


@pytest.mark.parametrize(
    ("fakes", "classes", "reals", "theirs"),
    [
        ("pets", "bird, cat, dog", "strangers", "cat, dog, fish"),
        ("pets", "bird, cat, dog", "numbered", "0, 1, 2"),
        ("pets", "bird, cat, dog", "few", "cat, dog"),
        ("twins", "T shirt, coat, t-shirt", "hats", "coat, hat, t shirt"),
    ],
)
def test_classes_that_cannot_be_paired_are_both_shown(
    refused: Any, fakes: str, classes: str, reals: str, theirs: str
) -> None:
    said = refused(fakes, "--against", reals, "--metrics", "intra-fid", "--features", "random")
    assert said == (
        f"labels: the classes of folder:{fakes} ({classes}) cannot be paired by name with those of folder:{reals} "
        f"({theirs}): give each class one name in both"
    )


@pytest.mark.parametrize(
    ("fakes", "reals", "message"),
    [
        (
            "few",
            "pets",
            "needs at least 2 images of each class, and folder:few (classes cat, dog) has fewer of bird, of ",
        ),
        ("plain", "pets", "needs the class of each image, and folder:plain has no labels"),
        ("pets", "plain", "needs the class of each image, and folder:plain has no labels"),
    ],
)
def test_classes_that_lack_images(refused: Any, fakes: str, reals: str, message: str) -> None:
    said = refused(fakes, "--against", reals, "--metrics", "intra-fid", "--features", "random")
    assert said.startswith(f"--metrics intra-fid: {message}")


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_classes_that_differ_in_writing_are_paired(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert run(["eval", "written", "--against", "pets", "--metrics", "intra-fid", "--features", "random"]) == 0


@pytest.mark.parametrize(
    ("fakes", "reals", "words", "message"),
    [
        ("plain", "more", "--metrics prd", "prd takes as many real as generated images, and there are 24 and 20: "
         "--reference-count 20 cuts the larger set"),
        ("more", "plain", "--metrics swd", "swd takes as many real as generated images, and there are 20 and 24: "
         "--count 20 cuts the larger set"),
        ("more", "plain", "--metrics swd --count 18", "swd takes as many real as generated images, and there are 20 "
         "and 18: --reference-count 18 cuts the larger set"),
        ("more", "plain", "--metrics fid,prd", "prd takes as many real as generated images, and there are 20 and 24: "),
        ("plain", "more", "--count -5", "--count must be a whole number of at least 2, got -5"),
        ("plain", "more", "--count 0", "--count must be a whole number of at least 2, got 0"),
        ("plain", "more", "--count 1", "--count must be a whole number of at least 2, got 1"),
        ("plain", "more", "--count 21", "--count 21: folder:plain has 20 images, fewer than the 21 asked for"),
        ("plain", "more", "--reference-count 25", "--reference-count 25: folder:more has 24 images, fewer than the 25"),
        ("plain", "more", "--metrics fid --held-out plain", "--held-out folder:plain: no measure reads held-out"),
        ("nowhere", "more", "", "nowhere: there is no run, no path and no source of this name."),
        ("plain", "more", "--metrics pr --options pr.k=20", "--options pr.k=20: can be at most 19 with 24 real images "
         "and 20 to measure"),
    ],
)  # fmt: skip
def test_numbers_of_images_that_do_not_go_together(
    refused: Any, fakes: str, reals: str, words: str, message: str
) -> None:
    features = [] if "swd" in words else ["--features", "random"]
    assert refused(fakes, "--against", reals, *words.split(), *features).startswith(message)


@pytest.mark.parametrize(
    ("fact", "value", "message"),
    [
        ("features", "inception-clean", "has statistics of features 'inception-clean', not 'random': take the same"),
        (
            "resize",
            "clean bicubic to 299",
            "has statistics of resize 'clean bicubic to 299', not 'none': take the same",
        ),
        ("features_hash", "0" * 12, "has statistics of features hash '000000000000', not "),
        ("shape", [3, 32, 32], "its images are 32x32 pixels, and those to score 16x16: bring both to one size"),
        (
            "reading",
            {"image_size": "16x16"},
            "its images were read with size 16x16, and those to score with size native",
        ),
    ],
)
def test_statistics_of_another_extractor_or_resize(
    refused: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, fact: str, value: Any, message: str
) -> None:
    file = str(tmp_path / "ref.npz")
    assert run(["eval", "more", "--save-stats", file, "--features", "random"]) == 0
    capsys.readouterr()
    with np.load(file, allow_pickle=False) as stored:
        arrays = dict(stored)
    facts = json.loads(str(arrays["zerosum"])) | {fact: value}
    np.savez(file, **(arrays | {"zerosum": np.array(json.dumps(facts))}))
    said = refused("plain", "--against", f"stats:{file}", "--features", "random")
    assert said.startswith(f"--against stats:{file}: {message}")


def test_weights_of_another_network(refused: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSUM_WEIGHTS", str(tmp_path))
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / PUBLISHED.name)
    said = refused("plain", "--against", "more", "--metrics", "fid")
    assert said.startswith(f"--features auto: {tmp_path / PUBLISHED.name} is not the published {PUBLISHED.name}")
    (tmp_path / PUBLISHED.name).unlink()
    save_file({"fc.weight": torch.zeros(3)}, tmp_path / "vgg.onnx")
    assert refused("plain", "--against", "more", "--features", str(tmp_path / "vgg.onnx")).startswith("--features ")
