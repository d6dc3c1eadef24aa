"""Precision and recall of distributions by hand, and clusters against scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import Tensor

from zerosum.metrics.measures.prd import PrdCurve, kmeans, max_f_beta, prd, prd_curve


def blobs(counts: list[int], seed: int = 0, d: int = 6, offset: float = 0.0) -> Tensor:
    """Tight clouds around 20 * (unit vectors), as many points in each as told."""
    rng = torch.Generator().manual_seed(seed)
    parts = [torch.randn(n, d, generator=rng) * 0.1 + 20 * torch.eye(d)[i] for i, n in enumerate(counts)]
    return torch.cat(parts) + offset


def test_curve_by_hand() -> None:
    # p = (1/2, 1/2, 0), q = (1/2, 0, 1/2). At lambda = 1: sum min(p, q) = 1/2 for both.
    curve = prd_curve(torch.tensor([2, 2, 0]), torch.tensor([5, 0, 5]), angles=3)
    torch.testing.assert_close(curve.precision, torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(curve.recall, torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64), atol=1e-9, rtol=0)


def test_curve_at_an_angle_by_hand() -> None:
    # Five angles: the second is pi/8, lambda = sqrt(2) - 1. p = (0.8, 0.2), q = (0.3, 0.7).
    slope = 2**0.5 - 1
    curve = prd_curve(torch.tensor([0.8, 0.2]), torch.tensor([0.3, 0.7]), angles=5)
    precision = min(0.8 * slope, 0.3) + min(0.2 * slope, 0.7)
    assert curve.precision[1].item() == pytest.approx(precision, rel=1e-6)
    assert curve.recall[1].item() == pytest.approx(precision / slope, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8).filter(
        lambda h: all(map(sum, zip(*h, strict=True)))
    )
)
def test_curve_properties(histograms: list[tuple[int, int]]) -> None:
    p, q = torch.tensor(histograms).T
    curve, swapped = prd_curve(p, q), prd_curve(q, p)
    for values in curve:
        assert 0 <= float(values.min()) <= float(values.max()) <= 1
    # The ends: all of q that p can make, and the other way round.
    assert curve.precision[-1].item() == pytest.approx(float(q[p > 0].sum() / q.sum()))
    assert curve.recall[0].item() == pytest.approx(float(p[q > 0].sum() / p.sum()))
    torch.testing.assert_close(swapped.precision, curve.recall.flip(0), atol=1e-6, rtol=0)
    assert max_f_beta(swapped, 8) == pytest.approx(max_f_beta(curve, 1 / 8), abs=1e-6)


def test_equal_histograms_are_perfect_and_disjoint_ones_worthless() -> None:
    p = torch.tensor([1, 2, 3])
    curve = prd_curve(p, 10 * p)
    assert max_f_beta(curve, 8) == pytest.approx(1)
    assert max_f_beta(curve, 1 / 8) == pytest.approx(1)
    curve = prd_curve(torch.tensor([1, 0]), torch.tensor([0, 1]))
    assert max_f_beta(curve, 8) == max_f_beta(curve, 1 / 8) == 0


def test_f_beta_by_hand() -> None:
    one = PrdCurve(*torch.tensor([[0.9], [0.3]], dtype=torch.float64))
    assert max_f_beta(one, 8) == pytest.approx(65 * 0.27 / (64 * 0.9 + 0.3))
    assert max_f_beta(one, 1 / 8) == pytest.approx((65 / 64) * 0.27 / (0.9 / 64 + 0.3))
    assert max_f_beta(one, 1) == pytest.approx(2 * 0.27 / 1.2)


def test_dropped_modes_lower_recall_and_invented_ones_precision() -> None:
    real, dropped = blobs([60, 60, 60, 60]), blobs([120, 120], seed=1)
    less_recall = prd(real, dropped, clusters=6, runs=3, angles=201)
    less_precision = prd(dropped, real, clusters=6, runs=3, angles=201)
    # Half of the modes: precision 1 at recall 1/2.
    assert less_recall.f_eighth > 0.95 > 0.6 > less_recall.f_8
    assert less_precision.f_8 > 0.95 > 0.6 > less_precision.f_eighth
    assert less_recall.curve.recall.max().item() == pytest.approx(0.5, abs=0.01)


def test_same_sets_are_perfect() -> None:
    real = blobs([30, 50, 20])
    score = prd(real, real[torch.randperm(100, generator=torch.Generator().manual_seed(0))], clusters=3, runs=2)
    assert score.f_8 == pytest.approx(1)
    assert score.f_eighth == pytest.approx(1)


def test_separate_clouds_give_the_exact_histograms() -> None:
    counts = ([50, 30, 20], [20, 30, 50])
    score = prd(blobs(counts[0]), blobs(counts[1], seed=1), clusters=3, runs=4, angles=101)
    expected = prd_curve(torch.tensor(counts[0]), torch.tensor(counts[1]), angles=101)
    torch.testing.assert_close(score.curve.precision, expected.precision)
    torch.testing.assert_close(score.curve.recall, expected.recall)


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_clusters_equal_scikit_learn(offset: float) -> None:
    points = blobs([40, 10, 25, 25], offset=offset)
    ours = kmeans(points, 4, seed=0)
    theirs = KMeans(4, n_init=5, random_state=0).fit(points.double().numpy()).labels_
    assert len({*zip(ours.tolist(), theirs.tolist(), strict=True)}) == 4
    assert ours.bincount().sort().values.tolist() == [10, 25, 25, 40]


def test_lloyd_ends_at_a_local_optimum() -> None:
    points = torch.randn(400, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = kmeans(points, 8, seed=3)
    centres = torch.stack([points[labels == c].mean(dim=0) for c in range(8)])
    assert torch.equal(torch.cdist(points, centres).argmin(dim=1), labels)
    inertia = float((points - centres[labels]).square().sum())
    peer = KMeans(8, init=centres.numpy(), n_init=1).fit(points.numpy())
    assert inertia == pytest.approx(peer.inertia_, rel=1e-9)
    best = KMeans(8, n_init=20, random_state=0).fit(points.numpy()).inertia_
    assert inertia < 1.15 * best


@pytest.mark.parametrize("seed", range(5))
def test_starts_are_drawn_by_squared_distance(seed: int) -> None:
    # Four lone points far from a crowd: started anywhere in proportion to numbers, k-means would split the crowd.
    crowd = torch.randn(500, 4, generator=torch.Generator().manual_seed(2)) * 1e-4
    labels = kmeans(torch.cat([torch.eye(4)[:2], crowd, torch.eye(4)[2:]]), 5, seed=seed)
    assert sorted(labels.bincount(minlength=5).tolist()) == [1, 1, 1, 1, 500]


def test_seed_and_run_decide() -> None:
    points = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(kmeans(points, 9, seed=0), kmeans(points, 9, seed=0))
    assert not torch.equal(kmeans(points, 9, seed=0), kmeans(points, 9, seed=0, run=1))


def test_duplicates_and_constants_do_not_break_clusters() -> None:
    assert np.isfinite(prd(torch.ones(30, 2), torch.ones(30, 2), clusters=5, runs=1).f_8)
    assert set(kmeans(torch.tensor([[0.0], [0.0], [1.0]]), 2, seed=0).tolist()) == {0, 1}


def test_what_is_refused() -> None:
    real = blobs([20, 20])
    with pytest.raises(ValueError, match="larger set would draw the clusters"):
        prd(real, real[:30])
    with pytest.raises(ValueError, match="4 points cannot make 20 clusters"):
        prd(real[:2], real[2:4])
    with pytest.raises(ValueError, match="NaN"):
        prd(real, real * float("inf"))
    with pytest.raises(ValueError, match="at least 1 run"):
        prd(real, real, runs=0)
    with pytest.raises(ValueError, match="one shape"):
        prd_curve(torch.ones(3), torch.ones(2))
    with pytest.raises(ValueError, match="3 angles"):
        prd_curve(torch.ones(3), torch.ones(3), angles=2)
    for bad in ([0.0, 0.0], [-1.0, 2.0], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="histogram"):
            prd_curve(torch.ones(2), torch.tensor(bad))
    with pytest.raises(ValueError, match="beta"):
        max_f_beta(prd_curve(torch.ones(2), torch.ones(2)), 0)
