from pathlib import Path

import numpy as np
import pytest
import torch
from sheets import cells, grey, pixels

import zerosum as library
from zerosum.cli.common import SamplingOptions, _class_number
from zerosum.folder import RunFolder
from zerosum.runs.pictures import to_pixels


def test_by_default_it_is_the_run_s_last_picture(zerosum, image_run: Path) -> None:
    said = zerosum("sample", image_run)
    path = image_run / "samples-seed0.png"
    assert (said.code, said.out.splitlines()[-1]) == (0, str(path))
    assert np.array_equal(cells(path, 8, 8), cells(image_run / "samples" / "step-000000004.png", 8, 8))


def test_arrays_hold_the_samples(zerosum, image_run: Path) -> None:
    said = zerosum("sample", image_run, "--count", 9, "--seed", 5, "--out", "new/x.npz")
    assert (said.code, said.out) == (0, "new/x.npz\n")
    found = np.load("new/x.npz")["images"]
    expected = to_pixels(library.load(image_run).generator.with_seed(5)(0, 9))
    assert (found.dtype, found.shape) == (np.uint8, (9, 32, 32, 1))
    assert np.array_equal(found, expected)
    zerosum("sample", image_run, "--count", 300, "--seed", 5, "--out", "y.npz")
    assert np.array_equal(np.load("y.npz")["images"][:9], expected)  # whatever was asked for besides
    assert zerosum("data", "npz:y.npz").code == 0  # samples are data


def test_folders_hold_one_file_each(zerosum, image_run: Path) -> None:
    assert zerosum("sample", image_run, "--count", 3, "--out", "folder").code == 0
    files = sorted(Path("folder").iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png", "00002.png"]
    expected = to_pixels(library.load(image_run).generator(0, 3))[..., 0]
    assert all(np.array_equal(pixels(file), one) for file, one in zip(files, expected, strict=True))
    again = zerosum("sample", image_run, "--out", "folder")
    assert again.code == 2
    assert "already exists" in again.err


def test_points_are_drawn_or_kept_as_numbers(zerosum, point_run: Path) -> None:
    assert zerosum("sample", point_run).out.splitlines()[-1] == str(point_run / "samples-seed0.png")
    colours = pixels(point_run / "samples-seed0.png")[..., :3].reshape(-1, 3)
    assert ((colours[:, 0] > 180) & (colours[:, 2] < 80)).any()  # generated points are orange
    assert zerosum("sample", point_run, "--count", 70, "--out", "p.npz").code == 0
    found = np.load("p.npz")["points"]
    assert np.array_equal(found, library.load(point_run).generator(0, 70).numpy())
    assert (found.dtype, found.shape) == (np.float32, (70, 2))
    refused = zerosum("sample", point_run, "--out", "folder/")
    assert refused.code == 2
    assert "points are not images" in refused.err


def test_the_best_checkpoint_is_another(zerosum, image_run: Path) -> None:
    folder = RunFolder(image_run)
    folder.mark_best(folder.checkpoint_for(2), "fd_fashion", 0.0)
    zerosum("sample", image_run)
    assert zerosum("sample", image_run, "--best").out.splitlines()[-1] == str(image_run / "samples-best-seed0.png")
    best = cells(image_run / "samples-best-seed0.png", 8, 8)
    assert np.array_equal(best, cells(image_run / "samples" / "step-000000002.png", 8, 8))
    assert not np.array_equal(best, cells(image_run / "samples-seed0.png", 8, 8))


def test_seeds_differ(zerosum, image_run: Path) -> None:
    for seed in (1, 2):
        assert zerosum("sample", image_run, "--seed", seed).code == 0
    assert not np.array_equal(*(pixels(image_run / f"samples-seed{seed}.png") for seed in (1, 2)))


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--count", 0], "--count must be at least 1, got 0"),
        (["--out", "x.jpg"], "must be FILE.png, FILE.npz, or a folder"),
        (["--count", 100_000], "too many images of 32 x 32 for one picture"),
        (["--device", "tpu9"], "not a device"),
        (["--out", "file/x.png"], "cannot be written"),
        (["--out", "file/x.npz"], "cannot be written"),
        (["--out", "file/folder/"], "cannot be written"),
        (["--truncation", 0], "--truncation must be above 0, got 0"),
        (["--truncation", "nan"], "--truncation must be above 0, got nan"),
        (["--standing", -1], "--standing must be at least 0, got -1"),
        (["--classes", 3], "(dcgan) does not take a class; those of cgan"),
    ],
)
def test_what_cannot_be_done_is_explained(zerosum, image_run: Path, words: list[object], part: str) -> None:
    Path("file").touch()
    said = zerosum("sample", image_run, *words)
    assert said.code == 2
    assert part in said.err


def test_there_is_no_best_without_scores(zerosum, runs) -> None:
    for verb in ("sample", "interpolate"):
        said = zerosum(verb, runs.unscored, "--best")
        assert said.code == 2
        assert "no checkpoint" in said.err
        assert "leave out --best" in said.err


