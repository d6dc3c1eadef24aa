"""``fd_dinov2`` and ``cmmd`` from images to scores, on small networks with random weights."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from metric_helpers import frechet_by_scipy
from pretended import DEVICE, PretendedDevice
from torch import Tensor

import zerosum as zs
from zerosum.cli.main import main
from zerosum.errors import UsageError
from zerosum.metrics import CMMD, FDDINOv2, Metric
from zerosum.metrics.features.clip import ClipVision
from zerosum.metrics.features.dinov2 import DinoV2
from zerosum.metrics.features.frozen import freeze
from zerosum.metrics.features.transformer_extractor import TransformerExtractor
from zerosum.metrics.registry import direction_of, measures

sys.path.insert(0, str(Path(__file__).parent / "features"))
from random_weights import random_images
from transformer_layout_names import SMALL_CLIP, SMALL_DINO, transformer

DINO = replace(SMALL_DINO, depth=1, width=12, heads=1)
CLIP = replace(SMALL_CLIP, depth=1, width=12, heads=1, projection=8)
REALS, FAKES = random_images("reals", 26, 9, 12), random_images("fakes", 22, 9, 12)

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")


@pytest.fixture(scope="module")
def extractors() -> dict[str, TransformerExtractor]:
    return {"dinov2": DinoV2(transformer(DINO)), "clip": ClipVision(transformer(CLIP))}


@pytest.fixture(autouse=True)
def small(extractors: dict[str, TransformerExtractor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks in place of published weights, and a cache of our own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    for kind, name in ((DinoV2, "dinov2"), (ClipVision, "clip")):
        monkeypatch.setattr(kind, "load", classmethod(lambda cls, name=name, **how: extractors[name]))


@pytest.fixture(scope="module")
def vectors(extractors: dict[str, TransformerExtractor]) -> dict[str, list[np.ndarray]]:
    """Features of real and generated images, float64."""
    return {
        name: [extractor(images).vectors.double().numpy() for images in (REALS, FAKES)]
        for name, extractor in extractors.items()
    }


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The authors' formula, in float64."""

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        squared = ((a[:, None] - b[None]) ** 2).sum(-1)
        return float(np.exp(-squared / 200).mean())

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def test_scores_are_those_of_the_features_by_hand(vectors: dict[str, list[np.ndarray]]) -> None:
    found = zs.evaluate(FAKES, against=REALS, metrics="fd_dinov2,cmmd")
    assert list(found) == ["fd_dinov2", "cmmd"]
    assert found["fd_dinov2"].value == pytest.approx(frechet_by_scipy(*vectors["dinov2"]), rel=1e-5)
    assert found["cmmd"].value == pytest.approx(kernel_distance(*vectors["clip"]), rel=1e-5)
    told = found["cmmd"].protocol
    assert [told[key] for key in ("sigma", "scale", "estimate")] == [10, 1000, "biased"]
    assert (told["features"], told["resize"]) == ("clip", "centre square, pillow bicubic in 8 bits to 336")
    assert (told["samples"], told["reference_count"]) == (22, 26)
    told = found["fd_dinov2"].protocol
    assert (told["features"], told["resize"]) == ("dinov2", "pillow bicubic in 8 bits to 224")
    assert direction_of("fd_dinov2") == direction_of("cmmd") == "lower"


def test_fid_on_these_features_is_the_same_score(vectors: dict[str, list[np.ndarray]]) -> None:
    own = zs.evaluate(FAKES, against=REALS, metrics="fd_dinov2")["fd_dinov2"]
    other = zs.evaluate(FAKES, against=REALS, metrics="fid", features="dinov2")["fid"]
    assert (other.name, other.value, other.protocol) == (own.name, own.value, own.protocol)
    assert zs.evaluate(FAKES, against=REALS, metrics="fid", features="clip")["fid"].name == "fd_clip"


@pytest.mark.parametrize(("kind", "name"), [(FDDINOv2, "fd_dinov2"), (CMMD, "cmmd")])
def test_objects_give_the_scores_of_evaluate(kind: type[Metric], name: str) -> None:
    wanted = zs.evaluate(FAKES, against=REALS, metrics=name)[name]
    metric, later = kind(), kind()
    for images in REALS.split(11):
        metric.update(images, real=True)
    metric.update(FAKES[:9], real=False)
    later.update(FAKES[9:].float() / 127.5 - 1, real=False)
    score = metric.merge(later).compute()
    assert score.name == name
    assert score.value == pytest.approx(wanted.value, rel=1e-6)
    assert {key: score.protocol[key] for key in measures()[name].constants} == dict(measures()[name].constants)
    # In another order, which changes nothing.
    metric.reset(keep_real=True)
    metric.update(FAKES.flip(0), real=False)
    assert metric.compute().value == pytest.approx(wanted.value, rel=1e-6)
    with pytest.raises(TypeError):
        kind(features="inception")  # type: ignore[call-arg]


