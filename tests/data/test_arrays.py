import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zerosum.data import DataError, Images
from zerosum.data import load as load_any
from zerosum.data.arrays import to_uint8
from zerosum.data.ask import Ask
from zerosum.data.labels import to_labels

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 6, 6, 3), dtype=np.uint8)
ASK = Ask("npz:x")
Load = Callable[..., Images]


@pytest.fixture
def load(tmp_path: Path, load_images: Load) -> Load:
    """``load(*arrays, options={}, **named)``: the images of an ``.npz`` file of these arrays."""

    def saved(*arrays: np.ndarray, options: dict[str, object] | None = None, **named: np.ndarray) -> Images:
        np.savez(tmp_path / "x.npz", *arrays, **named)
        return load_images(f"npz:{tmp_path / 'x.npz'}", **(options or {}))

    return saved


@pytest.mark.parametrize(
    "images",
    [
        PIXELS,
        np.moveaxis(PIXELS, -1, 1),
        PIXELS / 255,
        (PIXELS / 127.5 - 1).astype(np.float32),
        PIXELS.astype(np.int64),
    ],
    ids=["NHWC", "NCHW", "[0,1]", "[-1,1]", "int64"],
)
def test_every_layout_and_range_gives_the_same_pixels(images: np.ndarray, load: Load) -> None:
    np.testing.assert_array_equal(load(images=images).pixels, PIXELS)
    np.testing.assert_array_equal(load(images).pixels, PIXELS)


def test_grey_images_need_no_channel_axis(load: Load) -> None:
    for images in (PIXELS[..., 0], PIXELS[..., :1], PIXELS[:, None, :, :, 0]):
        data = load(images=images)
        np.testing.assert_array_equal(data.pixels[..., 0], PIXELS[..., 0])
        assert data.shape == (1, 6, 6)
    assert load(images=PIXELS[..., 0] > 100).pixels.max() == 255


def test_what_was_assumed_about_floats_is_noted(load: Load) -> None:
    assert load(images=PIXELS / 255).notes == ("values were taken to lie in [0, 1] and rounded to 8 bits",)
    assert load(images=PIXELS / 127.5 - 1).notes == ("values were taken to lie in [-1, 1] and rounded to 8 bits",)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_by_index(value: float, load: Load) -> None:
    images = PIXELS / 255
    images[3, 1, 2, 0] = value
    with pytest.raises(DataError, match=r"image 3 holds NaN or infinity \(1 of 5"):
        load(images=images)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (PIXELS / 100, "scale them to"),
        (PIXELS.astype(np.int32) * 2, r"must lie in 0\.\.255"),
        (PIXELS.astype(np.int32) - 1, r"must lie in 0\.\.255"),
        (np.zeros((5, 6, 6, 4), np.uint8), "channels must be 1 or 3"),
        (np.zeros((5, 6), np.uint8), r"\(N, H, W\)"),
        (np.zeros((0, 6, 6, 3), np.uint8), r"shape \(0, 6, 6, 3\)"),
        (np.zeros((2, 2, 2, 1), np.complex64), "complex64"),
    ],
)
def test_arrays_that_are_no_images_are_refused(images: np.ndarray, message: str, load: Load) -> None:
    with pytest.raises(DataError, match=message):
        load(images=images)


def test_objects_are_refused_as_pickle(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path(tmp_path / "pwned").touch, ())

    np.savez(tmp_path / "x.npz", images=np.array([Evil()], dtype=object))
    with pytest.raises(DataError, match=r"needs pickle.*refused"):
        load_any(f"npz:{tmp_path / 'x.npz'}")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("labels", "indices", "classes"),
    [
        ([1, 0, 1, 2, 0], [1, 0, 1, 2, 0], ("0", "1", "2")),
        ([7, -1, 7, 30, -1], [1, 0, 1, 2, 0], ("-1", "7", "30")),
        (["dog", "cat", "dog", "eel", "cat"], [1, 0, 1, 2, 0], ("cat", "dog", "eel")),
    ],
)
def test_labels_of_any_kind(labels: list[object], indices: list[int], classes: tuple[str, ...], load: Load) -> None:
    data = load(images=PIXELS, labels=np.array(labels))
    assert (data.labels.tolist(), data.classes) == (indices, classes)
    assert data.labels.dtype == np.int64


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_class_names_recover_the_labels(values: list[int]) -> None:
    indices, classes = to_labels(np.array(values), len(values), ASK)
    assert indices is not None
    assert [int(classes[i]) for i in indices] == values


@pytest.mark.parametrize("labels", [np.zeros(4, int), np.zeros((5, 1), int), np.zeros(5)])
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray, load: Load) -> None:
    with pytest.raises(DataError, match="labels"):
        load(images=PIXELS, labels=labels)


def test_sizes_and_channels_are_pillow_s(load: Load) -> None:
    wide = RNG.integers(0, 256, (2, 10, 14, 3), dtype=np.uint8)
    as_is = load(images=wide)
    assert as_is.shape == (3, 10, 14)
    assert "14 wide and 10 high" in as_is.notes[0]
    data = load(images=wide, options={"size": 5, "channels": 1})
    for found, image in zip(data.pixels, wide, strict=True):
        square = Image.fromarray(image[:, 2:12].copy()).convert("L").resize((5, 5), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(found[..., 0], np.asarray(square))
    grown = load(images=wide, options={"size": 12})
    assert grown.notes == ("2 of 2 images are smaller than 12 and were enlarged",)
    grey = load(images=wide[..., 0], options={"channels": 3})
    np.testing.assert_array_equal(grey.pixels, np.stack([wide[..., 0]] * 3, -1))


def test_other_files_and_names_are_told(tmp_path: Path, load: Load) -> None:
    with pytest.raises(DataError, match="name the images 'images'"):
        load(pictures=PIXELS)
    (tmp_path / "y.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"not an \.npz file"):
        load_any(f"npz:{tmp_path / 'y.npz'}")
    np.savez(tmp_path / "z.npz", images=PIXELS)
    content = (tmp_path / "z.npz").read_bytes()
    (tmp_path / "z.npz").write_bytes(content[:200] + b"\0\1\2\3" + content[204:])
    with pytest.raises(DataError, match=r"damaged"):
        load_any(f"npz:{tmp_path / 'z.npz'}")
    with pytest.raises(DataError, match="there is no"):
        load_any(f"npz:{tmp_path / 'nothing.npz'}")


def test_folders_and_pipes_are_not_npz_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"is a folder. Write folder:{tmp_path}"):
        load_any(f"npz:{tmp_path}")
    os.mkfifo(tmp_path / "pipe.npz")
    for kind in ("npz", "zip"):  # opened, they would wait for ever
        with pytest.raises(DataError, match="not an ordinary file"):
            load_any(f"{kind}:{tmp_path / 'pipe.npz'}")


def test_arrays_too_large_for_memory_are_refused_unread(monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    monkeypatch.setattr("zerosum.data.arrays.MAX_ARRAYS", 100)
    with pytest.raises(DataError, match="more than the 100 accepted"):
        load(images=PIXELS)


@given(value=st.floats(-1, 1, width=32))
@settings(max_examples=50, deadline=None)
def test_floats_go_to_the_nearest_level(value: float) -> None:
    images = np.array([-1.0, value], np.float32).reshape(2, 1, 1, 1)
    pixels, _ = to_uint8(images, ASK)
    levels = np.arange(256) / 127.5 - 1
    assert abs(levels[pixels[1, 0, 0, 0]] - value) <= np.abs(levels - value).min() + 1e-6
