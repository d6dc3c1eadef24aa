"""From Python: images, labels and points of one's own, trained on and gone on with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import zerosum as zs
from zerosum.cli.main import run as run_verb
from zerosum.errors import DataError, UsageError

FEW: dict[str, Any] = {"sample_every": 9, "watch": -1, "precision": "float32", "progress": False}
TINY = {"width": 4, "latent": 2, "batch_size": 4, "steps": 2}


def pictures(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), np.uint8)


IMAGES: dict[str, Any] = {"width": 4, "kernel": 4, "latent": 4, "batch_size": 4, "steps": 2, "eval_every": 0}


@pytest.mark.parametrize(
    "give",
    [
        lambda x: x,
        lambda x: torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255,
        lambda x: TensorDataset(torch.from_numpy(x).permute(0, 3, 1, 2)),
        lambda x: zs.data.load(x),
    ],
)
def test_images_of_any_form_are_trained_on_and_the_run_goes_on_with_the_same(
    tmp_path: Path, give: Callable[[np.ndarray], Any]
) -> None:
    data = give(pictures())
    run = zs.train("dcgan", data=data, out=str(tmp_path / "run"), **IMAGES, **FEW)
    assert run.record["data"]["given"] is True
    assert run.generator.sample(5, seed=1).shape == (5, 3, 16, 16)
    assert zs.load(run.path).sample(5, seed=1).equal(run.sample(5, seed=1))  # needs no data
    with pytest.raises(UsageError, match=r"given in Python \(.*\): give them again, as data="):
        zs.resume(run.path, steps=3)
    with pytest.raises(UsageError, match="content has changed"):
        zs.resume(run.path, data=pictures()[::-1], steps=3, progress=False)
    assert zs.resume(run.path, data=give(pictures()), steps=3, progress=False).outcome.step == 3
    assert zs.resume(run, steps=4, progress=False).outcome.step == 4  # the run holds them


def test_a_resumed_run_on_arrays_is_the_run_that_never_stopped(tmp_path: Path) -> None:
    whole = zs.train("dcgan", data=pictures(), out=str(tmp_path / "a"), **{**IMAGES, "steps": 5}, **FEW)
    part = zs.train("dcgan", data=pictures(), out=str(tmp_path / "b"), **{**IMAGES, "steps": 5, "save_every": 2}, **FEW)
    (tmp_path / "b" / "state" / "step-000000005").rename(tmp_path / "gone")
    again = zs.resume(part.path, data=torch.from_numpy(pictures()).permute(0, 3, 1, 2), progress=False)
    assert again.outcome.step == 5
    for name, network in whole.networks.items():
        for key, tensor in network.state_dict().items():
            assert again.networks[name].state_dict()[key].equal(tensor), key


def test_labels_beside_arrays_are_classes(tmp_path: Path) -> None:
    labels = np.array(["cat", "dog", "cow"] * 4)
    run = zs.train("cgan", data=pictures(), labels=labels, out=str(tmp_path / "run"), **IMAGES, **FEW)
    assert run.generator.names == ("cat", "cow", "dog")
    assert run.generator.sample(4, classes=["dog", 0]).shape == (4, 3, 16, 16)
    assert run.sample(2, classes="cow").equal(run.sample(2, classes=1))
    assert zs.load(run.path).sample(2, classes="cow").equal(run.sample(2, classes=1))
    with pytest.raises(UsageError, match=r"no class 'caw'. Did you mean 'cow'\? Classes: cat, cow, dog"):
        run.sample(2, classes="caw")
    with pytest.raises(UsageError, match="no class 3: they are numbered from 0 to 2"):
        run.sample(2, classes=3)
    with pytest.raises(DataError, match="labels"):
        zs.train("cgan", data=pictures(), labels=labels[:-1])
    with pytest.raises(DataError, match="has its own"):
        zs.train("cgan", data="fashion-mini", labels=labels)


def test_points_of_ones_own_are_trained_on(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(50, 2))
    run = zs.train("gan", data=points, out=str(tmp_path / "run"), **TINY, **FEW)
    assert run.sample(3).shape == (3, 2)
    assert run_verb(["sample", str(run.path), "--out", str(tmp_path / "x.png")]) == 0


def test_a_name_is_a_source_and_a_path_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for i, image in enumerate(pictures()):
        Image.fromarray(image).save(tmp_path / "photos" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    run = zs.train("dcgan", data="photos/", size=16, out="run", **IMAGES, **FEW)
    assert run.record["settings"]["data"].startswith("folder:photos")
    assert run.record["data"]["given"] is False
    assert zs.resume("run", steps=3, progress=False).outcome.step == 3
