"""The share of images that show the class asked for, against scikit-learn and by hand; through the suite."""

import math

import pytest
import torch
from sklearn.metrics import accuracy_score, recall_score

from zerosum.data import load
from zerosum.metrics.features.shipped import Shipped
from zerosum.metrics.images import of_data
from zerosum.metrics.measure import Context
from zerosum.metrics.measures.label_accuracy import label_accuracy
from zerosum.metrics.registry import measures
from zerosum.metrics.sides import Side


def test_by_hand() -> None:
    logits = torch.tensor([[2.0, 1, 0], [0, 1, 0], [0, 0, 9], [5, 0, 0]])
    found = label_accuracy(logits, torch.tensor([0, 1, 1, 0]))
    assert found.overall == 0.75
    assert found.by_class[:2].tolist() == [1.0, 0.5]
    assert math.isnan(found.by_class[2])


def test_against_scikit_learn() -> None:
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(500, 6, generator=rng), torch.randint(6, (500,), generator=rng)
    found = label_accuracy(logits, labels)
    assert found.overall == pytest.approx(accuracy_score(labels, logits.argmax(1)))
    expected = recall_score(labels, logits.argmax(1), average=None)  # of each class
    assert found.by_class.tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], "3 images"),
        ([0, 1, 4], "labels 0 to 4: the classifier knows 4 classes"),
        ([-1, 0, 1], "labels -1"),
    ],
)
def test_refusals(labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        label_accuracy(torch.randn(3, 4), torch.tensor(labels))


def test_real_clothes_are_what_their_labels_say() -> None:
    # 91.4% on held-out images, more on those it was trained on; a class off by one is never right.
    images, reads = of_data(load("fashion-mini"), 400), frozenset({"logits"})
    side = Side(images, Shipped(), reads)
    (found,) = measures()["labels"].run(side, side, Context())
    assert found.name == "label_accuracy"
    assert 0.85 < found.value < 1
    assert found.details["real"] == found.value
    assert set(images.classes) < set(found.details)
    shifted = Side(type(images)(**{**vars(images), "labels": (images.labels + 1) % 10}), Shipped(), reads)
    (wrong,) = measures()["labels"].run(side, shifted, Context())
    assert wrong.value < 0.1
