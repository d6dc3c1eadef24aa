"""Both resizes against Pillow, a plain loop and hand values."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from random_weights import random_images

from zerosum.metrics.features.resize import Mode, Resize, clean_bicubic, tensorflow_bilinear

SIDES = st.integers(1, 40)


def loop_bilinear(image: npt.NDArray[np.float64], height: int, width: int) -> npt.NDArray[np.float64]:
    """One (H, W) channel, pixel by pixel, from the definition of the legacy grid."""
    have_y, have_x = image.shape
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y, x = i * have_y / height, j * have_x / width
            y0, x0 = math.floor(y), math.floor(x)
            y1, x1 = min(y0 + 1, have_y - 1), min(x0 + 1, have_x - 1)
            top = image[y0, x0] * (1 - (x - x0)) + image[y0, x1] * (x - x0)
            bottom = image[y1, x0] * (1 - (x - x0)) + image[y1, x1] * (x - x0)
            result[i, j] = top * (1 - (y - y0)) + bottom * (y - y0)
    return result


def pillow_bicubic(image: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    resized = Image.fromarray(image).resize((width, height), resample=Image.Resampling.BICUBIC)
    return np.asarray(resized).clip(0, 255)


def test_tensorflow_by_hand() -> None:
    row = torch.tensor([[[[0.0, 10.0]]]])
    # Positions 0, 1/2, 1, 3/2: the grid starts at the first pixel, and the last one is held.
    assert tensorflow_bilinear(row, (1, 4)).flatten().tolist() == [0, 5, 10, 10]
    # Shrinking looks at positions 0 and 2 and skips the others: no antialiasing.
    assert tensorflow_bilinear(torch.tensor([[[[1.0, 9.0, 3.0, 9.0]]]]), (1, 2)).flatten().tolist() == [1, 3]


@settings(max_examples=25, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES)
def test_tensorflow_against_a_loop(have_y: int, have_x: int, height: int, width: int) -> None:
    images = random_images("loop", 1, have_y, have_x, channels=1).double()
    expected = loop_bilinear(images[0, 0].numpy(), height, width)
    np.testing.assert_allclose(tensorflow_bilinear(images, (height, width))[0, 0], expected, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES)
def test_clean_against_pillow(have_y: int, have_x: int, height: int, width: int) -> None:
    images = random_images("pillow", 1, have_y, have_x, channels=1).float()
    expected = pillow_bicubic(images[0, 0].numpy(), height, width)
    np.testing.assert_allclose(clean_bicubic(images, (height, width))[0, 0], expected, atol=1e-4)


def test_clean_is_clipped_and_not_rounded() -> None:
    # An edge from black to white overshoots both ways.
    images = torch.zeros(1, 1, 8, 8)
    images[..., 4:] = 255
    resized = clean_bicubic(images, (30, 30))
    assert resized.min() == 0
    assert resized.max() == 255
    assert not torch.equal(resized, resized.round())


@pytest.mark.parametrize("mode", ["tensorflow", "clean"])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (299, 299), (500, 310)])
def test_colours_in_order_and_grey_repeated(mode: Mode, height: int, width: int) -> None:
    images = random_images("grey", 2, height, width)
    resize = Resize(mode, 299)
    colour = resize(images)
    assert colour.shape == (2, 3, 299, 299)
    assert colour.dtype == torch.float32
    grey = resize(images[:, 1:2])
    assert grey.shape == (2, 3, 299, 299)
    for channel in range(3):
        torch.testing.assert_close(grey[:, channel], colour[:, 1])
    if (height, width) == (299, 299):
        torch.testing.assert_close(colour, images.float())


@pytest.mark.parametrize("mode", ["tensorflow", "clean"])
def test_constant_images_stay_constant(mode: Mode) -> None:
    images = torch.full((1, 3, 17, 50), 200, dtype=torch.uint8)
    torch.testing.assert_close(Resize(mode, (20, 9))(images), torch.full((1, 3, 20, 9), 200.0))


def test_protocols_say_how() -> None:
    assert str(Resize("tensorflow", 299)) == "tensorflow bilinear to 299"
    assert str(Resize("clean", (32, 64))) == "clean bicubic to 32x64"


def test_what_is_refused() -> None:
    resize = Resize("tensorflow", 299)
    with pytest.raises(ValueError, match=r"uint8.*\[-1, 1\]"):
        resize(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"\(B, 1, H, W\)"):
        resize(torch.zeros(1, 4, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"\(B, 1, H, W\)"):
        resize(torch.zeros(3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="no image"):
        resize(torch.zeros(0, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="'tensorflow', 'clean'"):
        Resize("bilinear", 299)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be resized"):
        Resize("clean", 0)
