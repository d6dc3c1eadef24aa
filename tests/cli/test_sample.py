from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerosum as library
from zerosum.runs.folder import RunFolder
from zerosum.runs.pictures import to_pixels


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_by_default_it_is_the_run_s_last_picture(zerosum, image_run: Path) -> None:
    said = zerosum("sample", image_run)
    path = image_run / "samples-seed0.png"
    assert (said.code, said.out) == (0, f"{path}\n")
    assert np.array_equal(pixels(path), pixels(image_run / "samples" / "step-000000004.png"))


def test_arrays_hold_the_samples(zerosum, image_run: Path) -> None:
    said = zerosum("sample", image_run, "--count", 9, "--seed", 5, "--out", "new/x.npz")
    assert (said.code, said.out) == (0, "new/x.npz\n")
    found = np.load("new/x.npz")["images"]
    expected = to_pixels(library.load(image_run).with_seed(5)(0, 9))
    assert (found.dtype, found.shape) == (np.uint8, (9, 32, 32, 1))
    assert np.array_equal(found, expected)
    zerosum("sample", image_run, "--count", 300, "--seed", 5, "--out", "y.npz")
    assert np.array_equal(np.load("y.npz")["images"][:9], expected)  # whatever was asked for besides
    assert zerosum("data", "npz:y.npz").code == 0  # samples are data


def test_folders_hold_one_file_each(zerosum, image_run: Path) -> None:
    assert zerosum("sample", image_run, "--count", 3, "--out", "folder").code == 0
    files = sorted(Path("folder").iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png", "00002.png"]
    expected = to_pixels(library.load(image_run)(0, 3))[..., 0]
    assert all(np.array_equal(pixels(file), one) for file, one in zip(files, expected, strict=True))
    again = zerosum("sample", image_run, "--out", "folder")
    assert again.code == 1
    assert "exists already" in again.err


def test_points_are_drawn_or_kept_as_numbers(zerosum, point_run: Path) -> None:
    assert zerosum("sample", point_run).out == f"{point_run / 'samples-seed0.png'}\n"
    colours = pixels(point_run / "samples-seed0.png")[..., :3].reshape(-1, 3)
    assert ((colours[:, 0] > 180) & (colours[:, 2] < 80)).any()  # generated points are orange
    assert zerosum("sample", point_run, "--count", 70, "--out", "p.npz").code == 0
    found = np.load("p.npz")["points"]
    assert np.array_equal(found, library.load(point_run)(0, 70).numpy())
    assert (found.dtype, found.shape) == (np.float32, (70, 2))
    refused = zerosum("sample", point_run, "--out", "folder/")
    assert refused.code == 1
    assert "points are no images" in refused.err


def test_the_best_checkpoint_is_another(zerosum, image_run: Path) -> None:
    folder = RunFolder(image_run)
    folder.mark_best(folder.checkpoint_for(2), "fd_fashion", 0.0)
    zerosum("sample", image_run)
    assert zerosum("sample", image_run, "--best").out == f"{image_run / 'samples-best-seed0.png'}\n"
    best = pixels(image_run / "samples-best-seed0.png")
    assert np.array_equal(best, pixels(image_run / "samples" / "step-000000002.png"))
    assert not np.array_equal(best, pixels(image_run / "samples-seed0.png"))


def test_seeds_differ(zerosum, image_run: Path) -> None:
    for seed in (1, 2):
        assert zerosum("sample", image_run, "--seed", seed).code == 0
    assert not np.array_equal(*(pixels(image_run / f"samples-seed{seed}.png") for seed in (1, 2)))


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--count", 0], "--count must be at least 1, got 0"),
        (["--out", "x.jpg"], "write FILE.png, FILE.npz, or a folder"),
        (["--count", 100_000], "too many images of 32 x 32 for one picture"),
        (["--device", "tpu9"], "not a device"),
        (["--out", "file/x.png"], "cannot be written"),
        (["--out", "file/x.npz"], "cannot be written"),
        (["--out", "file/folder/"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_explained(zerosum, image_run: Path, words: list[object], part: str) -> None:
    Path("file").touch()
    said = zerosum("sample", image_run, *words)
    assert said.code == 1
    assert part in said.err


def test_there_is_no_best_without_scores(zerosum, runs) -> None:
    for verb in ("sample", "interpolate"):
        said = zerosum(verb, runs.unscored, "--best")
        assert said.code == 1
        assert "no checkpoint" in said.err
        assert "leave out --best" in said.err


def test_a_run_without_a_checkpoint_is_explained(zerosum, image_run: Path) -> None:
    for path in (image_run / "state").glob("step-*"):
        path.rename(path.with_name(f"gone-{path.name}"))
    said = zerosum("sample", image_run)
    assert said.code == 1
    assert "has no checkpoint yet" in said.err


def test_nothing_half_written_is_left(zerosum, image_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zerosum.runs.pictures.sheet", full)
    said = zerosum("sample", image_run, "--out", "x.png")
    assert said.code == 1
    assert "No space left" in said.err
    assert list(Path().iterdir()) == []
