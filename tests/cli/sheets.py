"""What sheets of images show, for tests to compare with what the library makes."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from zerosum.runs.grid import read_images, read_places
from zerosum.runs.pictures import to_pixels

SIDE = 32  # of the images


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def cells(path: Path, rows: int, columns: int) -> np.ndarray:
    """The images of a sheet of 32 x 32 images: (rows, columns, 32, 32), white where there is none.

    Of a sheet with real images above the generated ones, the latter.
    """
    places = read_places(path)
    last = max(place.band for place in places)
    found = np.full((rows, columns, SIDE, SIDE), 255)
    for place, image in zip(places, read_images(path), strict=True):
        if place.band == last:
            found[place.row, place.column] = image[..., 0]
    assert max(place.row for place in places) == rows - 1
    assert max(place.column for place in places) == columns - 1
    return found


def grey(images: torch.Tensor) -> np.ndarray:
    """Grey levels of images as they are shown."""
    return to_pixels(images)[..., 0].astype(int)


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether images are the same to a grey level: batches of other sizes round otherwise."""
    return a.shape == b.shape and bool(np.abs(a - b).max() <= 1)


def title_of(path: Path) -> str:
    """What a picture says that it shows."""
    with Image.open(path) as image:
        return image.info["Title"]
