"""Real images for the scores: 120 of each class of the shipped set, read without the library."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

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


@pytest.fixture(scope="module")
def halves(clothes: Images) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Real and other real images, and their labels, in mixed order."""
    order = torch.randperm(1200, generator=torch.Generator().manual_seed(0))
    pixels = torch.from_numpy(clothes.pixels).permute(0, 3, 1, 2)[order]
    labels = torch.from_numpy(clothes.labels)[order]
    return pixels[:620], pixels[620:], labels[:620], labels[620:]
