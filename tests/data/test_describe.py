import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data import Images, load
from zerosum.data.describe import describe, in_units, save_picture, summary


def coloured(count: int) -> Images:
    """Image i is of one colour, its own."""
    colours = np.random.default_rng(0).choice(256**3, count, replace=False)
    pixels = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1).astype(np.uint8)
    pixels = np.broadcast_to(pixels[:, None, None], (count, 4, 6, 3)).copy()
    labels = np.arange(count) % 3
    return Images.of(pixels, labels, name="coloured", classes=("a", "b", "c"), notes=("something odd",))


def test_the_numbers_are_numpy_s() -> None:
    data = coloured(10)
    said = describe(data)
    assert said["mean"] == pytest.approx((data.pixels / 255).mean())
    assert said["std"] == pytest.approx((data.pixels / 255).std())
    assert said["classes"] == {"a": 4, "b": 3, "c": 3}
    assert (said["count"], said["shape"], said["notes"]) == (10, [3, 4, 6], ["something odd"])
    assert said["bytes"] == 10 * 4 * 6 * 3
    assert json.loads(json.dumps(said)) == said


@pytest.mark.parametrize(
    ("count", "size", "words"), [(5, 4, "80 B decoded, 16 B an image"), (24, 32, "24 KiB decoded, 1 KiB an image")]
)
def test_memory_is_that_of_the_decoded_pixels(count: int, size: int, words: str) -> None:
    data = Images.of(np.zeros((count, size, size, 1), np.uint8), name="grey")
    assert f"memory       {words}\n" in summary(data)


def test_units_are_of_1024() -> None:
    sizes = {1023: "1023 B", 1024: "1 KiB", 1_600_000: "1.526 MiB", 70_000 * 256**2: "4.3 GiB", 3 * 2**40: "3072.0 GiB"}
    assert {n: in_units(n) for n in sizes} == sizes


def test_the_words_hold_the_numbers() -> None:
    text = summary(coloured(10))
    for part in ("coloured", "10", "4 x 6, colour", "a 4, b 3, c 3", "something odd"):
        assert part in text
    assert "10 of 1,000 images each: T-shirt/top" in summary(load("fashion-mini"))
    assert "unlimited" in summary(load("ring"))
    assert "8, standard deviation 0.02" in summary(load("ring"))
    assert "none (unlabelled)" in summary(Images.of(np.zeros((1, 2, 2, 1), np.uint8), name="x"))


@pytest.mark.parametrize(
    ("count", "asked", "rows", "columns"), [(30, 9, 3, 3), (7, 64, 3, 3), (5, 5, 2, 3), (1, 1, 1, 1)]
)
def test_the_sheet_shows_different_images_each_in_its_cell(
    tmp_path: Path, count: int, asked: int, rows: int, columns: int
) -> None:
    data = coloured(count)
    with Image.open(save_picture(data, tmp_path / "sheet.png", count=asked)) as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (rows * 4, columns * 6, 3)
    cells = pixels.reshape(rows, 4, columns, 6, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 24, 3)
    assert all((cell == cell[0]).all() for cell in cells)
    shown = {tuple(cell[0].tolist()) for cell in cells} - {(255, 255, 255)}
    known = {tuple(image[0, 0].tolist()) for image in data.pixels}
    assert shown <= known
    assert len(shown) == min(count, asked)


def test_grey_sheets_are_grey(tmp_path: Path) -> None:
    with Image.open(save_picture(load("fashion-mini"), tmp_path / "x.png")) as sheet:
        assert (sheet.mode, sheet.size) == ("L", (256, 256))


def test_points_are_scattered(tmp_path: Path) -> None:
    with Image.open(save_picture(load("grid"), tmp_path / "x.png")) as plot:
        values = np.asarray(plot.convert("L"))
    assert 0.005 < (values < 250).mean() < 0.5


def test_control_characters_are_not_printed() -> None:
    data = Images.of(
        np.zeros((2, 4, 4, 1), np.uint8),
        np.array([0, 1]),
        name="folder:a\x1b[31m",
        classes=("b\n", "c"),
        notes=("d\r",),
    )
    text = summary(data)
    assert "folder:a\\x1b[31m" in text
    assert "b\\n, c" in text
    assert "d\\r" in text
    assert not set("\x1b\r") & set(text)
