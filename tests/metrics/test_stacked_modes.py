"""Modes of stacks built here from scikit-learn's digits, whose labels are known."""

import math

import numpy as np
import pytest
import torch

from zerosum.core.random import generator
from zerosum.data import load
from zerosum.data.images import Images
from zerosum.metrics.features.stacked_classifier import (
    WEIGHTS,
    DigitClassifier,
    digit_classifier_hash,
    digit_classifier_record,
    load_digit_classifier,
)
from zerosum.metrics.shared.stacked import measure_stacked, stacked_labels


@pytest.fixture(scope="module")
def digits() -> Images:
    pytest.importorskip("sklearn")
    found = load("digits", size=32)
    assert isinstance(found, Images)
    return found


@pytest.fixture(scope="module")
def held_out(digits: Images) -> tuple[torch.Tensor, torch.Tensor]:
    """The 360 digits that the tool left out: uint8 (360, 32, 32) and labels."""
    chosen = torch.randperm(len(digits.pixels), generator=generator("digits held out"))[:360]
    return torch.from_numpy(digits.pixels[..., 0])[chosen], torch.from_numpy(digits.labels)[chosen]


def test_the_stated_accuracy_is_that_of_the_shipped_weights(held_out) -> None:
    pixels, labels = held_out
    verdicts = load_digit_classifier()(pixels[:, None].float() / 127.5 - 1).argmax(dim=1)
    right = float((verdicts == labels).double().mean())
    record = digit_classifier_record()
    assert float(record["test_accuracy"]) == pytest.approx(right, abs=5e-5)
    assert right > 0.98
    assert (record["train_images"], record["test_images"]) == ("1437", "360")
    assert WEIGHTS.stat().st_size < 200_000
    assert len(digit_classifier_hash()) == 64


def test_each_channel_is_a_place_of_the_number(held_out) -> None:
    pixels, labels = held_out
    verdicts = load_digit_classifier()(pixels[:, None].float() / 127.5 - 1).argmax(dim=1)
    rng = np.random.default_rng(0)
    chosen = torch.from_numpy(rng.integers(0, 360, (500, 3)))
    found = stacked_labels(pixels[chosen])
    assert torch.equal(found, verdicts[chosen] @ torch.tensor([100, 10, 1]))
    # Three digits are right in about 0.99^3 of the stacks, and nothing else hides behind that.
    truth = labels[chosen] @ torch.tensor([100, 10, 1])
    assert float((found == truth).double().mean()) > 0.94


def test_every_mode_is_found_and_the_divergence_small(digits: Images) -> None:
    # One true digit of each class, stacked in all 1,000 ways: every mode once.
    pixels, labels = torch.from_numpy(digits.pixels[..., 0]), torch.from_numpy(digits.labels)
    verdicts = torch.cat([load_digit_classifier()(x[:, None].float() / 127.5 - 1).argmax(1) for x in pixels.split(300)])
    first = torch.stack([((labels == d) & (verdicts == d)).nonzero()[0, 0] for d in range(10)])
    ways = torch.cartesian_prod(*[torch.arange(10)] * 3)
    images = pixels[first[ways]]
    found = measure_stacked(images.split(300))
    assert (found.samples, found.modes, found.covered, found.divergence) == (1000, 1000, 1000, 0.0)
    assert measure_stacked([images.flip(0)]) == found
    collapsed = measure_stacked([images[123:124].expand(50, -1, -1, -1)])
    assert collapsed.covered == 1
    assert collapsed.divergence == pytest.approx(math.log(1000))


def test_the_divergence_is_to_the_data_s_histogram(held_out) -> None:
    pixels, _ = held_out
    images = pixels[torch.arange(360).view(120, 3)]
    modes = stacked_labels(images)
    # Data spread as the samples are: nothing to diverge from; data without some of the modes: no bound.
    assert measure_stacked([images], reference=modes.repeat(2)).divergence == pytest.approx(0, abs=1e-12)
    assert measure_stacked([images], reference=modes[:5]).divergence == math.inf


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"uint8 images \(B, 3, 32, 32\), not torch.float32"):
        measure_stacked([torch.zeros(2, 3, 32, 32)])
    with pytest.raises(ValueError, match="one for each colour channel"):
        measure_stacked([torch.zeros(2, 1, 32, 32, dtype=torch.uint8)])
    with pytest.raises(ValueError, match="no images"):
        measure_stacked([])
    with pytest.raises(ValueError, match=r"0 \.\. 999, not 0 \.\. 1000"):
        measure_stacked([torch.zeros(2, 3, 32, 32, dtype=torch.uint8)], reference=torch.tensor([0, 1000]))
    with pytest.raises(ValueError, match="takes images"):
        DigitClassifier()(torch.zeros(1, 1, 28, 28))
