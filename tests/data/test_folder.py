import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_decode import huge_png

from zerosum import progress as progressing
from zerosum.data import DataError, Images

Png = Callable[..., bytes]
Load = Callable[..., Images]


@pytest.fixture
def load(load_images: Load) -> Load:
    """``load(path, **options)``: the images at a path, 8 x 8 unless asked otherwise."""
    return lambda path, **options: load_images(f"folder:{path}", **{"size": 8, **options})


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_images_come_in_order_of_name_with_subfolders_as_classes(folder: Path, load: Load) -> None:
    data = load(folder)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert names[0].startswith("cat")
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [data.classes.index(name.split("/")[0]) for name in names]
    np.testing.assert_array_equal(data.pixels, [read(folder / name) for name in names])
    assert (data.count, data.shape, data.notes) == (6, (3, 8, 8), ())


def test_the_default_size_is_64_and_enlarging_is_told_once(folder: Path, load_images: Load) -> None:
    data = load_images(f"folder:{folder}")
    assert data.shape == (3, 64, 64)
    assert data.notes == ("6 of 6 images are smaller than 64 and were enlarged",)


def test_the_second_time_nothing_is_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    first = load(folder)
    monkeypatch.setattr("zerosum.data.files.decode", lambda *_: pytest.fail("decoded again"))
    again = load(folder)
    assert isinstance(again.pixels, np.memmap)
    assert (again.fingerprint, again.classes, again.notes) == (first.fingerprint, first.classes, first.notes)
    np.testing.assert_array_equal(again.pixels, first.pixels)
    np.testing.assert_array_equal(again.labels, first.labels)


def change_content(folder: Path, png: Png) -> None:
    (folder / "cat/1.png").write_bytes(png(seed=99))


def add_one(folder: Path, png: Png) -> None:
    (folder / "cat/7.png").write_bytes(png(seed=7))


def remove_one(folder: Path, png: Png) -> None:
    (folder / "cat/1.png").unlink()


def rename_class(folder: Path, png: Png) -> None:
    (folder / "cat").rename(folder / "ant")


@pytest.mark.parametrize("change", [change_content, add_one, remove_one, rename_class])
def test_any_change_of_the_folder_is_seen(
    folder: Path, png: Png, change: Callable[[Path, Png], None], load: Load
) -> None:
    before = load(folder).fingerprint
    change(folder, png)
    after = load(folder)
    assert after.fingerprint != before
    assert after.count == len(list(folder.rglob("*.png")))


def test_a_copy_elsewhere_has_the_same_fingerprint(folder: Path, tmp_path: Path, load: Load) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert load(tmp_path / "copy").fingerprint == load(folder).fingerprint


def test_two_folders_alike_but_for_their_pixels_are_told_apart(tmp_path: Path, load: Load) -> None:
    found = []
    for value in (10, 20):
        path = tmp_path / str(value) / "a.bmp"
        path.parent.mkdir()
        Image.new("L", (8, 8), value).save(path)  # BMP: same size in bytes
        os.utime(path, (0, 0))
        found.append(int(load(path.parent).pixels[0, 0, 0, 0]))
    assert found == [10, 20]


def test_channels_are_one_when_every_image_is_grey_unless_forced(tmp_path: Path, png: Png, load: Load) -> None:
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(png(channels=1, seed=i))
    auto, colour = load(tmp_path), load(tmp_path, channels=3)
    assert (auto.shape, colour.shape) == ((1, 8, 8), (3, 8, 8))
    np.testing.assert_array_equal(auto.pixels[..., 0], [read(tmp_path / f"{i}.png") for i in range(3)])
    np.testing.assert_array_equal(colour.pixels, np.repeat(auto.pixels, 3, axis=3))
    (tmp_path / "3.png").write_bytes(png(seed=3))
    assert load(tmp_path).shape == (3, 8, 8)
    forced = load(tmp_path, channels=1)
    assert forced.shape == (1, 8, 8)
    with Image.open(tmp_path / "3.png") as image:
        np.testing.assert_array_equal(forced.pixels[3, ..., 0], np.asarray(image.convert("L")))


@pytest.mark.parametrize(
    ("names", "classes", "note"),
    [
        (["a.png", "b.png"], (), None),
        (["x/a.png", "y/a.png", "y/deep/er/b.png"], ("x", "y"), None),
        (["train/x/a.png", "train/y/b.png"], ("x", "y"), None),
        (["x/a.png", "y/a.png", "b.png"], (), "1 of 3 images lie beside the subfolders"),
        (["only/a.png", "only/b.png"], ("only",), "there is a single class, 'only'"),
        (["10/a.png", "9/a.png"], ("10", "9"), None),
    ],
)
def test_which_subfolders_are_classes(
    tmp_path: Path, png: Png, names: list[str], classes: tuple[str, ...], note: str | None, load: Load
) -> None:
    for i, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(seed=i))
    data = load(tmp_path)
    assert data.classes == classes
    assert (data.labels is None) == (not classes)
    assert [n for n in data.notes if note and note in n] == list(data.notes)
    assert len(data.notes) == (note is not None)


