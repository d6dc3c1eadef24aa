"""Folders of real image files at 64, 128 and 256 pixels: decoded as Pillow does, and trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zerosum
from zerosum.data.describe import describe, summary
from zerosum.data.images import Images

Load = Callable[..., Images]
SIZES = (64, 128, 256)
ODD = [(301, 207), (97, 333), (260, 259), (65, 511)]  # width, height


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures of odd sizes in two classes, PNG and JPEG by turns: soft waves, so that a filter shows."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(16):
        width, height = ODD[i % 4]
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        waves = [np.sin(x / (5 + i) + k) * np.cos(y / (9 - k)) for k in range(3)]
        pixels = np.uint8(127.5 + 127.5 * np.stack(waves, -1))
        path = folder / ("sea" if i % 3 else "land") / f"{i:02}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, quality=95)
    return folder


@pytest.fixture(scope="module")
def decoded(photos: Path, tmp_path_factory: pytest.TempPathFactory, load_images: Load) -> dict[int, Images]:
    """The pictures at each size."""
    cache = tmp_path_factory.mktemp("cache")
    return {size: load_images(f"folder:{photos}", size=size, cache=cache) for size in SIZES}


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_the_centre_square_resized_by_pillow(photos: Path, decoded: dict[int, Images], size: int) -> None:
    data = decoded[size]
    files = sorted(photos.rglob("*.*"))
    assert (data.count, data.shape) == (16, (3, size, size))
    for pixels, file in zip(data.pixels, files, strict=True):
        with Image.open(file) as image:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            whole = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)
            np.testing.assert_array_equal(pixels, np.asarray(whole))


@pytest.mark.parametrize("size", SIZES)
def test_batches_are_the_pixels_scaled_with_their_labels(photos: Path, decoded: dict[int, Images], size: int) -> None:
    data = decoded[size]
    assert data.classes == ("land", "sea")
    names = [file.parent.name for file in sorted(photos.rglob("*.*"))]
    x, y = data.batch(0, 16, seed=0)
    assert y is not None
    assert (x.shape, x.dtype) == ((16, 3, size, size), torch.float32)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert -1 <= float(x.min()) < -0.9 < 0.9 < float(x.max()) <= 1
    back = ((x.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().astype(np.uint8)
    known = {pixels.tobytes(): name for pixels, name in zip(data.pixels, names, strict=True)}
    assert len(known) == 16
    assert [known[image.tobytes()] for image in back] == [data.classes[k] for k in y.tolist()]
    assert {image.tobytes() for image in back} == set(known)  # one epoch: each once


def test_what_was_enlarged_is_noted(decoded: dict[int, Images]) -> None:
    # Four have a shorter side of 207, four of 97, four of 259, four of 65.
    assert decoded[64].notes == ()
    assert decoded[128].notes == ("8 of 16 images are smaller than 128 and were enlarged",)
    assert decoded[256].notes == ("12 of 16 images are smaller than 256 and were enlarged",)


@pytest.mark.parametrize(("size", "each"), [(64, "12 KiB"), (128, "48 KiB"), (256, "192 KiB")])
def test_memory_of_the_decoded_set_is_stated(decoded: dict[int, Images], size: int, each: str) -> None:
    data = decoded[size]
    assert describe(data)["bytes"] == 16 * 3 * size * size
    total = {64: "192 KiB", 128: "768 KiB", 256: "3 MiB"}[size]
    assert f"memory       {total} decoded, {each} an image" in summary(data)


TINY: dict[str, dict[str, Any]] = {
    "biggan": {"width": 8, "shared": 8},
    "biggan-deep": {"width": 8, "shared": 8},
    "sngan-projection": {"g_width": 4, "d_width": 4, "n_critic": 1},
    "dcgan": {"width": 4, "kernel": 4, "latent": 8},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, size) for name in ("biggan", "biggan-deep", "sngan-projection") for size in (64, 128)), ("dcgan", 256)],
)
def test_published_systems_train_on_a_folder(photos: Path, tmp_path: Path, name: str, size: int) -> None:
    settings = {"data": f"folder:{photos}", "size": size, "out": str(tmp_path / "run"), "precision": "float32"}
    trained = zerosum.train(name, **settings, **TINY[name], batch_size=4, steps=2)
    assert trained.outcome.finished
    samples = zerosum.load(tmp_path / "run").generator.with_seed(1)(0, 3)
    assert samples.shape == (3, 3, size, size)
    assert float(samples.float().std((1, 2, 3)).min()) > 0
