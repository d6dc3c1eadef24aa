"""Folders of images by a rule, the same on every machine: for comparing scores of folders where others made theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

sys.path.insert(0, str(Path(__file__).with_name("features")))
from random_weights import random_images

Pixels = npt.NDArray[np.uint8]

SIZES = ((28, 28), (32, 32), (64, 64), (100, 100), (256, 256), (300, 513))  # height and width
COUNTS = {"fakes": 3, "photos": 4}
"""Images in each folder: few, as each passes Inception; no two sets as many."""


def _grey(image: Pixels) -> Image.Image:
    return Image.fromarray(image[..., 0])


def _colour(image: Pixels) -> Image.Image:
    return Image.fromarray(image)


def _transparent(image: Pixels) -> Image.Image:
    alpha = np.roll(image[..., :1], 5, axis=0)  # from 0 to 255, with colours under all of it
    return Image.fromarray(np.concatenate([image, alpha], axis=2))


KINDS: dict[str, tuple[Callable[[Pixels], Image.Image], str]] = {
    "grey": (_grey, ".png"),
    "rgb": (_colour, ".png"),
    "rgba": (_transparent, ".png"),
    "grey-jpeg": (_grey, ".jpg"),
    "rgb-jpeg": (_colour, ".jpg"),
}


def pixels_of(side: str, height: int, width: int) -> Pixels:
    """The images of one side before they become files, uint8 (N, H, W, 3)."""
    found = random_images(f"{side} {height}x{width}", COUNTS[side], height, width)
    images: Pixels = found.permute(0, 2, 3, 1).numpy()
    if side == "fakes":  # darker, so that the two are far from each other
        images = images // np.uint8(2)
    return images


def write_folder(path: Path, kind: str, side: str, height: int, width: int) -> Path:
    """A folder of one side's images, as files of one kind."""
    make, suffix = KINDS[kind]
    path.mkdir(parents=True)
    for i, image in enumerate(pixels_of(side, height, width)):
        make(image).save(path / f"{i}{suffix}", **({"quality": 90} if suffix == ".jpg" else {}))
    return path


def case_name(kind: str, height: int, width: int) -> str:
    """What a case is called where its number is kept."""
    return f"{kind} {width}x{height}"
