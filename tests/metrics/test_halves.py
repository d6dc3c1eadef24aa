"""fd_fashion and fd_random against scipy on features computed directly; order of spoiled images; class shares."""

import dataclasses
import hashlib
import io

import numpy as np
import pytest
import torch
from metric_helpers import as_images, frechet_by_scipy, sampler_of
from PIL import Image

from zerosum.data.images import Images
from zerosum.metrics.features import load_classifier
from zerosum.metrics.features.find import find_extractor
from zerosum.metrics.features.shipped import Shipped
from zerosum.metrics.images import ImageSet, eight_bit, of_data
from zerosum.metrics.measures.halves import RealHalf, reference, split
from zerosum.metrics.score import Score
from zerosum.metrics.sides import see
from zerosum.metrics.suite import evaluate


def scored(
    images: torch.Tensor, data: Images, count: int | None = None, metrics: tuple[str, ...] | None = None
) -> dict[str, Score]:
    """Scores by name; of those that fit the data, or of these measures."""
    scores = evaluate(sampler_of(images), data, seed=0, count=count, metrics=metrics)
    return {score.name: score for score in scores}


def by_scipy(a: torch.Tensor, b: torch.Tensor) -> float:
    """Fréchet distance of the features of two sets of images, by numpy and scipy."""
    features = load_classifier().features
    sets = ([features(part).numpy() for part in images.split(100)] for images in (a, b))
    return frechet_by_scipy(*(np.concatenate(parts).astype(float) for parts in sets))


def test_distance_and_floor_equal_scipy(clothes: Images) -> None:
    ours, control = split(of_data(clothes), 200)
    real, other = as_images(clothes.pixels[ours]), as_images(clothes.pixels[control])
    noisy = (real + 0.3 * torch.randn(real.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    noisy = ((noisy + 1) * 127.5).round() / 127.5 - 1
    scores = scored(noisy, clothes, count=200)
    assert scores["fd_fashion"].value == pytest.approx(by_scipy(noisy, real), rel=1e-3)
    assert scores["fd_fashion_floor"].value == pytest.approx(by_scipy(other, real), rel=1e-3)
    assert scores["fd_fashion"].details["floor"] == scores["fd_fashion_floor"].value


@pytest.fixture(scope="module")
def coloured(clothes: Images) -> Images:
    """Clothes in colours of their classes, 40 pixels a side."""
    pixels = np.pad(clothes.pixels, ((0, 0), (4, 4), (4, 4), (0, 0)))
    tints = np.random.default_rng(0).integers(60, 256, (10, 3))[clothes.labels]
    return Images.of((pixels * (tints[:, None, None] / 255)).astype(np.uint8), name="coloured")


def test_colour_images_are_scored_without_a_download(coloured: Images) -> None:
    ours, control = split(of_data(coloured), 300)
    control_images = as_images(coloured.pixels[control])
    scores = scored(control_images, coloured, count=300)
    assert list(scores) == ["fd_random", "fd_random_floor", "ms_ssim"]
    extractor = find_extractor("random", (3, 40, 40))
    sets = [of_data(coloured).select(part).pixels() for part in (control, ours)]
    expected = frechet_by_scipy(*(extractor(pixels).vectors.double().numpy() for pixels in sets))
    assert scores["fd_random"].value == pytest.approx(expected, rel=1e-3)
    assert scores["fd_random"].value == pytest.approx(scores["fd_random_floor"].value, rel=1e-6)


def test_random_features_see_what_was_done_to_colour_images(clothes: Images, coloured: Images) -> None:
    control = split(of_data(coloured), 300)[1]
    images = as_images(coloured.pixels[control])
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    blurred = torch.nn.functional.avg_pool2d(images, 5, 1, 2, count_include_pad=False)
    grey = images.mean(1, keepdim=True).expand_as(images)
    few = images[clothes.labels[control] < 3]

    def distance(changed: torch.Tensor) -> float:
        return scored(changed, coloured, 300, ("fd_random",))["fd_random"].value

    floor = distance(images)
    noisy = [distance((images + level * noise).clamp(-1, 1)) for level in (0.05, 0.2, 0.8)]
    assert floor < noisy[0] < noisy[1] < noisy[2]
    changes = (blurred, grey, few, images.flip(1), 0 * images)
    assert min(map(distance, changes)) > 2 * floor


def test_each_measure_looks_through_its_own_features(clothes: Images) -> None:
    images = as_images(clothes.pixels[split(of_data(clothes), 100)[1]])
    both = scored(images, clothes, 100, ("fd_random", "fd_fashion", "ms-ssim"))
    for name in ("fd_random", "fd_fashion"):
        for score in scored(images, clothes, 100, (name,)).values():
            assert both[score.name] == score
    assert both["fd_random"].protocol["features_hash"] != both["fd_fashion"].protocol["features_hash"]
    assert "features_hash" not in both["ms_ssim"].protocol


def test_random_features_are_the_same_everywhere() -> None:
    extractor = find_extractor("random", (3, 64, 64))
    assert extractor.hash == "ee56b6f6b009"
    assert extractor(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)).vectors.shape == (2, extractor.dimensions)
    with pytest.raises(ValueError, match="8 pixels a side"):
        extractor(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))


