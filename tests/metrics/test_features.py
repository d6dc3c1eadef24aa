"""The shipped weights: size, identity, accuracy on images they never saw, and the network recomputed by hand."""

import hashlib

import numpy as np
import pytest
import torch
from metric_helpers import as_images
from safetensors.numpy import load_file
from scipy.signal import correlate2d

from zerosum.data.images import Images
from zerosum.metrics.features import classifier_record, features_hash, load_classifier
from zerosum.metrics.features.shipped import WEIGHTS

KNOWN = 0.925  # share of the first 120 images of each class of fashion-mini, all learned from, that it names


def test_the_file_is_small_and_half_precision() -> None:
    assert WEIGHTS.stat().st_size < 1_000_000
    assert {str(array.dtype) for array in load_file(WEIGHTS).values()} == {"float16"}


def test_the_hash_is_that_of_the_file() -> None:
    assert features_hash() == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    # Whoever changes the weights changes every score: this line must be changed with them, knowingly.
    assert features_hash()[:12] == "cf580347b1c0"


def test_the_record_says_how_it_was_made() -> None:
    record = classifier_record()
    assert record["command"].startswith("python tools/train_classifier.py --epochs ")
    assert record["train_images"] == "60000"
    assert record["test_images"] == "10000"
    assert float(record["test_accuracy"]) >= 0.91


def test_it_names_clothes_that_it_learned_from_a_little_better_than_held_out_ones(clothes: Images) -> None:
    with torch.inference_mode():
        verdicts = load_classifier()(as_images(clothes.pixels)).argmax(dim=1).numpy()
    accuracy = float((verdicts == clothes.labels).mean())
    assert accuracy == pytest.approx(KNOWN, abs=2.5 / 1200)  # a near tie may fall otherwise on another processor
    assert 0 < accuracy - float(classifier_record()["test_accuracy"]) < 0.03


def test_features_and_logits_recomputed_by_hand() -> None:
    weights = {name: array.astype(np.float64) for name, array in load_file(WEIGHTS).items()}
    image = np.random.default_rng(0).uniform(-1, 1, size=(1, 32, 32))
    maps = image
    for layer, stride in enumerate([2, 2, 1, 1]):
        prefix = f"trunk.{layer}"
        kernels = weights[f"{prefix}.0.weight"]
        edge = kernels.shape[-1] // 2
        padded = np.pad(maps, ((0, 0), (edge, edge), (edge, edge)))
        sums = [sum(correlate2d(m, k, "valid") for m, k in zip(padded, kernel, strict=True)) for kernel in kernels]
        mean, variance, scale, shift = (
            weights[f"{prefix}.1.{name}"][:, None, None] for name in ("running_mean", "running_var", "weight", "bias")
        )
        normalised = (np.stack(sums)[:, ::stride, ::stride] - mean) / np.sqrt(variance + 1e-5) * scale + shift
        maps = np.maximum(normalised, 0)
    features = maps.mean(axis=(1, 2))
    classifier, batch = load_classifier(), torch.from_numpy(image[None].astype(np.float32))
    np.testing.assert_allclose(classifier.features(batch)[0], features, rtol=1e-4, atol=1e-5)
    logits = weights["head.weight"] @ features + weights["head.bias"]
    np.testing.assert_allclose(classifier(batch)[0], logits, rtol=1e-4, atol=1e-4)


def test_the_classifier_is_frozen_shared_and_deterministic() -> None:
    classifier = load_classifier()
    assert load_classifier() is classifier
    assert not classifier.training
    assert not any(p.requires_grad for p in classifier.parameters())
    images = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    together = classifier.features(images)
    assert together.shape == (6, 64)
    assert torch.equal(together, classifier.features(images))
    # An image's features do not depend on its company: no batch statistics, no dropout.
    torch.testing.assert_close(together[2:3], classifier.features(images[2:3]))


@pytest.mark.parametrize("shape", [(4, 3, 32, 32), (4, 1, 28, 28), (1, 32, 32)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(B, 1, 32, 32\)"):
        load_classifier().features(torch.zeros(shape))
