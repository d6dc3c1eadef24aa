"""A few images, which are scored quickly, and a tiny run: trained once, and copied for every test that changes it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import zerosum
from zerosum.data import load
from zerosum.folder import RunFolder
from zerosum.runs.loop import Stop

SMALL = {"width": 4, "kernel": 4, "batch_size": 16, "steps": 6}


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSUM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of 80 images in ten classes."""
    file = tmp_path_factory.mktemp("data") / "clothes.npz"
    data = load("fashion-mini")
    names = np.array([f"class {label}" for label in data.labels[::125]])
    np.savez(file, images=data.pixels[::125], labels=names)
    return f"npz:{file}"


@pytest.fixture(scope="session")
def small(clothes: str) -> Callable[..., RunFolder]:
    """``small(folder, seed=1)`` trains a tiny run with these settings, until ``stop`` where that is given."""

    def train(out: Path, *, stop: Stop | None = None, **settings: object) -> RunFolder:
        chosen = {"data": clothes, "out": str(out), "save_every": 2, "log_every": 1, **settings}
        return zerosum.train("dcgan", **chosen, stop=stop, **SMALL).folder  # type: ignore[arg-type]

    return train


@pytest.fixture(scope="session")
def small_run(small: Callable[..., RunFolder], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A tiny run, not to be written in."""
    return small(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture
def folder(small_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of the tiny run, to write in."""
    return RunFolder(shutil.copytree(small_run.path, tmp_path / "copy"))
