"""What sheets of images show, for tests to compare with what the library makes."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from zerosum.runs.pictures import MARGIN, to_pixels

SIDE = 32  # of the images, which are drawn at twice their size


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def cells(path: Path, rows: int, columns: int) -> np.ndarray:
    """The images of a sheet of 32 x 32 images: (rows, columns, 32, 32)."""
    page, step = pixels(path)[::2, ::2], SIDE + MARGIN
    assert page.shape == (rows * step + MARGIN, columns * step + MARGIN)
    blocks = page[MARGIN:, MARGIN:].reshape(rows, step, columns, step).swapaxes(1, 2)
    return blocks[..., :SIDE, :SIDE].astype(int)


def grey(images: torch.Tensor) -> np.ndarray:
    """Grey levels of images as they are shown."""
    return to_pixels(images)[..., 0].astype(int)


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether images are the same to a grey level: batches of other sizes round otherwise."""
    return a.shape == b.shape and bool(np.abs(a - b).max() <= 1)