def test_hidden_and_other_files_are_ignored_and_counted(folder: Path, png: Png, load: Load) -> None:
    (folder / "README.txt").write_text("hello")
    (folder / "cat/.hidden.png").write_bytes(png())
    (folder / ".git").mkdir()
    (folder / ".git/x.png").write_bytes(png())
    (folder / "cat/dangling.png").symlink_to(folder / "nowhere")
    data = load(folder)
    assert data.count == 6
    assert data.classes == ("cat", "dog")
    assert "4 files that are hidden or not images were ignored" in data.notes[0]
    assert "2 hidden" in data.notes[0]
    assert "1 .txt" in data.notes[0]
    assert "1 not a file" in data.notes[0]


def test_links_are_followed_but_not_for_ever(folder: Path, tmp_path: Path, load: Load) -> None:
    (folder / "cat/loop").symlink_to(folder)
    (tmp_path / "links").mkdir()
    (tmp_path / "links/cat").symlink_to(folder / "cat")
    assert load(folder).count == 6
    assert load(tmp_path / "links").count == 6  # the cats, and through the loop the dogs


def test_one_bad_image_among_many_is_skipped_counted_and_named(tmp_path: Path, png: Png, load: Load) -> None:
    for i in range(600):  # more than are decoded between two writes
        (tmp_path / f"{i:04}.png").write_bytes(png(seed=i))
    whole = (tmp_path / "0517.png").read_bytes()
    (tmp_path / "0517.png").write_bytes(whole[: len(whole) // 2])
    data = load(tmp_path)
    assert data.count == 599
    assert len(data.notes) == 1
    assert data.notes[0].startswith("1 damaged image was skipped: 0517.png: ")
    np.testing.assert_array_equal(data.pixels[516:518], [read(tmp_path / f"{i:04}.png") for i in (516, 518)])
    for _ in range(2):  # also when the cache could answer
        with pytest.raises(DataError, match=r"strict refuses that\. 0517\.png"):
            load(tmp_path, strict=True)
    assert load(tmp_path).notes == data.notes


def test_strict_refuses_before_anything_is_cached(folder: Path, cache_folder: Path, load: Load) -> None:
    (folder / "cat/bad.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"cat/bad\.png"):
        load(folder, strict=True)
    assert not list((cache_folder / "images").iterdir())


def test_labels_stay_with_their_images_when_some_are_skipped(folder: Path, load: Load) -> None:
    (folder / "ant").mkdir()
    (folder / "ant/bad.png").write_bytes(b"x")  # a class none of whose images can be read
    (folder / "cat/1.png").write_bytes(b"x")
    data = load(folder)
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_array_equal(data.pixels[0], read(folder / "cat/3.png"))
    assert "2 damaged images were skipped: ant/bad.png" in data.notes[0]


def test_many_bad_images_are_not_all_listed(folder: Path, load: Load) -> None:
    for i in range(10):
        (folder / f"cat/bad{i}.png").write_bytes(b"x")
    (note,) = load(folder).notes
    assert note.count("bad") == 3
    assert note.endswith("; and 7 more")


def test_all_images_bad_is_an_error(tmp_path: Path, load: Load) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"none of its 1 images could be read.*a\.png"):
        load(tmp_path)


def test_decompression_bombs_are_refused_by_name(folder: Path, recwarn: pytest.WarningsRecorder, load: Load) -> None:
    (folder / "cat/bomb.png").write_bytes(huge_png(10_001, 10_000))
    (folder / "dog/bomb.png").write_bytes(huge_png(60_000, 60_000))
    data = load(folder)
    assert data.count == 6
    assert "cat/bomb.png: 10001 x 10000 pixels is more than" in data.notes[0]
    assert "dog/bomb.png: " in data.notes[0]
    assert not recwarn.list


def test_a_missing_folder_suggests_its_neighbour(folder: Path, load: Load) -> None:
    with pytest.raises(DataError, match=r"there is no .*pest.*Did you mean 'pets'\?"):
        load(folder.parent / "pest")
    with pytest.raises(DataError, match="there is no"):
        load(folder / "no/such/place")


def test_an_empty_folder_says_what_it_looked_for(tmp_path: Path, load: Load) -> None:
    with pytest.raises(DataError, match=r"holds no images \(PNG.*BMP\)$"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match="only 1 other file"):
        load(tmp_path)


def test_a_file_is_not_a_folder(tmp_path: Path, load: Load) -> None:
    (tmp_path / "x.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"is a file, not a folder.*zip:"):
        load(tmp_path / "x.zip")


def test_an_unreadable_file_is_skipped_with_its_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch, load: Load
) -> None:
    honest = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "3.png":
            raise PermissionError(13, "Permission denied")
        return honest(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "cat/3.png: [Errno 13] Permission denied" in load(folder).notes[0]


def test_the_bar_appears_only_after_a_while_and_only_when_wanted(folder: Path, monkeypatch, capfd, load: Load) -> None:
    load(folder, size=9)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(progressing, "PATIENCE", -1.0)
    load(folder, size=10, progress=False)
    assert capfd.readouterr().err == ""
    load(folder, size=11)
    assert capfd.readouterr().err == ""  # not a terminal
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes it for one
    load(folder, size=12)
    out, err = capfd.readouterr()
    assert out == ""
    assert "decoding folder:" in err


def test_a_file_that_is_no_image_is_said_to_be_none(tmp_path: Path, png: Png, load: Load) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(b"nothing of the kind")
    note = "1 damaged image was skipped: b.png: is not an image; PNG, JPEG, WEBP, GIF, BMP can be read"
    assert note in load(tmp_path).notes
