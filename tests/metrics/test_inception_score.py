"""The Inception Score against hand values, the source's formula in numpy, and torchmetrics."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.image.inception import InceptionScore as Peer

from zerosum.metrics.measures.inception_score import PredictionStatistics, inception_score


def random_logits(n: int, classes: int, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, classes, generator=rng, dtype=torch.float64)


def test_sure_and_balanced_predictions_score_the_number_of_classes() -> None:
    logits = 1e4 * torch.eye(7).repeat(20, 1)  # float32; the other probabilities underflow to exactly 0
    assert inception_score(logits) == pytest.approx((7, 0), rel=1e-12, abs=1e-9)


def test_equal_predictions_score_one() -> None:
    assert inception_score(random_logits(1, 5).repeat(50, 1)) == pytest.approx((1, 0), abs=1e-9)


def test_two_images_by_hand() -> None:
    # p = (3/4, 1/4) and (1/4, 3/4), mean (1/2, 1/2): KL = 3/4 log 3/2 + 1/4 log 1/2 for both.
    logits = torch.tensor([[3.0, 1.0], [1.0, 3.0]], dtype=torch.float64).log()
    expected = 1.5**0.75 * 0.5**0.25
    assert inception_score(logits, splits=1) == pytest.approx((expected, 0), rel=1e-12)


def test_standard_deviation_divides_by_the_number_of_splits() -> None:
    # Two sure classes in the first split, one in the second: scores 2 and 1, with ddof=0 a deviation of 1/2.
    logits = 1e3 * torch.eye(2)[[0, 1, 0, 0]]
    assert inception_score(logits, splits=2) == pytest.approx((1.5, 0.5), rel=1e-12)


@pytest.mark.parametrize(("n", "splits"), [(57, 10), (40, 7), (10, 10)])
def test_splits_are_the_source_s(n: int, splits: int) -> None:
    logits = random_logits(n, 4)
    p = np.exp(logits.numpy())
    p /= p.sum(axis=1, keepdims=True)
    parts = [p[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
    scores = [np.exp((q * (np.log(q) - np.log(q.mean(axis=0)))).sum(axis=1).mean()) for q in parts]
    assert inception_score(logits, splits=splits) == pytest.approx((np.mean(scores), np.std(scores)), rel=1e-10)


def test_equals_torchmetrics_after_its_shuffle() -> None:
    logits = random_logits(200, 6, seed=1)
    peer = Peer(feature=torch.nn.Identity(), splits=10).set_dtype(torch.float64)
    peer.update(logits)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        mean, std = peer.compute()
        torch.manual_seed(5)
        shuffled = logits[torch.randperm(200)]
    ours = inception_score(shuffled)
    assert ours.mean == pytest.approx(float(mean), rel=1e-12)
    assert ours.std == pytest.approx(float(std) * 0.9**0.5, rel=1e-9)  # torchmetrics divides by 9


@settings(deadline=None, max_examples=40)
@given(st.integers(10, 60), st.lists(st.integers(0, 60), max_size=5), st.booleans(), st.integers(0, 99))
def test_batches_change_nothing(n: int, cuts: list[int], backwards: bool, seed: int) -> None:
    logits = random_logits(n, 3, seed)
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    spans = list(itertools.pairwise(edges))
    statistics = PredictionStatistics.empty(3)
    for begin, end in reversed(spans) if backwards else spans:
        statistics = statistics.merge(PredictionStatistics.of(logits[begin:end], first=begin, total=n))
    assert statistics.merge_ranks().score() == pytest.approx(inception_score(logits), rel=1e-12, abs=1e-12)


def test_order_within_a_split_and_of_classes_changes_nothing() -> None:
    logits = random_logits(30, 4)
    expected = inception_score(logits, splits=1)
    assert inception_score(logits.flip(0), splits=1) == pytest.approx(expected, rel=1e-12)
    assert inception_score(logits.flip(1), splits=1) == pytest.approx(expected, rel=1e-12)
    assert inception_score(logits.float(), splits=1).mean == pytest.approx(expected.mean, rel=1e-6)


def test_shift_of_the_logits_changes_nothing() -> None:
    logits = random_logits(30, 4)
    assert inception_score(logits + 1e6) == pytest.approx(inception_score(logits), rel=1e-6)


def test_what_is_refused() -> None:
    logits = torch.zeros(20, 3)
    with pytest.raises(ValueError, match="5 images cannot be cut into 10 splits"):
        inception_score(logits[:5])
    with pytest.raises(ValueError, match="NaN or infinity"):
        inception_score(torch.full((20, 3), float("nan")))
    with pytest.raises(ValueError, match="matrix"):
        inception_score(torch.zeros(20))
    with pytest.raises(ValueError, match="not among 20"):
        PredictionStatistics.of(logits, first=1, total=20)
    part = PredictionStatistics.of(logits[:4], first=0, total=20)
    with pytest.raises(ValueError, match=r"without images: \[2, 3"):
        part.score()
    with pytest.raises(ValueError, match="cannot merge"):
        part.merge(PredictionStatistics.empty(4))
