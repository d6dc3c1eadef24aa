"""The shipped classifier as an extractor."""

import pytest
import torch
from random_weights import random_images

from zerosum.metrics.features.find import find_extractor
from zerosum.metrics.features.shipped import Shipped, features_hash, load_classifier


def test_it_sees_what_the_classifier_sees() -> None:
    images = random_images("shipped", 4, 32, 32, channels=1)
    vectors, logits = Shipped()(images)
    scaled = images.float() / 127.5 - 1  # black is -1, white is 1
    torch.testing.assert_close(vectors, load_classifier().features(scaled), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits, load_classifier()(scaled), atol=1e-5, rtol=1e-5)
    assert vectors.shape == (4, Shipped().dimensions)


def test_images_of_28_are_padded_with_black() -> None:
    images = random_images("small", 2, 28, 28, channels=1)
    padded = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    padded[:, :, 2:30, 2:30] = images
    assert torch.equal(Shipped()(images).vectors, Shipped()(padded).vectors)


def test_it_is_what_looks_at_grey_images_of_its_size() -> None:
    assert isinstance(find_extractor("auto", (1, 32, 32)), Shipped)


def test_what_a_protocol_needs() -> None:
    shipped = Shipped()
    assert (shipped.name, shipped.hash) == ("shipped", features_hash()[:12])
    assert "28x28" in shipped.resize


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 1, 64, 64)])
def test_other_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="for others take Inception"):
        Shipped()(torch.zeros(shape, dtype=torch.uint8))
