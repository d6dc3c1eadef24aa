"""Real images for the scores: 120 of each class of the shipped set, read without the library."""

from pathlib import Path

import numpy as np
import pytest

import zerosum.data
from zerosum.data.images import Images

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@pytest.fixture(scope="session")
def clothes() -> Images:
    path = Path(zerosum.data.__file__).parent / "shipped" / "fashion_mini.npz"
    with np.load(path, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    chosen = np.concatenate([np.flatnonzero(labels == c)[:120] for c in range(10)])
    pixels = np.pad(images[chosen], ((0, 0), (2, 2), (2, 2)))[..., None]
    return Images.of(pixels, labels[chosen], name="clothes", classes=FASHION)
