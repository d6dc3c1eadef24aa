"""What the pictures of each verb say, and what is printed of them; measures that need no download."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zerosum as library
from zerosum.cli.neighbours import choose_features
from zerosum.cli.sample import choose_columns
from zerosum.metrics.features.random_convolutions import RandomFeatures
from zerosum.runs import grid
from zerosum.runs.grid import SheetLayout


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[SheetLayout]:
    """What stands where on each sheet that is drawn."""
    kept: list[SheetLayout] = []
    original = grid.draw

    def draw(*arguments: Any) -> SheetLayout:
        kept.append(original(*arguments))
        return kept[-1]

    monkeypatch.setattr("zerosum.runs.grid.draw", draw)
    monkeypatch.setattr("zerosum.runs.pictures.draw", draw)
    return kept


@pytest.fixture(scope="module")
def colour_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of colour images, for whose scores Inception would have to be downloaded."""
    folder = tmp_path_factory.mktemp("colour")
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (90, 4, 4, 3)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    np.savez(folder / "blocks.npz", images=blocks)
    settings = {"data": f"npz:{folder / 'blocks.npz'}", "out": str(folder / "run"), "precision": "float32", "size": 16}
    small = {"latent": 8, "width": 4, "kernel": 4, "batch_size": 8}
    library.train("dcgan", **settings, **small, steps=2, sample_every=9, progress=False)
    return folder / "run"


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("weights were asked for")

    monkeypatch.setattr("zerosum.metrics.features.inception.load_extractor", refuse)
    monkeypatch.setattr("zerosum.metrics.features.vgg16.load_extractor", refuse)


def texts(layout: SheetLayout) -> list[str]:
    return [words.text for words in layout.words]


def origin(run: Path, step: int = 4, seed: int = 0) -> str:
    record = json.loads((run / "run.json").read_text())
    return f"{record['recipe']} on {record['data']['name']}, step {step}, seed {seed}"


def test_samples_of_classes_have_names_over_columns(zerosum, class_run: Path, drawn: list[SheetLayout]) -> None:
    said = zerosum("sample", class_run, "--count", 15, "--classes", "bag,coat,2", "--seed", 5)
    what = f"{origin(class_run, seed=5)}, classes bag, coat, 2"
    assert said.out == f"15 samples of {what}\n{class_run / 'samples-class-bag-coat-2-seed5.png'}\n"
    title, *_ = texts(drawn[0])
    assert title == "15 samples"
    assert " ".join(texts(drawn[0])[1:-3]) == what
    assert texts(drawn[0])[-3:] == ["bag", "coat", "dress"]
    zerosum("sample", class_run, "--count", 9)
    _, labels = library.load(class_run).generator.latents(0, 9)
    assert texts(drawn[1])[-9:] == [("bag", "coat", "dress")[y] for y in labels]
    assert zerosum("sample", class_run, "--count", 4, "--classes", "coat").code == 0
    assert texts(drawn[2])[-1] == "coat"


def test_many_classes_make_a_square() -> None:
    assert choose_columns(64, 0) is None
    assert choose_columns(64, 1) is None
    assert [choose_columns(n, 10) for n in (5, 64, 100)] == [5, 10, 10]
    assert choose_columns(300, 300) is None  # not one row of 300


def test_options_that_change_samples_are_said(zerosum, image_run: Path, drawn: list[SheetLayout]) -> None:
    said = zerosum("sample", image_run, "--count", 4, "--truncation", 0.5, "--standing", 2, "--best", "--out", "x.png")
    expected = f"4 samples of {origin(image_run)}".replace("step 4", "step 4 (the best checkpoint)")
    assert said.out.replace("step 2 (", "step 4 (").startswith(expected)
    assert said.out.endswith(", truncation 0.5, batch-norm statistics of 2 batches\nx.png\n")


def test_walks_say_what_is_at_their_ends(zerosum, image_run: Path, class_run: Path, drawn: list[SheetLayout]) -> None:
    said = zerosum("interpolate", image_run, "--rows", 2, "--steps", 3)
    assert (
        said.out.splitlines()[0]
        == f"walks between the latents of two samples, on a straight line (lerp): {origin(image_run)}"
    )
    words = texts(drawn[0])
    assert {"0%", "50%", "100%", "sample 0", "sample 1", "sample 2", "sample 3", "sample 0 to sample 1"} <= set(words)
    zerosum("interpolate", class_run, "--rows", 2, "--steps", 3, "--between", "classes")
    assert texts(drawn[1])[-9:] == ["0%", "50%", "100%", "sample 0", "bag", "coat", "sample 1", "coat", "dress"]
    zerosum("interpolate", class_run, "--rows", 1, "--steps", 2, "--between", "both", "--classes", "dress,bag")
    assert texts(drawn[2])[-3:] == ["dress to bag", "sample 0, dress", "sample 1, bag"]
    zerosum("interpolate", class_run, "--rows", 2, "--steps", 2)
    _, labels = library.load(class_run).generator.latents(0, 4)
    kept = [("bag", "coat", "dress")[y] for y in labels[0::2]]
    assert [word for word in texts(drawn[3]) if word in ("bag", "coat", "dress")] == kept


