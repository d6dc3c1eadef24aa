"""The law of a run's labels: it is recorded, samples and scores follow it, and earlier runs keep the one they had."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zerosum
from zerosum.data import load
from zerosum.folder import RunFolder
from zerosum.latent.priors import labels
from zerosum.runs.sampler import BLOCK
from zerosum.runs.scoring import generated_samples

TINY = {"width": 4, "kernel": 4, "latent": 8, "batch_size": 16, "sample_every": 9, "watch": -1, "precision": "float32"}
SHARE = 0.125  # of the second of three classes; the third has none
pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from", "ignore:.*covariance")  # few samples are quick


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> str:
    """160 images, 20 of them of class few."""
    file = tmp_path_factory.mktemp("data") / "uneven.npz"
    names = np.where(np.arange(160) % 8 == 0, "few", "many")
    np.savez(file, images=load("fashion-mini").pixels[:160], labels=names)
    return f"npz:{file}"


@pytest.fixture(scope="module")
def trained(uneven: str, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("runs") / "cgan"
    return zerosum.train("cgan", data=uneven, out=str(out), **TINY, steps=2, save_every=1).folder


@pytest.fixture
def folder(trained: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy to write in."""
    return RunFolder(shutil.copytree(trained.path, tmp_path / "run"))


def shares(folder: RunFolder) -> dict[int, float]:
    y = zerosum.load(folder.path).generator.latents(0, 2_000)[1]
    return {label: count / 2_000 for label, count in Counter(y.tolist()).items()}


def protocols(folder: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line)["score"]["protocol"] for line in folder.scores.read_text().splitlines()]


def backdate(folder: RunFolder) -> None:
    """As a version that knew no other law than the uniform one recorded it."""
    record = folder.record()
    del record["labels"]
    folder.write_record(record)


def test_samples_are_as_frequent_as_the_data_even_where_these_are_gone(folder: RunFolder) -> None:
    assert folder.record()["labels"] == {"law": "empirical", "counts": [20, 140]}
    record = folder.record()
    record["settings"]["data"] = record["data"]["name"] = "npz:gone.npz"
    folder.write_record(record)
    found = shares(folder)
    assert abs(found[0] - SHARE) < 4 * (SHARE * (1 - SHARE) / 2_000) ** 0.5
    y = zerosum.load(folder.path).generator.of_classes([1, 0]).latents(0, 6)[1]
    assert y.tolist() == [1, 0, 1, 0, 1, 0]  # classes that are asked for stay


def test_scores_say_so(folder: RunFolder) -> None:
    assert {p["labels"] for p in protocols(folder) if p["sample_kind"] != "real"} == {"empirical"}
    zerosum.evaluate(folder.path, metrics="pr", features="shipped", count=40)
    assert protocols(folder)[-1]["labels"] == "empirical"


def test_a_run_of_before_keeps_its_uniform_labels(folder: RunFolder) -> None:
    backdate(folder)
    found = zerosum.load(folder.path).generator
    assert abs(shares(folder)[0] - 0.5) < 4 * (0.25 / 2_000) ** 0.5
    rng = zerosum.core.random.generator(0, "sample", 0)
    z, y = torch.rand(BLOCK, 8, generator=rng) * 2 - 1, labels(2)(BLOCK, rng)
    assert torch.equal(found.latents(0, BLOCK)[0], z)
    assert torch.equal(found.latents(0, BLOCK)[1], y)


def test_and_goes_on_with_them(folder: RunFolder) -> None:
    backdate(folder)
    before = zerosum.load(folder.path).generator.latents(0, 100)
    folder.scores.unlink()
    zerosum.resume(folder.path, steps=3)
    assert "labels" not in folder.record()
    after = zerosum.load(folder.path).generator.latents(0, 100)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert {p["labels"] for p in protocols(folder) if p["sample_kind"] != "real"} == {"uniform"}


def test_samples_of_either_law_are_not_taken_for_the_same(folder: RunFolder) -> None:
    def scored() -> str:
        setup, sampler, step = zerosum.runs.api.open_run(folder.path)
        return generated_samples(sampler, setup, step, 10).fingerprint

    now = scored()
    backdate(folder)
    assert scored() != now


def test_a_recipe_whose_paper_draws_classes_evenly_does(uneven: str, tmp_path: Path) -> None:
    run = zerosum.train("ac-gan", data=uneven, out=str(tmp_path / "run"), **TINY, steps=1)
    assert run.folder.record()["labels"] == {"law": "uniform", "counts": [1, 1]}
    assert abs(shares(run.folder)[0] - 0.5) < 4 * (0.25 / 2_000) ** 0.5
    plain = zerosum.train("dcgan", data=uneven, out=str(tmp_path / "plain"), **TINY, steps=1)
    assert "labels" not in plain.folder.record()
    assert not any("labels" in p for p in protocols(plain.folder))
