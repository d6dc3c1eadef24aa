"""Bare paths wherever a source is expected."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zerosum.data import DataError, Images, load, resolve
from zerosum.data.sources import has_splits


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: ``pets`` with six images, ``pets.zip`` of them, ``pets.npz`` of two others."""
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    with zipfile.ZipFile("pets.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
    np.savez("pets.npz", images=np.arange(2 * 16, dtype=np.uint8).reshape(2, 4, 4))
    return folder.parent


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("pets", "folder:pets"),
        ("pets/", "folder:pets"),
        ("./pets", "folder:pets"),
        ("./pets//cat/", "folder:pets/cat"),
        ("~/pets", "folder:~/pets"),
        ("pets.zip", "zip:pets.zip"),
        ("pets.npz", "npz:pets.npz"),
        ("~/pets.npz", "npz:~/pets.npz"),
        (Path("pets"), "folder:pets"),
        (Path("pets.zip"), "zip:pets.zip"),
        ("folder:pets", "folder:pets"),
        ("folder:pets/", "folder:pets/"),
        ("ring", "ring"),
    ],
)
def test_a_bare_path_is_a_source(here: Path, written: str | Path, source: str) -> None:
    assert resolve(written) == (source, ())
    data = load(written)
    assert (data.name, data.notes) == (source, load(source).notes)
    assert data.fingerprint == load(source).fingerprint


def test_absolute_paths_and_sizes(here: Path) -> None:
    data = load(here / "pets", size=8)
    assert isinstance(data, Images)
    assert (data.name, data.shape, data.classes) == (f"folder:{here}/pets", (3, 8, 8), ("cat", "dog"))
    assert load(here / "pets.zip", size=8).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    "name", ["a:b", "my photos", "zip", "photos.d", "été", "npz#1", "C:\\photos", "-x", "~not a user"]
)
def test_folders_with_odd_names(here: Path, name: str) -> None:
    (here / "pets").rename(here / name)
    data = load(name, size=8)
    assert (data.name, data.count) == (f"folder:{name}", 6)
    assert load(data.name, size=8).fingerprint == data.fingerprint


def test_suffixes_in_capitals(here: Path) -> None:
    (here / "pets.npz").rename(here / "PETS.NPZ")
    assert load("PETS.NPZ").name == "npz:PETS.NPZ"


def test_a_source_s_name_is_that_source_and_the_folder_is_noted(here: Path) -> None:
    (here / "pets").rename(here / "ring")
    data = load("ring")
    assert data.is_points
    assert data.notes == ("the source ring was taken, not the folder of that name, which is folder:ring",)
    for written in ("ring/", "./ring", "folder:ring", Path("ring"), here / "ring"):
        found = load(written)
        assert isinstance(found, Images)
        assert not any("taken" in note for note in found.notes)
    assert load(Path("grid")).name == "grid"  # there is no such path


def test_a_source_with_a_path_comes_before_a_path_with_a_colon(here: Path) -> None:
    (here / "folder:pets").mkdir()
    assert load("folder:pets", size=8).count == 6


def test_a_folder_called_like_a_source_and_its_argument(here: Path) -> None:
    (here / "pets").rename(here / "ring:8")
    assert load("ring:8", size=8).name == "folder:ring:8"


def test_which_paths_have_a_test_split(here: Path) -> None:
    assert not has_splits("pets")
    assert not has_splits("pets.npz")
    with pytest.raises(DataError, match="folder:pets has no test split"):
        load("pets", split="test")