def test_directions_have_numbers_and_strengths(zerosum, image_run: Path, drawn: list[SheetLayout]) -> None:
    said = zerosum("directions", image_run, "--rows", 2, "--steps", 5, "--sample", 7)
    strengths = [float(x) for x in re.findall(r"strength (.*)", said.out)]
    words = texts(drawn[0])
    for number, strength in enumerate(strengths):
        assert f"{number}: strength {strength:.3g}" in words
    assert {"-3", "-1.5", "sample 7", "+1.5", "+3"} <= set(words)
    assert said.out.splitlines()[-2].startswith(
        "sample 7, moved along the directions of its latent that change it most:"
    )


def test_arithmetic_names_its_roles(zerosum, image_run: Path, drawn: list[SheetLayout]) -> None:
    said = zerosum("arithmetic", image_run, "--plus", "3,17", "--minus", "4", "--to", "8")
    words = texts(drawn[0])
    roles = ["plus", "minus", "to", "sample 3", "sample 17", "sample 4", "sample 8", "result"]
    assert {*roles, "mean of plus", "mean of minus", "mean of to"} <= set(words)
    assert words.count("with noise") == 8
    assert said.out.splitlines()[0] == f"mean of plus - mean of minus + mean of to: {origin(image_run)}"
    result = next(place for place in drawn[0].images if (place.row, place.column) == (1, 5))
    (below,) = [word for word in drawn[0].words if word.text == "result"]
    assert result.left < below.left < result.left + result.width * result.scale
    assert below.top >= result.top + result.height * result.scale


def test_neighbours_say_by_what_and_how_far(zerosum, image_run: Path, drawn: list[SheetLayout]) -> None:
    said = zerosum("neighbours", image_run, "--count", 2, "--k", 3)
    words = texts(drawn[0])
    assert {"generated", "nearest by pixels", "nearest by shipped features", "sample 0", "sample 1"} <= set(words)
    for pixels, features in re.findall(r"sample \d: pixels (.*); shipped features (.*)", said.out):
        assert {*pixels.split(), *features.split()} <= set(words)
    assert "shipped classifier of clothes" in said.out.splitlines()[0]
    assert said.out.splitlines()[-2].startswith("generated images and the training images that are nearest to them:")


@pytest.mark.usefixtures("no_download")
def test_neighbours_in_colour_need_no_download(zerosum, colour_run: Path, drawn: list[SheetLayout]) -> None:
    said = zerosum("neighbours", colour_run, "--count", 3, "--k", 2, "--out", "n.png")
    assert said.code == 0, said.err
    assert "features of random convolutions" in said.out.splitlines()[0]
    assert {"nearest by pixels", "nearest by random features"} <= set(texts(drawn[0]))
    record = json.loads((colour_run / "run.json").read_text())
    real = np.load(record["settings"]["data"].removeprefix("npz:"))["images"]
    images = {
        (place.row, place.column): image
        for place, image in zip(drawn[0].images, grid.read_images(Path("n.png")), strict=True)
    }
    fake = np.stack([images[row, 0] for row in range(3)])
    by_pixels = ((fake[:, None].astype(float) - real[None]) ** 2).mean((2, 3, 4))
    look = RandomFeatures()
    ours, theirs = (look(torch.tensor(x).permute(0, 3, 1, 2)).vectors.numpy() for x in (fake, real))
    by_features = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    for first, distances in {2: by_pixels, 5: by_features}.items():
        for row, order in enumerate(distances.argsort(1, kind="stable")[:, :2]):
            for k, index in enumerate(order):
                assert np.array_equal(images[row, first + k], real[index])


