"""Stacks rebuilt from scikit-learn's own arrays."""

import numpy as np
import pytest

from zerosum.data import DataError, load, stacked
from zerosum.data.images import Images

datasets = pytest.importorskip("sklearn.datasets")


@pytest.fixture(scope="module")
def small() -> Images:
    found = load("stacked-digits", size=8)
    assert isinstance(found, Images)
    return found


def test_each_channel_is_a_digit_of_the_label(small: Images) -> None:
    theirs = datasets.load_digits()
    known: dict[bytes, int] = {}
    for image, label in zip(np.rint(theirs.images * 255 / 16).astype(np.uint8), theirs.target, strict=True):
        known[image.tobytes()] = int(label)
    assert len(known) == 1_797
    for i in range(0, 50_000, 500):
        digits = [known[np.ascontiguousarray(small.pixels[i, ..., c]).tobytes()] for c in range(3)]
        assert small.labels[i] == 100 * digits[0] + 10 * digits[1] + digits[2]
        assert small.classes[small.labels[i]] == "".join(str(d) for d in digits)


def test_fifty_thousand_stacks_of_a_thousand_classes(small: Images) -> None:
    assert small.pixels.shape == (50_000, 8, 8, 3)
    assert (small.shape, small.count, len(small.classes)) == ((3, 8, 8), 50_000, 1_000)
    counts = np.bincount(small.labels, minlength=1_000)
    # 50 a class; the rarest and the most frequent of 1,000 Poisson counts lie within 5 deviations of that.
    assert 15 < counts.min() < counts.max() < 90
    distinct = len(np.unique(small.pixels.reshape(50_000, -1), axis=0))
    assert distinct >= 49_998  # of 5.8 billion possible stacks, two alike are a matter of luck


def test_the_same_on_every_load(small: Images) -> None:
    assert load("stacked-digits", size=8).fingerprint == small.fingerprint
    assert small.fingerprint == "96fbf9358fdbaa65a024a76a26b3c8484070ec4781690b100e261111d800e731"


def test_32_pixels_unless_asked_and_never_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked, "COUNT", 100)  # the first ones are the same
    found = load("stacked-digits")
    assert isinstance(found, Images)
    assert found.shape == (3, 32, 32)
    assert "enlarged" in found.notes[0]
    plain = load("digits", size=32)
    assert isinstance(plain, Images)
    assert (plain.pixels[..., 0] == found.pixels[0, ..., 1]).all(axis=(1, 2)).sum() == 1
    with pytest.raises(DataError, match="cannot be grey"):
        load("stacked-digits", channels=1)