def test_reference_scores_zero_and_control_scores_the_floor(clothes: Images) -> None:
    ours, control = split(of_data(clothes), 200)
    assert scored(as_images(clothes.pixels[ours]), clothes, count=200)["fd_fashion"].value < 1e-6
    held_out = scored(as_images(clothes.pixels[control]), clothes, count=200)
    assert held_out["fd_fashion"].value == pytest.approx(held_out["fd_fashion_floor"].value, rel=1e-6)


def test_noise_raises_the_distance(clothes: Images) -> None:
    control = as_images(clothes.pixels[split(of_data(clothes), 300)[1]])
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
    assert torch.equal(eight_bit(images), eight_bit(again))
    assert torch.equal(eight_bit(torch.tensor([-3.0, 3.0])), torch.tensor([0, 255], dtype=torch.uint8))


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
    images = of_data(clothes, 1199)
    ours, control = split(images)
    assert len(ours) == len(control) == 599
    assert not set(ours.tolist()) & set(control.tolist())
    few = split(images, 10)
    assert torch.equal(few[0], ours[:10])
    assert torch.equal(few[1], control[:10])
    for total, count in ((1200, 601), (1200, 1), (3, None)):
        with pytest.raises(ValueError, match="the count must be between 2 and"):
            split(of_data(clothes, total), count)


def test_the_halves_are_in_the_order_of_hashes(clothes: Images) -> None:
    hashes = [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in clothes.pixels]
    expected = sorted(range(len(hashes)), key=hashes.__getitem__)
    ours, control = split(of_data(clothes))
    half = len(expected) // 2
    assert (ours.tolist(), control.tolist()) == (expected[:half], expected[half : 2 * half])
    turned = clothes.subset(np.arange(len(clothes.pixels))[::-1], clothes.name)
    again = split(of_data(turned))
    assert np.array_equal(turned.pixels[again[0].numpy()], clothes.pixels[ours.numpy()])


def test_the_callers_autocast_changes_nothing(clothes: Images) -> None:
    images = of_data(clothes, 150)
    expected = see(images, Shipped(), cached=False)
    with torch.autocast("cpu", torch.bfloat16):
        found = see(images, Shipped(), cached=False)
    assert torch.equal(found.moments.scatter, expected.moments.scatter)


def test_the_reference_is_computed_once(clothes: Images) -> None:
    def known(images: ImageSet) -> RealHalf:
        return reference(images, 100, Shipped(), frozenset())

    first = known(of_data(clothes))
    blank = dataclasses.replace(clothes, pixels=np.zeros_like(clothes.pixels))
    assert known(of_data(blank)) is first
    other = dataclasses.replace(blank, fingerprint="another")
    assert float(known(of_data(other)).statistics.covariance.abs().max()) < 1e-9


def test_protocol_and_progress(clothes: Images) -> None:
    asked: list[tuple[int, int]] = []
    told: list[tuple[int, int]] = []

    def sampler(start: int, n: int) -> torch.Tensor:
        asked.append((start, n))
        return torch.zeros(n, 1, 32, 32)

    scores = evaluate(
        sampler,
        clothes,
        metrics=["fd_fashion"],
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