def command(*words: str) -> int:
    """The exit status of a command."""
    try:
        main(["eval", *words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def save(name: str, images: Tensor) -> None:
    np.savez(f"{name}.npz", images.permute(0, 2, 3, 1).numpy())


def test_saved_statistics_stand_for_the_images(
    vectors: dict[str, list[np.ndarray]], capsys: pytest.CaptureFixture[str]
) -> None:
    save("reals", REALS)
    save("fakes", FAKES)
    assert command("reals.npz", "--save-stats", "ref.npz", "--features", "dinov2") == 0
    with np.load("ref.npz", allow_pickle=False) as stored:
        assert sorted(stored.files) == ["mu", "sigma", "zerosum"]
        np.testing.assert_allclose(stored["mu"], vectors["dinov2"][0].mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(stored["sigma"], np.cov(vectors["dinov2"][0], rowvar=False), rtol=1e-3, atol=1e-5)
    capsys.readouterr()
    assert command("fakes.npz", "--against", "stats:ref.npz", "--metrics", "fd_dinov2", "--json") == 0
    (score,) = json.loads(capsys.readouterr().out)["scores"]
    assert score["value"] == pytest.approx(frechet_by_scipy(*vectors["dinov2"]), rel=1e-5)
    with pytest.raises(UsageError, match=r"metrics=cmmd: needs the real images, .*fd_dinov2, fid"):
        zs.evaluate("fakes.npz", against="stats:ref.npz", metrics="cmmd")
    with pytest.raises(UsageError, match="statistics of features 'dinov2', not 'random': take the same"):
        zs.evaluate("fakes.npz", against="stats:ref.npz", metrics="fid", features="random")


def test_statistics_of_another_resize_or_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    save("reals", REALS[:20])
    assert command("reals.npz", "--save-stats", "ref.npz", "--features", "dinov2") == 0
    other = DinoV2(transformer(DINO), "clean")
    monkeypatch.setattr(DinoV2, "load", classmethod(lambda cls, **how: other))
    with pytest.raises(
        UsageError, match="statistics of resize 'pillow bicubic in 8 bits to 224', not 'clean bicubic to"
    ):
        zs.evaluate(FAKES, against="stats:ref.npz", metrics="fd_dinov2")
    retrained = DinoV2(transformer(DINO))
    retrained.hash = "0" * 12
    monkeypatch.setattr(DinoV2, "load", classmethod(lambda cls, **how: retrained))
    with pytest.raises(UsageError, match=r"statistics of features hash '[0-9a-f]{12}', not '000000000000'"):
        zs.evaluate(FAKES, against="stats:ref.npz", metrics="fd_dinov2")


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("any", "--metrics", "help") == 0
    said = capsys.readouterr().out
    assert "Fréchet distance on DINOv2's features (Stein 2023)" in said
    assert "kernel distance of CLIP embeddings (Jayasumana 2024)" in said


@pytest.mark.parametrize("name", ["dinov2", "clip"])
@pytest.mark.parametrize(("height", "width"), [(9, 12), (300, 40)])
def test_features_on_a_device_are_those_of_the_cpu(
    extractors: dict[str, TransformerExtractor], name: str, height: int, width: int
) -> None:
    images = random_images("device", 2, height, width)
    wanted = extractors[name](images).vectors
    moved = copy.copy(extractors[name])
    with PretendedDevice():
        moved.device = DEVICE
        moved._mean, moved._std = moved._mean.to(DEVICE), moved._std.to(DEVICE)
        there = {key: value.to(DEVICE) for key, value in moved._network.state_dict().items()}
        network = copy.deepcopy(moved._network)
        network.load_state_dict(there, assign=True)
        moved._network = freeze(network, DEVICE)
        found = moved(images).vectors
        assert found.device == DEVICE
        torch.testing.assert_close(found.cpu(), wanted, rtol=1e-5, atol=1e-5)
