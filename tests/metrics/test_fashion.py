"""fd_fashion against scipy on features computed directly; order of spoiled images; class shares of chosen images."""

import dataclasses
import io

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image

from zerosum.data.images import Images
from zerosum.metrics import fashion
from zerosum.metrics.features import load_classifier
from zerosum.metrics.score import Score


def as_images(pixels: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, C) -> float32 (N, C, H, W) in [-1, 1]."""
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)


def sampler_of(images: torch.Tensor) -> fashion.Sampler:
    """Gives the images in order, over and over."""
    return lambda start, n: images[torch.arange(start, start + n) % len(images)]


def scored(images: torch.Tensor, data: Images, count: int | None = None) -> dict[str, Score]:
    return {score.name: score for score in fashion.score_fashion(sampler_of(images), data, seed=0, count=count)}


def by_scipy(a: torch.Tensor, b: torch.Tensor) -> float:
    """Fréchet distance of the features of two sets of images, by numpy and scipy."""
    features = load_classifier().features
    x, y = (np.concatenate([features(part).numpy() for part in images.split(100)]).astype(float) for images in (a, b))
    c, d = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(c @ d).real
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c + d - 2 * root))


def test_distance_and_floor_equal_scipy(clothes: Images) -> None:
    ours, control = fashion.split(1200, 200)
    real, other = as_images(clothes.pixels[ours]), as_images(clothes.pixels[control])
    noisy = (real + 0.3 * torch.randn(real.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    noisy = ((noisy + 1) * 127.5).round() / 127.5 - 1
    scores = scored(noisy, clothes, count=200)
    assert scores["fd_fashion"].value == pytest.approx(by_scipy(noisy, real), rel=1e-3)
    assert scores["fd_fashion_floor"].value == pytest.approx(by_scipy(other, real), rel=1e-3)
    assert scores["fd_fashion"].details["floor"] == scores["fd_fashion_floor"].value


def test_reference_scores_zero_and_control_scores_the_floor(clothes: Images) -> None:
    ours, control = fashion.split(1200, 200)
    assert scored(as_images(clothes.pixels[ours]), clothes, count=200)["fd_fashion"].value < 1e-6
    held_out = scored(as_images(clothes.pixels[control]), clothes, count=200)
    assert held_out["fd_fashion"].value == pytest.approx(held_out["fd_fashion_floor"].value, rel=1e-6)


def test_noise_raises_the_distance(clothes: Images) -> None:
    control = as_images(clothes.pixels[fashion.split(1200, 300)[1]])
    noise = torch.randn(control.shape, generator=torch.Generator().manual_seed(1))
    levels = [scored(control + level * noise, clothes, count=300)["fd_fashion"] for level in (0.0, 0.1, 0.3, 0.9)]
    values = [score.value for score in levels]
    assert values == sorted(values)
    assert values[1] > 1.2 * values[0]
    assert values[3] > 20 * levels[0].details["floor"]


def test_a_saved_file_scores_as_its_tensor(clothes: Images) -> None:
    rng = torch.Generator().manual_seed(2)
    images = torch.tanh(2 * torch.randn(40, 1, 32, 32, generator=rng))
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(((image[0] + 1) * 127.5).round().to(torch.uint8).numpy()).save(file, "PNG")
        files.append(np.asarray(Image.open(file)))
    again = as_images(np.stack(files)[..., None])
    assert not torch.equal(images, again)
    assert torch.equal(fashion.eight_bit(images), fashion.eight_bit(again))
    assert torch.equal(fashion.eight_bit(torch.tensor([-3.0, 3.0])), torch.tensor([0, 255], dtype=torch.uint8))


def test_shares_of_chosen_classes(clothes: Images) -> None:
    trousers, bags = (as_images(clothes.pixels[clothes.labels == label]) for label in (1, 8))
    both = scored(torch.cat([trousers, bags]), clothes, count=240)["classes"]
    assert both.value == 2
    assert both.details["Trouser"] == pytest.approx(0.5, abs=0.04)
    assert both.details["Bag"] == pytest.approx(0.5, abs=0.04)
    assert sum(both.details.values()) == pytest.approx(1)
    # The set is in order of class; every fourth image has all ten.
    every = scored(as_images(clothes.pixels[::4]), clothes, count=300)["classes"]
    verdicts = load_classifier()(as_images(clothes.pixels[::4])).argmax(dim=1).numpy()
    assert every.value == 10
    assert every.short().startswith("classes 10 of 10 (300 generated vs 300 of clothes")
    assert list(every.details) == list(clothes.classes)
    assert list(every.details.values()) == list(np.bincount(verdicts, minlength=10) / 300)


def test_no_verdicts_where_the_classifier_does_not_know_the_classes(clothes: Images) -> None:
    images = as_images(clothes.pixels[:100])
    shuffled = np.random.default_rng(0).permutation(clothes.labels)
    wrong = Images.of(clothes.pixels, shuffled, name="wrong", classes=clothes.classes)
    assert "classes" not in scored(images, wrong, count=100)
    unlabelled = Images.of(clothes.pixels, name="unlabelled")
    assert set(scored(images, unlabelled, count=100)) == {"fd_fashion", "fd_fashion_floor"}


def test_the_split_is_fixed_disjoint_and_nested(clothes: Images) -> None:
    ours, control = fashion.split(1201)
    assert len(ours) == len(control) == 600
    assert not set(ours.tolist()) & set(control.tolist())
    few = fashion.split(1201, 10)
    assert torch.equal(few[0], ours[:10])
    assert torch.equal(few[1], control[:10])
    first = clothes.split_halves()[0]
    assert np.array_equal(first.pixels, clothes.pixels[np.sort(fashion.split(1200)[0].numpy())])
    for total, count in ((1200, 601), (1200, 1), (3, None)):
        with pytest.raises(ValueError, match="the count must be between 2 and"):
            fashion.split(total, count)


def test_the_callers_autocast_changes_nothing(clothes: Images) -> None:
    images = torch.from_numpy(clothes.pixels[:150]).permute(0, 3, 1, 2)
    expected = fashion.judge([images])
    with torch.autocast("cpu", torch.bfloat16):
        found = fashion.judge([images])
    assert torch.equal(found.statistics.scatter, expected.statistics.scatter)


def test_the_reference_is_computed_once(clothes: Images) -> None:
    first = fashion.reference(clothes, 100)
    blank = dataclasses.replace(clothes, pixels=np.zeros_like(clothes.pixels))
    assert fashion.reference(blank, 100) is first
    other = dataclasses.replace(blank, fingerprint="another")
    assert float(fashion.reference(other, 100).statistics.covariance.abs().max()) < 1e-9


def test_protocol_and_progress(clothes: Images) -> None:
    asked: list[tuple[int, int]] = []
    told: list[tuple[int, int]] = []

    def sampler(start: int, n: int) -> torch.Tensor:
        asked.append((start, n))
        return torch.zeros(n, 1, 32, 32)

    scores = fashion.score_fashion(
        sampler,
        clothes,
        seed=7,
        count=600,
        progress=lambda done, total: told.append((done, total)),
        extra={"ema": True},
    )
    assert asked == [(0, 250), (250, 250), (500, 100)]
    assert told == [(250, 600), (500, 600), (600, 600)]
    protocol = scores[0].protocol
    assert protocol["reference_fingerprint"] == clothes.fingerprint
    assert (protocol["reference_count"], protocol["samples"], protocol["seed"], protocol["ema"]) == (600, 600, 7, True)
    assert (
        scores[0].short().endswith(f"(600 generated vs 600 of clothes, features {protocol['features_hash']}, seed 7)")
    )
    assert "seed" not in scores[1].protocol
