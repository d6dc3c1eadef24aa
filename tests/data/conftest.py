"""Pictures with known pixels, and a cache that no two tests share."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zerosum.data import Images, load


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ZEROSUM_CACHE", str(folder))
    return folder


@pytest.fixture
def png() -> Callable[..., bytes]:
    """``png(height, width, channels, seed)``: noise, so that wrong crops, flips and resizes show."""

    def make(height: int = 8, width: int = 8, channels: int = 3, seed: int = 0, **options: Any) -> bytes:
        values = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(values if channels > 1 else values[..., 0]).save(out, format="PNG", **options)
        return out.getvalue()

    return make


@pytest.fixture
def folder(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    """Six colour images of 8 x 8 in two classes."""
    for i in range(6):
        path = tmp_path / "pets" / ("cat" if i % 2 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed=i))
    return tmp_path / "pets"


@pytest.fixture(scope="session")
def load_images() -> Callable[..., Images]:
    """``load_images(source, **options)``: what ``load`` gives for a source of images."""

    def loaded(source: str, **options: Any) -> Images:
        data = load(source, **options)
        assert isinstance(data, Images)
        return data

    return loaded
