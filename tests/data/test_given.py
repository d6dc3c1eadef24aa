"""Arrays and tensors as data: the same images in every layout and kind of number, and every refusal with its advice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from given_images import LABELS, PIXELS, RNG, TENSOR, images, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zerosum.data import Data, DataError, Images, is_given, load
from zerosum.data.describe import save_picture, summary

SAME = {
    "uint8": PIXELS,
    "a view": np.repeat(PIXELS, 2, axis=0)[::2],
    "Fortran order": np.asfortranarray(PIXELS),
    "N C H W": np.moveaxis(PIXELS, -1, 1),
    "[0, 1]": PIXELS / 255,
    "[-1, 1]": (PIXELS / 127.5 - 1).astype(np.float32),
    "0..255 floats": PIXELS.astype(np.float64),
    "float16": (PIXELS / 255).astype(np.float16),
    "big-endian": (PIXELS / 255).astype(">f4"),
    "int64": PIXELS.astype(np.int64),
    "uint16": PIXELS.astype(np.uint16),
    "a rounding error beyond 1": PIXELS / 255 + 1e-7 * (PIXELS == 255),
    "tensor": TENSOR,
    "contiguous tensor": TENSOR.contiguous(),
    "channels_last tensor": TENSOR.float().div(255).contiguous(memory_format=torch.channels_last),
    "N H W C tensor": TENSOR.permute(0, 2, 3, 1),
    "with a gradient": (TENSOR / 127.5 - 1).requires_grad_(),
    "a parameter": torch.nn.Parameter(TENSOR / 255),
    "bfloat16": (TENSOR / 255).bfloat16(),
    "float64": TENSOR.double() / 255,
    "int32 tensor": TENSOR.int(),
    "a view that negates": torch.complex(torch.zeros(6, 3, 8, 8), -TENSOR.float()).conj().imag,
    "no mask": np.ma.masked_array(PIXELS, False),
}


@pytest.mark.parametrize("source", SAME.values(), ids=SAME.keys())
def test_the_same_images_are_the_same_data(source: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=PIXELS)
    data = images(source)
    np.testing.assert_array_equal(data.pixels, PIXELS)
    assert data.fingerprint == images(tmp_path / "x.npz").fingerprint
    assert data.name == ("tensor" if isinstance(source, torch.Tensor) else "array")
    assert is_given(data)


@pytest.mark.parametrize(
    "grey", [PIXELS[..., 0], PIXELS[..., :1], PIXELS[:, None, :, :, 0], TENSOR[:, 0], TENSOR[:, :1]]
)
def test_grey_images_need_no_axis_of_channels(grey: Any) -> None:
    np.testing.assert_array_equal(images(grey).pixels, PIXELS[..., :1])


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_ambiguous_layout_is_square_or_the_usual_one(height: int, width: int, channels: int, first: bool) -> None:
    """An array of channels last, or a tensor of channels first: read wrongly only where that makes squares."""
    pixels = RNG.integers(2, 256, (4, height, width, channels), dtype=np.uint8)
    source = torch.from_numpy(pixels).permute(0, 3, 1, 2) if first else pixels
    data = images(source)
    shape = tuple(source.shape)
    other_way = shape[3] in (1, 3) if first else shape[1] in (1, 3)
    other_is_square = shape[1] == shape[2] if first else shape[2] == shape[3]
    if other_way and other_is_square and height != width:
        assert data.shape[1] == data.shape[2]
        assert "other way round" in data.notes[0]
    else:
        np.testing.assert_array_equal(data.pixels, pixels)
        assert ("other way round" in " ".join(data.notes)) == other_way


def test_what_was_assumed_is_noted() -> None:
    assert images(PIXELS).notes == images(TENSOR).notes == ()
    assert images(PIXELS / 255).notes == ("values were taken to lie in [0, 1] and rounded to 8 bits",)
    assert images(TENSOR / 127.5 - 1).notes == ("values were taken to lie in [-1, 1] and rounded to 8 bits",)
    assert images(PIXELS.astype(np.float32)).notes == ("values were taken to lie in [0, 255]",)
    assert images(np.moveaxis(PIXELS, -1, 1)).notes == ("the axes were taken as (N, C, H, W)",)
    assert images(TENSOR.permute(0, 2, 3, 1)).notes == ("the axes were taken as (N, H, W, C)",)
    assert "8 wide and 5 high; give a size" in images(PIXELS[:, :5]).notes[0]
    assert images(PIXELS[:, :5], size=4).notes == ()
    assert "nearly black" in images((PIXELS > 99).astype(int)).notes[0]
    assert images(PIXELS > 99).notes == ()


@given(value=st.floats(0, 1, width=32), signed=st.booleans(), kind=st.sampled_from(["f2", "f4", "f8"]))
@settings(max_examples=60, deadline=None)
def test_floats_go_to_the_nearest_level(value: float, signed: bool, kind: str) -> None:
    values = np.array([0, 0.5 + 1 / 1024, value, 1], kind).reshape(4, 1, 1, 1)
    values = values * np.array(2, kind) - np.array(1, kind) if signed else values
    levels = images(values).pixels[:, 0, 0, 0] / (127.5 if signed else 255.0) - signed
    steps = np.abs(levels - values[:, 0, 0, 0].astype(np.float64)) * (127.5 if signed else 255.0)
    assert (steps <= 0.5 + 1e-3).all()


def test_every_half_precision_number_goes_to_the_nearest_level() -> None:
    every = np.arange(0x3C01, dtype=np.uint16).view(np.float16).reshape(-1, 1, 1, 1)  # 0, ... 1
    np.testing.assert_array_equal(images(every).pixels, np.rint(every.astype(np.float64) * 255))
    ends = np.array([-1e-6, 0, 1, 1 + 1e-6]).reshape(4, 1, 1, 1)
    assert images(ends).pixels.ravel().tolist() == images(1 - ends).pixels.ravel().tolist()[::-1] == [0, 0, 255, 255]
    assert images(2 * ends - 1).pixels.ravel().tolist() == [0, 0, 255, 255]


def test_later_changes_of_the_array_do_not_reach_the_data() -> None:
    for make in (lambda: PIXELS.copy(), lambda: torch.from_numpy(PIXELS.copy()), lambda: PIXELS[..., 0].copy()):
        source = make()
        data = images(source, labels=(labels := np.array(LABELS)))
        before = data.pixels.copy()
        source[:] = 7
        labels[:] = 0
        np.testing.assert_array_equal(data.pixels, before)
        assert data.labels is not None
        assert data.labels.tolist() == LABELS
    points = RNG.normal(size=(9, 2)).astype(np.float32)
    drawn = load(points)
    x, _ = drawn.batch(0, 20, seed=0)
    points[:] = 0
    assert torch.equal(drawn.batch(0, 20, seed=0)[0], x)


def test_arrays_of_the_caller_are_not_changed() -> None:
    for source in (PIXELS / 255, np.moveaxis(PIXELS, -1, 1).copy(), TENSOR / 127.5 - 1):
        before = source.copy() if isinstance(source, np.ndarray) else source.clone()
        load(source, size=4, channels=1)
        assert (source == before).all()


def test_sizes_and_channels_are_those_of_npz_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=PIXELS, labels=LABELS)
    ours = images(PIXELS / 255, labels=LABELS, size=5, channels=1)
    theirs = images(f"npz:{tmp_path / 'x.npz'}", size=5, channels=1)
    assert (ours.fingerprint, ours.classes, ours.shape) == (theirs.fingerprint, theirs.classes, theirs.shape)
    assert images(PIXELS, size=np.int64(5)).shape == images(PIXELS, size=5).shape
    with pytest.raises(DataError, match="size=True: give the side"):
        images(PIXELS, size=True)


@pytest.mark.parametrize("piece", [1, 200, 10**9])
def test_large_arrays_are_converted_piece_by_piece(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.data.levels._PIECE", piece)
    for telling in (0, 3, 5):  # only one image tells what is meant
        late = PIXELS / 255
        late[telling] = late[telling] * 2 - 1
        data = images(late)
        assert data.notes == ("values were taken to lie in [-1, 1] and rounded to 8 bits",)
        np.testing.assert_array_equal(data.pixels, np.rint((late + 1) * 127.5))
    late[4, 0, 0, 0] = np.nan
    late[1, 0, 0, 0] = np.inf
    assert "image 1 holds NaN or infinity (2 of 6 images do)" in refused(late)


def with_value(value: float) -> np.ndarray:
    changed = PIXELS / 255
    changed[2, 1, 1, 1] = value
    return changed


REFUSED = [
    (with_value(np.nan), "array: image 2 holds NaN or infinity"),
    (with_value(-np.inf), "array: image 2 holds NaN or infinity"),
    (with_value(1.2), "from 0 to 1.2; scale them to [0, 1] or [-1, 1], or give whole numbers from 0 to 255"),
    (with_value(-1.001), "from -1.001 to 1; scale them"),
    (PIXELS + 0.5, "from 0.5 to 255.5; scale them"),
    (PIXELS.astype(np.float32) + 1, "from 1 to 256; scale them"),
    (TENSOR.int() - 1, "tensor: whole numbers from -1 to 254; images must lie in 0..255"),
    (PIXELS.astype(np.uint16) * 257, "divide 16-bit images by 257"),
    (PIXELS.astype(np.complex64), "values are complex64; uint8 or floating point is read"),
    (TENSOR * 1j, "values are complex64"),
    ((TENSOR * 1j).conj(), "values are complex64"),
    (PIXELS.astype("M8[s]"), "values are datetime64[s]"),
    (PIXELS.astype("m8[s]"), "values are timedelta64[s]"),
    (PIXELS.astype(str), "values are <U3"),
    (np.zeros((3, 8, 8), "u1, u1"), "uint8 or floating point is read"),
    (np.array([PIXELS[0], PIXELS[1, :4]], dtype=object), "an array of objects is not read; give a list of the images"),
    (PIXELS[:0], "images have shape (0, 8, 8, 3)"),
    (TENSOR[:, :, :0], "images have shape (6, 3, 0, 8)"),
    (PIXELS.ravel(), "images have shape (1152,); (N, H, W), (N, H, W, C) or (N, C, H, W) is read"),
    (np.array(3), "images have shape ()"),
    (PIXELS[None], "images have shape (1, 6, 8, 8, 3)"),
    (PIXELS[0], "shape (8, 8, 3) is that of one image (H, W, C); give several"),
    (np.zeros((5, 7)), "shape (5, 7) is not read; give points (N, 2), or images (N, H, W)"),
    (np.zeros((3, 8, 8, 4), np.uint8), "the channels must be 1 or 3; to leave out the transparency, give x[..., :3]"),
    (torch.zeros(3, 4, 8, 8), "the channels must be 1 or 3; to leave out the transparency, give x[:, :3]"),
    (torch.zeros(3, 2, 8, 8), "give x[:, :1]"),
    (torch.zeros(3, 5, 8, 8), "the channels must be 1 or 3"),
    (TENSOR.to("meta"), "tensor: the tensor is on the device meta"),
    (TENSOR.float().to_sparse(), "the tensor is sparse; give x.to_dense()"),
    (np.ma.masked_array(PIXELS, PIXELS > 9), "some values are masked; fill them first"),
]


@pytest.mark.parametrize(("source", "part"), REFUSED, ids=[part[:40] for _, part in REFUSED])
def test_arrays_that_cannot_be_read_are_refused_with_advice(source: Any, part: str) -> None:
    assert part in refused(source)


def test_nested_tensors_are_refused() -> None:
    nested = torch.nested.nested_tensor([torch.rand(4, 3, 3), torch.rand(5, 3, 3)], layout=torch.jagged)
    assert "the tensor is nested; give a list" in refused(nested)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_tensors_are_refused() -> None:
    quantised = torch.quantize_per_tensor(TENSOR.float(), 1.0, 0, torch.quint8)
    assert "the tensor is quantised; give x.dequantize()" in refused(quantised)


def test_ready_data_are_returned_as_they_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=PIXELS, labels=LABELS)
    for data in (load("ring"), load(tmp_path / "x.npz"), load(PIXELS)):
        assert load(data) is data
    for options in ({"size": 8}, {"channels": 3}, {"labels": LABELS}, {"split": "test"}):
        assert "loaded already, so leave this out" in refused(load(PIXELS), **options)


def test_only_data_without_a_source_are_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=PIXELS)
    for source in ("ring", "fashion-mini", tmp_path / "x.npz", str(tmp_path / "x.npz"), f"npz:{tmp_path}/x.npz"):
        assert not is_given(load(source))
    assert is_given(load("fashion-mini").split_halves()[0])  # type: ignore[attr-defined]


class Unordered:
    def __iter__(self) -> Any:
        return iter(PIXELS)


class Endless:
    def __getitem__(self, index: int) -> Any:
        return PIXELS[index]


class Almost:
    fingerprint = "x"

    def batch(self) -> None: ...


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: None, "data are None; what is read: a source's name, a path"),
        (lambda: 5, "data of type int are not read; what is read"),
        (lambda: print, "are not read; what is read"),
        (lambda: Endless, "data are the class Endless; give an object of it, as in Endless(...)"),
        (lambda: Images, "data are the class Images"),
        (lambda: np.ndarray, "data are the class ndarray"),
        (lambda: b"photos", "data are bytes; give a path as a text"),
        (lambda: Image.new("L", (8, 8)), "data are a single picture; give a list of pictures"),
        (lambda: {"images": PIXELS}, "are several things under names ('images'); give one of them, as in data[name]"),
        (lambda: iter(PIXELS), "can only be gone through in order; collect the items first, as in list(data)"),
        (lambda: {1, 2}, "data of type set can only be gone through in order"),
        (Unordered, "data of type Unordered can only be gone through in order"),
        (Endless, "data of type Endless have no length; give it a method __len__"),
        (Almost, "Almost has a batch() like data, but is not one; derive it from zerosum.data.Data"),
        (lambda: (PIXELS, np.array(LABELS)), "give the labels apart, as in data=x, labels=y"),
    ],
)
def test_other_objects_are_refused_with_advice(make: Callable[[], Any], part: str) -> None:
    assert part in refused(make())


def test_names_have_labels_and_splits_of_their_own() -> None:
    assert "labels: fashion-mini has its own" in refused("fashion-mini", labels=[1])
    assert "only named sources have a test split" in refused(PIXELS, split="test")


def test_archives_of_numpy_are_refused_as_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=PIXELS)
    with np.load(tmp_path / "x.npz") as file:
        assert "('images'); give one of them" in refused(file)


def test_a_picture_of_given_images(tmp_path: Path) -> None:
    data: Data = images(PIXELS / 255, labels=LABELS)
    save_picture(data, tmp_path / "x.png")
    assert "source       array" in summary(data)
