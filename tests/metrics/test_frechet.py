"""The Fréchet distance against scipy's matrix square root, torchmetrics and closed forms."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_helpers import frechet_by_scipy
from torchmetrics.image.fid import FrechetInceptionDistance

from zerosum.metrics.measures import frechet as module
from zerosum.metrics.measures.frechet import _exact_overlap, frechet_distance
from zerosum.metrics.shared.statistics import FeatureStatistics


def gaussian(mean: np.ndarray, covariance: np.ndarray, n: int = 1000) -> FeatureStatistics:
    """Statistics that state exactly this mean and this covariance."""
    scatter = torch.from_numpy(np.asarray(covariance, np.float64)) * (n - 1)
    return FeatureStatistics(n, torch.from_numpy(np.asarray(mean, np.float64)), scatter)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.sampled_from([1e-2, 1.0, 1e3]))
def test_equals_scipy_sqrtm(seed: int, dimensions: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = scale * rng.normal(size=(2, 3 * dimensions + 5, dimensions)) @ rng.normal(size=(2, dimensions, dimensions))
    b = b + scale * rng.normal(size=dimensions)
    ours = frechet_distance(*(FeatureStatistics.of(torch.from_numpy(x)) for x in (a, b)))
    assert ours == pytest.approx(frechet_by_scipy(a, b), rel=1e-6)


@pytest.mark.parametrize(("m1", "s1", "m2", "s2"), [(0.0, 1.0, 3.0, 2.0), (-1.5, 0.1, 2.0, 7.0), (4.0, 2.0, 4.0, 0.0)])
def test_one_dimension_closed_form(m1: float, s1: float, m2: float, s2: float) -> None:
    # W2^2 of N(m1, s1^2) and N(m2, s2^2) is (m1 - m2)^2 + (s1 - s2)^2.
    a, b = gaussian([m1], [[s1**2]]), gaussian([m2], [[s2**2]])
    assert frechet_distance(a, b) == pytest.approx((m1 - m2) ** 2 + (s1 - s2) ** 2, rel=1e-12)


def test_diagonal_closed_form_and_symmetry() -> None:
    rng = np.random.default_rng(0)
    (m1, m2), (s1, s2) = rng.normal(size=(2, 30)), rng.uniform(0, 2, size=(2, 30))
    expected = ((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum()
    a, b = gaussian(m1, np.diag(s1**2)), gaussian(m2, np.diag(s2**2))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-12)


def test_rotation_of_both_sides_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    s1, s2 = rng.uniform(0.1, 2, size=(2, 6))
    a, b = (gaussian(np.zeros(6), turn @ np.diag(s**2) @ turn.T) for s in (s1, s2))
    assert frechet_distance(a, b) == pytest.approx(((s1 - s2) ** 2).sum(), rel=1e-10)


@pytest.mark.parametrize(("n", "dimensions"), [(500, 64), (100, 64), (3, 8)])
@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_equal_statistics_are_at_zero(n: int, dimensions: int) -> None:
    statistics = FeatureStatistics.of(torch.randn(n, dimensions, generator=torch.Generator().manual_seed(0)))
    assert 0 <= frechet_distance(statistics, statistics) <= 1e-9


def test_equal_rank_deficient_statistics_are_at_zero() -> None:
    # 200 samples in a 5-dimensional plane of 64 dimensions: 59 eigenvalues are rounding noise.
    rng = np.random.default_rng(2)
    features = torch.from_numpy(rng.normal(size=(200, 5)) @ rng.normal(size=(5, 64)))
    statistics = FeatureStatistics.of(features)
    assert 0 <= frechet_distance(statistics, statistics) <= 1e-9


def test_a_single_point_against_a_gaussian() -> None:
    # A constant has covariance 0: the distance is |m1 - m2|^2 + Tr C2.
    features = torch.randn(300, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    constant = FeatureStatistics.of(torch.full((300, 12), 0.5, dtype=torch.float64))
    expected = ((features.mean(dim=0) - 0.5) ** 2).sum() + np.trace(np.cov(features.numpy(), rowvar=False))
    assert frechet_distance(constant, FeatureStatistics.of(features)) == pytest.approx(float(expected), rel=1e-12)


def test_few_samples_warn_and_stay_finite() -> None:
    rng = torch.Generator().manual_seed(4)
    few, many = (FeatureStatistics.of(torch.randn(n, 16, generator=rng)) for n in (10, 400))
    with pytest.warns(UserWarning, match="10 samples in 16 dimensions"):
        assert np.isfinite(frechet_distance(few, many))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(many, many)


def test_what_is_refused() -> None:
    one, two = FeatureStatistics.of(torch.zeros(1, 3)), FeatureStatistics.of(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="at least 2 samples on each side, not 1"):
        frechet_distance(one, two)
    with pytest.raises(ValueError, match="3 with features of 4"):
        frechet_distance(two, FeatureStatistics.of(torch.zeros(5, 4)))


class Flat(torch.nn.Module):
    """Features for torchmetrics: what it is given."""

    num_features = 12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :12]


def test_equals_torchmetrics() -> None:
    rng = torch.Generator().manual_seed(5)
    real = torch.randn(200, 12, generator=rng, dtype=torch.float64)
    fake = 1.3 * torch.randn(150, 12, generator=rng, dtype=torch.float64) + 0.2
    peer = FrechetInceptionDistance(feature=Flat(), input_img_size=(1, 3, 4)).set_dtype(torch.float64)
    peer.update(real.view(-1, 1, 3, 4), real=True)
    peer.update(fake.view(-1, 1, 3, 4), real=False)
    ours = frechet_distance(FeatureStatistics.of(real), FeatureStatistics.of(fake))
    assert ours == pytest.approx(float(peer.compute()), rel=1e-9)


@pytest.mark.parametrize("digits", [np.inf, 0.0], ids=["fast", "exact"])
def test_both_ways_equal_scipy_sqrtm(digits: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DIGITS", digits)
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 400, 40)) @ rng.normal(size=(2, 40, 40)) / 6
    ours = frechet_distance(*(FeatureStatistics.of(torch.from_numpy(x)) for x in (a, b + 0.3)))
    assert ours == pytest.approx(frechet_by_scipy(a, b + 0.3), rel=1e-9)


def test_the_fast_way_is_left_where_its_digits_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two columns of tiny variance in one set and of none in the other, which sqrt(eps) would tell apart from 0.
    taken = []
    monkeypatch.setattr(module, "_exact_overlap", lambda a, b: taken.append(a) or exact(a, b))
    exact = _exact_overlap
    flat, full = (gaussian(np.zeros(10), np.diag([1.0] * 8 + [v, v])) for v in (1e-14, 1e-4))
    assert frechet_distance(flat, full) == pytest.approx(2 * (1e-2 - 1e-7) ** 2, rel=1e-9)
    assert taken
    taken.clear()
    frechet_distance(gaussian(np.zeros(10), np.eye(10)), gaussian(np.ones(10), 2 * np.eye(10)))
    assert not taken


@pytest.mark.parametrize(("few", "many"), [(10, 400), (10, 20), (25, 10), (33, 32)])
@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_fewer_samples_than_dimensions_stay_exact(few: int, many: int) -> None:
    rng = np.random.default_rng(few)
    a, b = rng.normal(size=(few, 64)), 1.5 * rng.normal(size=(many, 64))
    ours = frechet_distance(*(FeatureStatistics.of(torch.from_numpy(x)) for x in (a, b)))
    centred = [(x - x.mean(axis=0)) / (len(x) - 1) ** 0.5 for x in (a, b)]
    overlap = np.linalg.norm(centred[0] @ centred[1].T, "nuc")  # exact: no covariance is made, nothing is squared
    expected = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + sum((c**2).sum() for c in centred) - 2 * overlap
    assert ours == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.sampled_from([0.0, 50.0]))
def test_order_rotation_and_side_change_nothing(seed: int, dimensions: int, mean: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3 * dimensions + 4, dimensions)) @ rng.normal(size=(2, dimensions, dimensions)) + mean
    turn = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        return frechet_distance(*(FeatureStatistics.of(torch.from_numpy(s)) for s in (x, y)))

    expected = pytest.approx(distance(a, b), rel=1e-7)
    assert distance(rng.permutation(a), b) == expected
    assert distance(a @ turn, b @ turn) == expected
    assert distance(b, a) == expected
    assert distance(a - 7, b - 7) == expected
    assert distance(4 * a, 4 * b) / 16 == expected


@pytest.mark.parametrize("rank", [64, 30, 1])
def test_the_same_samples_in_another_order_are_at_zero(rank: int) -> None:
    rng = np.random.default_rng(7)
    features = rng.normal(size=(300, rank)) @ rng.normal(size=(rank, 64)) + 5
    a, b = (FeatureStatistics.of(torch.from_numpy(x)) for x in (features, rng.permutation(features)))
    assert 0 <= frechet_distance(a, b) <= 1e-9 * float(a.covariance.trace())


def test_a_constant_set_is_at_zero_from_itself() -> None:
    constant = FeatureStatistics.of(torch.full((100, 5), 0.25))
    assert frechet_distance(constant, constant) == 0
