"""Intra-class distances against the distance of each class, and closed forms."""

import numpy as np
import pytest
import torch

from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.measures.intra_class import intra_class_distance
from zerosum.metrics.shared.statistics import FeatureStatistics


def two_classes(n: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(n, 3, generator=rng, dtype=torch.float64)
    labels = torch.arange(n) % 2
    return features + 10 * labels[:, None], labels


def test_shifted_class_by_closed_form() -> None:
    # The same samples moved by (2, 0, 0) in class 1 only: 0 and 4, mean 2.
    real, labels = two_classes()
    moved = real + 2 * torch.eye(3)[0] * labels[:, None]
    found = intra_class_distance(real, labels, moved, labels)
    assert found.mean == pytest.approx(2, abs=1e-9)
    assert found.by_class == pytest.approx({0: 0, 1: 4}, abs=1e-9)


def test_each_class_is_the_distance_of_its_samples() -> None:
    (real, real_labels), (generated, labels) = two_classes(), two_classes(60, seed=1)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    found = intra_class_distance(real, real_labels, generated[order], labels[order])
    expected = {
        c: frechet_distance(FeatureStatistics.of(real[c::2]), FeatureStatistics.of(generated[c::2])) for c in (0, 1)
    }
    assert found.by_class == pytest.approx(expected, rel=1e-9)
    assert found.mean == pytest.approx(np.mean(list(expected.values())), rel=1e-9)


def test_sees_swapped_classes_which_the_whole_sets_hide() -> None:
    real, labels = two_classes(200)
    found = intra_class_distance(real, labels, real, 1 - labels)
    assert found.mean == pytest.approx(300, rel=0.1)
    whole = FeatureStatistics.of(real)
    assert frechet_distance(whole, whole) < 1e-9


def test_what_is_refused() -> None:
    real, labels = two_classes()
    with pytest.raises(ValueError, match=r"fewer than 2 generated samples: \[1\]"):
        intra_class_distance(real, labels, real, torch.zeros_like(labels))
    with pytest.raises(ValueError, match=r"fewer than 2 real samples: \[7\]"):
        intra_class_distance(real, labels, real, torch.where(torch.arange(40) < 2, 7, labels))
    one_left = torch.where(torch.arange(40) == 1, 1, 0)
    with pytest.raises(ValueError, match=r"fewer than 2 real samples: \[1\]"):
        intra_class_distance(real, one_left, real, labels)
    with pytest.raises(ValueError, match="N labels"):
        intra_class_distance(real, labels[:-1], real, labels)
    with pytest.raises(ValueError, match="integers"):
        intra_class_distance(real, labels.double(), real, labels)
    with pytest.raises(ValueError, match="no samples"):
        intra_class_distance(real[:0], labels[:0], real[:0], labels[:0])