def test_what_neighbours_are_compared_by() -> None:
    assert choose_features("auto", (1, 32, 32))[0] == "shipped"
    assert choose_features("auto", (3, 32, 32))[0] == "random"
    assert choose_features("none", (3, 32, 32))[0] is None
    assert choose_features("inception", (3, 32, 32))[0] == "inception"
    for shape in ((3, 4, 4), (4, 32, 32)):
        chosen, remark = choose_features("auto", shape)
        assert chosen is None
        assert "only" in remark


@pytest.mark.parametrize("count", [1, 9])
def test_inversions_have_names_and_errors(zerosum, image_run: Path, drawn: list[SheetLayout], count: int) -> None:
    names = [f"photo{i}.png" for i in range(count)]
    for name in names:
        Image.new("L", (32, 32), 99).save(name)
    said = zerosum("invert", image_run, *names, "--steps", 1, "--starts", 1)
    errors = re.findall(r"(PSNR [\d.]+ dB)", said.out)
    assert len(errors) == count
    assert {"image", "reconstruction", *names, *errors} <= set(texts(drawn[0]))
    assert said.out.splitlines()[-2].startswith("images, and what the generator makes of the latents found for them:")


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize("kind", ["colour", "points"])
def test_truncation_needs_no_download(zerosum, colour_run: Path, runs, tmp_path: Path, kind: str) -> None:
    run = shutil.copytree(colour_run if kind == "colour" else runs.points, tmp_path / "run")
    said = zerosum("truncation", run, "--thresholds", "0.5", *([] if kind == "colour" else ["--count", 20]))
    assert said.code == 0, said.err
    rows = [json.loads(line) for line in (run / "truncation.jsonl").read_text().splitlines()]
    assert [row["threshold"] for row in rows] == [0.5, None]
    expected = {"colour": "pr, fd_random with random features", "points": "modes"}[kind]
    assert said.out.splitlines()[0] == f"measured by {expected}"
    names = {"colour": "precision_random | recall_random | fd_random", "points": "modes | high_quality | mode_kl"}[kind]
    assert f"| threshold | {names} |" in said.out
    samples = 45 if kind == "colour" else 20  # half of the training images
    assert f"step 2, {samples} samples per point, seed 1\n{run / 'truncation.png'}\n" in said.out
    assert {row["scores"][name]["protocol"]["samples"] for row in rows for name in row["scores"]} == {samples}


def test_axes_of_the_truncation_curve_say_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    from zerosum.metrics.score import Score
    from zerosum.runs.truncation import TruncationPoint, draw, shown_names

    points = [
        TruncationPoint(
            threshold,
            {
                "precision_random": Score("precision_random", 0.5, {}, {}),
                "recall_random": Score("recall_random", 0.25, {}, {}),
                "fd_random": Score("fd_random", 3.0, {}, {"floor": 1.0}),
                "fd_random_floor": Score("fd_random_floor", 1.0, {"sample_kind": "real"}, {}),
            },
        )
        for threshold in (0.5, None)
    ]
    assert shown_names(points) == ["precision_random", "recall_random", "fd_random"]
    kept: list[Figure] = []
    original = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (kept.append(self), original(self, *a, **k))[1])
    draw(points, tmp_path / "t.png", "gan on x, step 1")
    axes = [panel for panel in kept[0].axes if panel.axison]
    assert [panel.get_title() for panel in axes] == ["the trade-off, at each threshold", *shown_names(points)]
    assert axes[0].get_xlabel() == "variety: recall_random"
    assert axes[3].get_ylabel() == "fd_random (lower is better)"
    assert [label.get_text() for label in axes[3].get_xticklabels()] == ["0.5", "none"]
    assert kept[0].get_suptitle() == "gan on x, step 1"


@pytest.mark.parametrize(
    ("words", "title"),
    [
        (["interpolate", "--rows", 3], "walks between the latents of two samples, on a straight line (lerp)"),
        (["interpolate", "--kind", "slerp"], "walks between the latents of two samples, on a sphere (slerp)"),
        (["directions", "--rows", 2], "sample 0, moved along the directions of its latent that change it most"),
        (["arithmetic", "--plus", 1, "--minus", 2, "--to", 3], "mean of plus - mean of minus + mean of to"),
        (["sample", "--count", 9], "9 samples"),
    ],
)
def test_pictures_of_points_say_what_they_show(zerosum, point_run: Path, words: list[Any], title: str) -> None:
    verb, *options = words
    said = zerosum(verb, point_run, *options, "--out", "p.png")
    told = Image.open("p.png").info["Title"]
    assert told.startswith(f"{title}. {origin(point_run, step=2)}")
    assert said.out.splitlines()[-2].startswith(title)
    assert said.out.splitlines()[-1] == "p.png"