def test_a_run_without_a_checkpoint_is_explained(zerosum, image_run: Path) -> None:
    for path in (image_run / "state").glob("step-*"):
        path.rename(path.with_name(f"gone-{path.name}"))
    said = zerosum("sample", image_run)
    assert said.code == 1
    assert "has no checkpoint yet" in said.err


def test_nothing_half_written_is_left(zerosum, image_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zerosum.runs.pictures.sheet", full)
    said = zerosum("sample", image_run, "--out", "x.png")
    assert said.code == 1
    assert "No space left" in said.err
    assert list(Path().iterdir()) == []


def test_each_class_is_a_column(zerosum, class_run: Path) -> None:
    said = zerosum("sample", class_run, "--count", 15, "--classes", "bag,coat,2", "--seed", 5)
    path = class_run / "samples-class-bag-coat-2-seed5.png"
    assert (said.code, said.out.splitlines()[-1]) == (0, str(path))
    sampler = library.load(class_run).generator.with_seed(5)
    expected = grey(sampler.generate(sampler.latents(0, 15)[0], torch.tensor([0, 1, 2] * 5)))
    shown = cells(path, 5, 3).reshape(15, 32, 32)
    assert np.array_equal(shown, expected)
    assert np.abs(shown[0::3].mean(0) - shown[1::3].mean(0)).max() > 20  # classes differ


def test_arrays_hold_the_classes_too(zerosum, class_run: Path) -> None:
    assert zerosum("sample", class_run, "--count", 5, "--classes", "Dress, bag", "--out", "x.npz").code == 0
    assert np.load("x.npz")["labels"].tolist() == [2, 0, 2, 0, 2]
    assert zerosum("sample", class_run, "--count", 70, "--out", "y.npz").code == 0
    assert np.array_equal(np.load("y.npz")["labels"], library.load(class_run).generator.latents(0, 70)[1].numpy())
    assert zerosum("data", "npz:y.npz").code == 0


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("3", "no class '3'. Classes: 0 bag, 1 coat, 2 dress"),
        ("-1", "no class '-1'"),
        ("caot", "no class 'caot'. Did you mean 'coat'?"),
        ("", "no class ''"),
    ],
)
def test_classes_that_are_not_there_are_refused(zerosum, class_run: Path, word: str, part: str) -> None:
    said = zerosum("sample", class_run, f"--classes=bag,{word}")
    assert said.code == 2
    assert part in said.err


def test_a_name_goes_before_a_number() -> None:
    names = ("1", "0", "Seven", "seven")
    assert [_class_number("--classes", word, names) for word in ("1", "0", "2", "Seven", "seven")] == [0, 1, 2, 2, 3]
    assert _class_number("--classes", "COAT", ("Bag", "Coat")) == 1


def test_names_of_files_say_what_is_in_them() -> None:
    assert SamplingOptions("run").marks == ()
    some = SamplingOptions("run", classes="T-shirt/top, 1", truncation=0.5)
    assert some.marks == ("class-T-shirt_top-1", "truncation0.5")
    many = SamplingOptions("run", classes=",".join(map(str, range(1000))), standing=0)
    assert many.marks == ("class-0-1-2-3-4-5-994-more", "standing0")


def test_truncated_samples_have_statistics_of_their_own(zerosum, image_run: Path) -> None:
    for name, words in {"cut": [], "three": ["--standing", 3], "kept": ["--standing", 0]}.items():
        said = zerosum("sample", image_run, "--count", 6, "--truncation", 0.25, *words, "--out", f"{name}.npz")
        assert said.code == 0
    cut = library.load(image_run).generator.truncated(0.25)
    assert cut.latents(0, 6)[0].abs().max() <= 0.25
    for name, sampler in {"cut": cut.standing(16), "three": cut.standing(3), "kept": cut}.items():
        assert np.array_equal(np.load(f"{name}.npz")["images"], to_pixels(sampler(0, 6)))
    assert not np.array_equal(np.load("cut.npz")["images"], np.load("kept.npz")["images"])
    said = zerosum("sample", image_run, "--truncation", 0.25, "--standing", 2)
    assert said.out.splitlines()[-1] == str(image_run / "samples-truncation0.25-standing2-seed0.png")


def test_without_batch_normalisation_there_are_no_statistics_to_take(zerosum, point_run: Path) -> None:
    assert zerosum("sample", point_run, "--count", 9, "--truncation", 0.5, "--out", "p.npz").code == 0
    assert np.array_equal(np.load("p.npz")["points"], library.load(point_run).generator.truncated(0.5)(0, 9).numpy())
    said = zerosum("sample", point_run, "--standing", 2)
    assert said.code == 2
    assert "--standing 2: this generator has no batch normalisation" in said.err


def test_a_truncation_that_latents_never_reach_is_explained(zerosum, image_run: Path, monkeypatch) -> None:
    monkeypatch.setattr("zerosum.latent.truncation.ROUNDS", 3)
    said = zerosum("sample", image_run, "--truncation", 0.01, "--standing", 0)
    assert said.code == 2
    assert "truncation=0.01: after 3 draws" in said.err
