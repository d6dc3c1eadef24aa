"""Arithmetic, directions, neighbours and inversion: what the sheets show against numpy and what the library makes."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sheets import cells, close, grey

import zerosum as library
from zerosum.cli.invert import load_images
from zerosum.folder import RunFolder
from zerosum.metrics.features.shipped import Shipped

GAP = np.full((32, 32), 255)


def test_arithmetic_shows_sources_means_and_the_result(zerosum, image_run: Path) -> None:
    chosen = {"plus": [3, 17, 70], "minus": [4, 5], "to": [8]}
    words = [word for name, which in chosen.items() for word in (f"--{name}", ",".join(map(str, which)))]
    said = zerosum("arithmetic", image_run, *words, "--noise", 0, "--seed", 2)
    path = image_run / "arithmetic-seed2.png"
    assert (said.code, said.out.splitlines()[-1]) == (0, str(path))
    sheet, sampler = cells(path, 4, 7), library.load(image_run).generator.with_seed(2)
    (z,) = sampler.latents(0, 100)
    for column, which in enumerate(chosen.values()):
        assert close(sheet[: len(which), column], grey(sampler(0, 100)[which]))
        assert (sheet[len(which) : 3, column] == GAP).all()
        assert close(sheet[3, column], grey(sampler.generate(z[which].mean(0)[None]))[0])
    assert (sheet[:, 3] == GAP).all()
    code = z[[3, 17, 70]].sum(0) / 3 - (z[4] + z[5]) / 2 + z[8]
    made = grey(sampler.generate(code[None]))[0]
    assert (sheet[0, 4:] == GAP).all()
    assert all(close(cell, made) for cell in sheet[1:, 4:].reshape(9, 32, 32))


def test_noise_surrounds_the_result(zerosum, image_run: Path) -> None:
    words = ["arithmetic", image_run, "--plus", 0, "--minus", 0, "--to", "1"]
    for name in ("a", "b"):
        assert zerosum(*words, "--out", f"{name}.png", "--noise", 0.5).code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    block = cells(Path("a.png"), 3, 7)[:, 4:].reshape(9, 32, 32)
    assert close(block[4], grey(library.load(image_run).generator(1, 1))[0])
    assert len({cell.tobytes() for cell in block}) == 9


def test_a_result_has_the_class_of_what_is_added_to(zerosum, class_run: Path) -> None:
    words = ["--classes", "bag,coat,dress", "--plus", 0, "--minus", 1, "--to", "1,4", "--noise", 0]
    assert zerosum("arithmetic", class_run, *words, "--out", "x.png").code == 0
    sheet, sampler = cells(Path("x.png"), 3, 7), library.load(class_run).generator
    z, _ = sampler.latents(0, 5)
    coat = torch.tensor([1])
    assert close(sheet[2, 5], grey(sampler.generate((z[0] - z[1] + (z[1] + z[4]) / 2)[None], coat))[0])
    assert close(sheet[2, 0], grey(sampler.generate(z[:1], torch.tensor([0])))[0])
    assert zerosum("arithmetic", class_run, *words[:-3], "0,1", "--noise", 0, "--out", "y.png").code == 0
    mixed = torch.tensor([[0.5, 0.5, 0.0]])
    assert close(cells(Path("y.png"), 3, 7)[1, 5], grey(sampler.generate(((3 * z[0] - z[1]) / 2)[None], mixed))[0])


def test_points_can_be_added(zerosum, point_run: Path) -> None:
    said = zerosum("arithmetic", point_run, "--plus", "1,2", "--minus", "3", "--to", "4,5")
    assert said.out.splitlines()[-1] == str(point_run / "arithmetic-seed0.png")
    with Image.open(point_run / "arithmetic-seed0.png") as image:
        assert image.size == (720, 720)


def eigenvectors(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(weight.astype(np.float64).T @ weight.astype(np.float64))
    rows = vectors.T[::-1]
    return rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(1)])[:, None], values[::-1]


def test_rows_go_along_the_strongest_directions(zerosum, image_run: Path) -> None:
    said = zerosum("directions", image_run, "--rows", 3, "--steps", 5, "--sample", 7)
    path = image_run / "directions-sample7-seed0.png"
    *lines, _, last = said.out.splitlines()
    assert (said.code, last) == (0, str(path))
    sampler = library.load(image_run).generator
    vectors, values = eigenvectors(sampler.network.first.weight.numpy())
    assert lines == [f"direction {i}: strength {values[i]:.4g}" for i in range(3)]
    z, sheet = sampler.latents(7, 1)[0], cells(path, 3, 5)
    for column, t in enumerate((-3, -1.5, 0, 1.5, 3)):
        moved = z + t * torch.tensor(vectors[:3].copy()).float()
        assert close(sheet[:, column], grey(sampler.generate(moved)))


def test_directions_keep_the_class(zerosum, class_run: Path) -> None:
    words = ["--rows", 20, "--steps", 3, "--reach", 0.5, "--classes", "coat"]
    said = zerosum("directions", class_run, *words, "--out", "d.png")
    assert said.out.count("strength") == 8  # of eight components
    sampler = library.load(class_run).generator
    vectors, _ = eigenvectors(sampler.network.net.first.weight.numpy()[:, :8])
    moved = sampler.latents(0, 1)[0] + 0.5 * torch.tensor(vectors.copy()).float()
    expected = grey(sampler.generate(moved, torch.ones(8, dtype=torch.int64)))
    assert close(cells(Path("d.png"), 8, 3)[:, 2], expected)


def test_directions_of_points_are_lines(zerosum, point_run: Path) -> None:
    assert zerosum("directions", point_run, "--rows", 2, "--out", "d.png").code == 0
    with Image.open("d.png") as image:
        assert image.size == (720, 720)


def test_a_generator_without_directions_is_explained(zerosum, image_run: Path, monkeypatch) -> None:
    monkeypatch.setattr("zerosum.latent.directions._flat", lambda module: False)
    said = zerosum("directions", image_run)
    assert said.code == 2
    assert "no linear layer of Generator takes its latents" in said.err


def test_neighbours_are_those_that_numpy_finds(zerosum, image_run: Path, monkeypatch) -> None:
    monkeypatch.setattr("zerosum.cli.neighbours.PIECE_BYTES", 4 * 32 * 32 * 33)  # 80 images in three pieces
    said = zerosum("neighbours", image_run, "--count", 4, "--k", 3, "--seed", 1)
    path = image_run / "neighbours-seed1.png"
    _, *lines, _, last = said.out.splitlines()
    assert (said.code, last) == (0, str(path))
    real = training(image_run)
    fake = grey(library.load(image_run).generator.with_seed(1)(0, 4))
    squared = ((fake[:, None] - real[None]) ** 2).mean((2, 3))
    nearest = np.argsort(squared, 1, kind="stable")[:, :3]
    sheet = cells(path, 4, 9)
    assert np.array_equal(sheet[:, 0], fake)
    assert (sheet[:, [1, 5]] == GAP).all()
    assert np.array_equal(sheet[:, 2:5], real[nearest])
    vectors = features(fake), features(real)
    apart = np.linalg.norm(vectors[0][:, None] - vectors[1][None], axis=2)
    assert np.array_equal(sheet[:, 6:], real[np.argsort(apart, 1, kind="stable")[:, :3]])
    for i, line in enumerate(lines):
        printed = re.fullmatch(rf"sample {i}: pixels (.*); shipped features (.*)", line)
        assert printed
        assert [float(x) for x in printed[1].split()] == pytest.approx(np.sqrt(np.sort(squared[i])[:3]), rel=0.01)
        assert [float(x) for x in printed[2].split()] == pytest.approx(np.sort(apart[i])[:3], rel=0.01)


def training(run: Path) -> np.ndarray:
    """The images that a run was trained on, (N, 32, 32)."""
    source = RunFolder(run).record()["settings"]["data"]
    return np.load(source.removeprefix("npz:"))["images"][..., 0].astype(int)


def features(images: np.ndarray) -> np.ndarray:
    return Shipped()(torch.tensor(images, dtype=torch.uint8)[:, None]).vectors.numpy()


def test_a_copy_is_its_own_neighbour(zerosum, class_run: Path, monkeypatch) -> None:
    real = torch.tensor(training(class_run)[5:7])[:, None] / 127.5 - 1
    monkeypatch.setattr("zerosum.runs.sampler.Sampler.__call__", lambda self, start, n: real[start : start + n])
    said = zerosum("neighbours", class_run, "--count", 2, "--k", 1, "--features", "none", "--out", "n.png")
    assert said.out.splitlines()[1:3] == ["sample 0: pixels 0.00", "sample 1: pixels 0.00"]
    sheet = cells(Path("n.png"), 2, 3)
    assert np.array_equal(sheet[:, 0], sheet[:, 2])


def test_real_images_are_loaded_as_those_of_the_data(zerosum, image_run: Path) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8))
    photo.save("photo.png")
    said = zerosum("invert", image_run, "photo.png", "--steps", 2)
    path = image_run / "inversion-seed0.png"
    assert said.code == 0
    assert said.out.splitlines()[-1] == str(path)
    expected = photo.convert("L").crop((12, 0, 52, 40)).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(cells(path, 2, 1)[0, 0], np.asarray(expected))


def test_colours_stay_where_the_data_have_them(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "colours.png")
    data = SimpleNamespace(is_points=False, shape=(3, 16, 16))
    real = load_images(SimpleNamespace(setup=SimpleNamespace(data=data)), (str(tmp_path / "colours.png"),) * 2)
    np.testing.assert_allclose(real[1].permute(1, 2, 0).numpy(), colours / 127.5 - 1, atol=1e-6)


def test_samples_are_found_again(zerosum, image_run: Path) -> None:
    assert zerosum("sample", image_run, "--count", 2, "--seed", 9, "--out", "s/").code == 0
    words = ["--steps", 150, "--latents", "z.npz", "--out", "i.png"]
    said = zerosum("invert", image_run, "s/00000.png", "s/00001.png", *words)
    found, sampler = np.load("z.npz"), library.load(image_run).generator
    assert found["z"].shape == (2, 8)
    assert np.abs(found["z"]).max() <= 1  # uniform latents stay where they are drawn
    assert found["files"].tolist() == ["s/00000.png", "s/00001.png"]
    real, made = grey(sampler.with_seed(9)(0, 2)), sampler.generate(torch.tensor(found["z"]))
    quality = 10 * np.log10(4 / ((made[:, 0].numpy() - (real / 127.5 - 1)) ** 2).mean((1, 2)))
    np.testing.assert_allclose(found["psnr"], quality, rtol=1e-4)
    starts = sampler(0, 8)[:, 0].numpy()[None] - (real / 127.5 - 1)[:, None]
    assert (quality > 3 + 10 * np.log10(4 / (starts**2).mean((2, 3))).max(1)).all()  # half of the error at least
    assert said.out.splitlines()[:2] == [f"s/0000{i}.png: PSNR {quality[i]:.2f} dB" for i in range(2)]
    sheet = cells(Path("i.png"), 2, 2)
    assert np.array_equal(sheet[0], real)
    assert close(sheet[1], grey(made))


def test_inversion_is_the_same_every_time_and_depends_on_the_seed(zerosum, image_run: Path) -> None:
    assert zerosum("sample", image_run, "--count", 1, "--out", "s/").code == 0
    for name, seed in {"a": 3, "b": 3, "c": 4}.items():
        words = ["--steps", 5, "--starts", 2, "--seed", seed, "--latents", f"{name}.npz", "--out", f"{name}.png"]
        assert zerosum("invert", image_run, "s/00000.png", *words).code == 0
    a, b, c = (np.load(f"{name}.npz")["z"] for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_all_classes_are_tried_or_those_that_are_named(zerosum, class_run: Path) -> None:
    sampler = library.load(class_run).generator
    for y, name in enumerate(("bag", "coat", "dress")):
        image = grey(sampler.generate(sampler.latents(y, 1)[0], torch.tensor([y])))[0]
        Image.fromarray(image.astype(np.uint8)).save(f"{name}.png")
    # Classes are tried in turn, so the very latent and class are among the starts: what is left is rounding to 8 bits.
    words = ["--steps", 1, "--lr", 1e-9, "--starts", 1, "--latents", "z.npz", "--out", "i.png"]
    said = zerosum("invert", class_run, "dress.png", "coat.png", *words)
    found = np.load("z.npz")
    assert re.search(r"dress.png: PSNR \d+\.\d\d dB, class dress\ncoat.png: PSNR .* class coat\n", said.out)
    assert found["labels"].tolist() == [2, 1]
    assert found["psnr"].min() > 50
    np.testing.assert_allclose(found["z"], sampler.latents(0, 3)[0].numpy()[[2, 1]], atol=1e-6)
    words[words.index("--starts") + 1] = 3
    for asked, quality in {"coat": True, "bag": False}.items():
        said = zerosum("invert", class_run, "coat.png", *words, "--class", asked)
        assert f"class {asked}\n" in said.out
        assert bool(np.load("z.npz")["psnr"][0] > 50) == quality


def test_features_can_be_matched_too(zerosum, image_run: Path) -> None:
    Image.fromarray(training(image_run)[3].astype(np.uint8)).save("real.png")
    for name, weight in {"pixels": 0, "both": 10}.items():
        words = ["--steps", 60, "--feature-weight", weight, "--latents", f"{name}.npz", "--out", f"{name}.png"]
        assert zerosum("invert", image_run, "real.png", *words).code == 0
    real = features(training(image_run)[3][None])
    found = {name: torch.tensor(np.load(f"{name}.npz")["z"]) for name in ("pixels", "both")}
    made = {name: grey(library.load(image_run).generator.generate(z)) for name, z in found.items()}
    away = {name: np.linalg.norm(features(images) - real) for name, images in made.items()}
    assert away["both"] < 0.9 * away["pixels"]
    assert np.load("both.npz")["psnr"][0] <= np.load("pixels.npz")["psnr"][0]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["arithmetic", "--plus", "a", "--minus", "1", "--to", "2"], "--plus 'a': must be numbers of samples"),
        (["arithmetic", "--plus", "1", "--minus", "1,", "--to", "2"], "--minus '1,': must be numbers"),
        (["arithmetic", "--plus", "1", "--minus", "1", "--to", "2", "--noise", "-1"], "--noise must be 0 or more"),
        (["arithmetic", "--plus", "1", "--minus", "1", "--to", "2", "--out", "x.gif"], "call it x.png"),
        (["directions", "--sample", "-1"], "--sample must be at least 0"),
        (["directions", "--rows", "0"], "--rows must be at least 1"),
        (["directions", "--steps", "1"], "--steps must be at least 2"),
        (["directions", "--reach", "0"], "--reach must be above 0"),
        (["neighbours", "--count", "0"], "--count must be at least 1"),
        (["neighbours", "--k", "0"], "--k must be at least 1"),
        (["neighbours", "--k", "81"], "--k 81: there are only 80 training images"),
        (["neighbours", "--features", "shiped"], "Did you mean 'shipped'?"),
        (["invert"], "no image to invert"),
        (["invert", "none.png"], "none.png: cannot be read (No such file"),
        (["invert", "text.png"], "text.png: is not an image; PNG, JPEG"),
        (["invert", "text.png", "--steps", "0"], "--steps must be at least 1"),
        (["invert", "text.png", "--starts", "0"], "--starts must be at least 1"),
        (["invert", "text.png", "--lr", "0"], "--lr must be above 0"),
        (["invert", "text.png", "--feature-weight", "-1"], "--feature-weight must be 0 or more"),
        (["invert", "text.png", "--latents", "z.npy"], "written to FILE.npz"),
        (["invert", "grey.png", "--class", "bag"], "--class bag: the generator of"),
    ],
)
def test_what_cannot_be_done_is_explained(zerosum, image_run: Path, words: list[str], part: str) -> None:
    Path("text.png").write_text("no image")
    Image.new("L", (8, 8)).save("grey.png")
    said = zerosum(words[0], image_run, *words[1:])
    assert said.code == 2
    assert part in said.err, said.err


@pytest.mark.parametrize(
    ("words", "part"), [(["neighbours"], "none can be copied"), (["invert", "grey.png"], "makes no images to match")]
)
def test_points_have_neither_copies_nor_inversions(zerosum, point_run: Path, words: list[str], part: str) -> None:
    Image.new("L", (8, 8)).save("grey.png")
    said = zerosum(words[0], point_run, *words[1:])
    assert said.code == 2
    assert part in said.err


def test_completions_cannot_be_inverted(zerosum, runs, tmp_path: Path) -> None:
    run = tmp_path / "completion"
    settings = {"data": f"npz:{runs.pixels}", "out": str(run), "precision": "float32", "sample_every": 10}
    library.train("inpaint-gan", **settings, latent=4, width=2, lr=0.1, batch_size=4, steps=3)
    Image.new("L", (32, 32)).save("grey.png")
    said = zerosum("invert", run, "grey.png")
    assert said.code == 2
    assert "the generator takes images besides its latents" in said.err
    assert zerosum("arithmetic", run, "--plus", "0", "--minus", "1", "--to", "2,3", "--noise", "0").code == 0
    sampler = library.load(run).generator
    z, y = sampler.latents(0, 4)
    made = sampler.generate((z[0] - z[1] + (z[2] + z[3]) / 2)[None], y[2:3])  # the first of them is completed
    assert close(cells(run / "arithmetic-seed0.png", 3, 7)[1, 5], grey(made)[0])


def test_help_does_not_wait_for_torch() -> None:
    program = """
import sys
from zerosum.cli.main import run
for verb in ("arithmetic", "directions", "neighbours", "invert", "interpolate", "sample"):
    run([verb, "--help"])
    assert "torch" not in sys.modules, verb
run(["arithmetic", "nonsense", "--plus", "x", "--minus", "1", "--to", "1"])
run(["invert", "nonsense", "x.png"])
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
