"""Tiny runs, made once: of images, of points, and of points that no score fits."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from zerosum import train
from zerosum.cli.main import run
from zerosum.data import load


class Runs(NamedTuple):
    images: Path
    points: Path
    unscored: Path
    pixels: Path  # the npz file that `images` was trained on
    classes: Path  # of a generator that is told one of three classes: bag, coat, dress


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSUM_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("COLUMNS", "200")
        yield


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("runs")
    pixels = folder / "clothes.npz"
    np.savez(pixels, images=load("fashion-mini").pixels[::125])
    made = Runs(folder / "images", folder / "points", folder / "unscored", pixels, folder / "classes")
    every = {"sample_every": 2, "save_every": 2}
    images = dict(data=f"npz:{pixels}", out=str(made.images), eval_every=2, precision="float32", **every)
    # At such a rate a few steps make images that differ from one another: tests compare grey levels.
    train("dcgan", **images, latent=8, width=4, kernel=4, lr=0.1, batch_size=8, steps=4)
    train("gan", data="ring", out=str(made.points), precision="float32", **every, latent=4, steps=2)
    unscored(made.points, made.unscored)
    labelled = folder / "labelled.npz"
    names = np.array(["coat", "bag", "dress", "bag"] * 20)
    np.savez(labelled, images=np.load(pixels)["images"], labels=names)
    classes = dict(data=f"npz:{labelled}", out=str(made.classes), precision="float32", **every)
    train("cgan", **classes, latent=8, width=4, kernel=4, lr=0.1, batch_size=8, steps=4)
    return made


def unscored(points: Path, path: Path) -> None:
    """The run of points, as if it had been of points that no score fits."""
    shutil.copytree(points, path)
    for file in ("scores.jsonl", "state/best.json"):
        (path / file).unlink()
    record = json.loads((path / "run.json").read_text())
    record["settings"]["data"] = record["data"]["name"] = "swiss-roll"
    record["data"]["fingerprint"] = load("swiss-roll").fingerprint
    (path / "run.json").write_text(json.dumps(record))


@pytest.fixture
def image_run(runs: Runs, tmp_path: Path) -> Path:
    """A copy to write in."""
    return shutil.copytree(runs.images, tmp_path / "images")


@pytest.fixture
def point_run(runs: Runs, tmp_path: Path) -> Path:
    """A copy to write in."""
    return shutil.copytree(runs.points, tmp_path / "points")


@pytest.fixture
def class_run(runs: Runs, tmp_path: Path) -> Path:
    """A copy to write in."""
    return shutil.copytree(runs.classes, tmp_path / "classes")


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def zerosum(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """``zerosum("verb", ...)`` in an empty folder: the exit code, and what was printed."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def call(*words: object) -> Said:
        capsys.readouterr()
        code = run([str(word) for word in words])
        return Said(code, *capsys.readouterr())

    return call