def test_a_saved_data_set_of_hugging_face(here: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pictures = [Image.fromarray(np.full((8, 8, 3), 30 * i, np.uint8)) for i in range(4)]
    table = datasets.Dataset.from_dict({"image": pictures}).cast_column("image", datasets.Image())
    table.save_to_disk(str(here / "saved"))
    data = load("saved", size=8)
    assert (data.name, data.count) == ("hf:saved", 4)
    assert has_splits("saved")


def touch(path: Path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.png", "a.png is a single image; give the folder that holds it: ."),
        ("deep/a.JPG", "deep/a.JPG is a single image; give the folder that holds it: deep"),
        ("a.npy", "a.npy is one array; save it with numpy.savez(PATH, images=array)"),
        ("a.tar", "a.tar is an archive; unpack it and give the folder, or pack the images as .zip"),
        ("a.tar.gz", "is an archive; unpack it"),
        ("a.pt", "is a file of pickles; it can run any code and is not opened; load it yourself"),
        ("a.parquet", "is a table"),
        ("a.txt", "a.txt is not a folder of images, a .zip or an .npz"),
        ("README", "README is not a folder of images"),
    ],
)
def test_files_of_other_kinds_are_refused_with_advice(here: Path, name: str, part: str) -> None:
    touch(here / name)
    for written in (name, Path(name)):
        with pytest.raises(DataError) as caught:
            load(written)
        assert part in str(caught.value)


def test_a_zip_file_by_another_name(here: Path) -> None:
    (here / "pets.zip").rename(here / "pets.cbz")
    with pytest.raises(
        DataError, match=r"pets\.cbz is not called \.zip; if it is a zip file of images, write zip:pets"
    ):
        load("pets.cbz")


def test_pipes_are_not_opened(here: Path) -> None:
    for name in ("pipe", "pipe.zip", "pipe.npz"):
        os.mkfifo(here / name)
        with pytest.raises(DataError, match=r"a pipe or a device|not an ordinary file"):
            load(name)


def test_the_folder_of_a_run_is_not_one_of_images(here: Path) -> None:
    (here / "runs" / "x" / "state").mkdir(parents=True)
    touch(here / "runs" / "x" / "run.json")
    with pytest.raises(
        DataError, match=r"runs/x is the folder of a run, not of images; sample from it first, or write f"
    ):
        load("runs/x")


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("pet", "there is no source 'pet'. Did you mean 'pets'? Sources: fashion-mini"),
        ("pest/", "there is no file or folder 'pest/'. Did you mean 'pets'? Sources: fashion-mini"),
        ("./pest", "there is no file or folder './pest'. Did you mean 'pets'?"),
        ("pest.zip", "there is no file or folder 'pest.zip'. Did you mean 'pets.zip'?"),
        ("~/pest", "there is no file or folder '~/pest'. Did you mean 'pets'?"),
        ("nowhere/at/all", "there is no file or folder 'nowhere/at/all'. Sources: fashion-mini"),
        ("C:\\pictures", "there is no file or folder 'C:\\\\pictures'"),
        ("foldr:/pets", "there is no source 'foldr:/pets'. Did you mean 'folder'?"),
        ("rign", "Did you mean 'ring'?"),
        ("x" * 5_000, "there is no source 'xxx"),
        ("a\0b", "there is no source 'a\\x00b'"),
        ("a\0b/", "there is no file or folder 'a"),
        (" ", "there is no source ' '"),
        ("folder:" + "x" * 5_000, "there is no /"),
        ("folder:a\0b", "there is no /"),
        ("npz:a\nb", "npz:a\\nb: there is no /"),
    ],
)
def test_what_is_not_there_is_answered_with_what_may_be_meant(here: Path, written: str, part: str) -> None:
    with pytest.raises(DataError) as caught:
        load(written)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)


def test_an_empty_text_is_not_the_current_folder(here: Path) -> None:
    with pytest.raises(DataError, match="there is no source ''"):
        load("")
    assert load(".", size=8).count == 6


def test_folders_that_cannot_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told rather than passed over, also to root, whom nothing is closed to."""
    real = os.scandir

    def closed(path: Any = ".") -> Any:
        if os.fspath(path).endswith(blocked):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    blocked = "cat"
    data = load("pets", size=8)
    assert data.count == 3
    assert any("1 folder that cannot be read" in note for note in data.notes)
    blocked = "pets"
    with pytest.raises(DataError, match=r"folder:pets: the folder cannot be read \(Permission denied\)"):
        load("pets", size=8)
