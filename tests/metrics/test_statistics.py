"""Streaming statistics against numpy on the whole matrix."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.metrics.statistics import FeatureStatistics


@st.composite
def matrices_and_cuts(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    rows, columns = draw(st.integers(2, 40)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    offset = draw(st.sampled_from([0.0, 5.0, -1000.0]))
    cuts = draw(st.lists(st.integers(0, rows), max_size=6))
    return rng.normal(size=(rows, columns)) * rng.uniform(0.01, 3) + offset, sorted(cuts)


@settings(deadline=None, max_examples=80)
@given(matrices_and_cuts())
def test_any_split_into_batches_equals_numpy(case: tuple[np.ndarray, list[int]]) -> None:
    matrix, cuts = case
    statistics = FeatureStatistics.empty(matrix.shape[1])
    for part in np.split(matrix, cuts):  # parts may be empty
        statistics = statistics.update(torch.from_numpy(part))
    assert statistics.n == len(matrix)
    np.testing.assert_allclose(statistics.mean, matrix.mean(axis=0), rtol=1e-12, atol=1e-12)
    expected = np.cov(matrix, rowvar=False, ddof=1).reshape(statistics.covariance.shape)
    np.testing.assert_allclose(statistics.covariance, expected, rtol=1e-10, atol=1e-10)


@settings(deadline=None, max_examples=30)
@given(matrices_and_cuts(), st.integers(0, 40))
def test_merging_two_sides_equals_numpy(case: tuple[np.ndarray, list[int]], at: int) -> None:
    matrix = case[0]
    left, right = (FeatureStatistics.of(torch.from_numpy(part)) for part in np.split(matrix, [min(at, len(matrix))]))
    for merged in (left.merge(right), right.merge(left)):
        expected = np.cov(matrix, rowvar=False).reshape(merged.covariance.shape)
        np.testing.assert_allclose(merged.covariance, expected, rtol=1e-10, atol=1e-10)


def test_large_offset_keeps_its_digits() -> None:
    # sum(x^2) - n mean^2 in float64 would have no correct digit here: 1e9^2 * eps is about 200.
    matrix = 1e9 + np.arange(8.0).reshape(4, 2)
    statistics = FeatureStatistics.empty(2)
    for row in matrix:
        statistics = statistics.update(torch.from_numpy(row[None]))
    np.testing.assert_allclose(statistics.covariance, np.full((2, 2), 20 / 3), rtol=1e-6)


def test_float32_batches_are_summed_in_float64() -> None:
    features = torch.full((1000, 1), 0.1)
    statistics = FeatureStatistics.of(features)
    assert statistics.mean.dtype == torch.float64
    assert statistics.mean.item() == pytest.approx(float(np.float32(0.1)), abs=1e-15)


def test_update_leaves_the_old_statistics_alone() -> None:
    first = FeatureStatistics.of(torch.eye(3))
    before = first.mean.clone(), first.scatter.clone()
    first.update(torch.ones(2, 3))
    assert first.n == 3
    assert torch.equal(first.mean, before[0])
    assert torch.equal(first.scatter, before[1])


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        FeatureStatistics.of(torch.tensor([[1.0, float("nan")]]))
    with pytest.raises(ValueError, match="matrix"):
        FeatureStatistics.of(torch.zeros(3))
    with pytest.raises(ValueError, match="3 and of 2"):
        FeatureStatistics.empty(3).merge(FeatureStatistics.empty(2))
    with pytest.raises(ValueError, match="at least 2 samples, not 1"):
        _ = FeatureStatistics.of(torch.zeros(1, 2)).covariance
