"""Streaming statistics against numpy on the whole matrix, and of two processes against one."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from zerosum.metrics.measures.inception_score import PredictionStatistics
from zerosum.metrics.shared.statistics import FeatureStatistics, StatisticsStream, merge_ranks

SCRIPT = Path(__file__).with_name("two_ranks.py")


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


def streamed(
    matrix: np.ndarray, cuts: list[int], rows: int, products: torch.dtype = torch.float64
) -> FeatureStatistics:
    stream = StatisticsStream(matrix.shape[1], rows=rows, products=products)
    for part in np.split(matrix, cuts):
        stream.add(torch.from_numpy(part))
    return stream.statistics()


@settings(deadline=None, max_examples=60)
@given(matrices_and_cuts(), st.integers(1, 50))
def test_a_stream_equals_numpy_and_its_cuts_do_not_matter(case: tuple[np.ndarray, list[int]], rows: int) -> None:
    matrix, cuts = case
    found, whole = streamed(matrix, cuts, rows), streamed(matrix, [], rows)
    assert found.n == len(matrix)
    assert torch.equal(found.mean, whole.mean)
    assert torch.equal(found.scatter, whole.scatter)
    np.testing.assert_allclose(found.mean, matrix.mean(axis=0), rtol=1e-12, atol=1e-12)
    expected = np.cov(matrix, rowvar=False).reshape(found.covariance.shape)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dimensions", [63, 65, 200, 513])
def test_panels_cover_the_whole_covariance(dimensions: int) -> None:
    matrix = np.random.default_rng(dimensions).normal(size=(40, dimensions)) + 3
    found = streamed(matrix, [7, 30], 16).covariance
    np.testing.assert_allclose(found, np.cov(matrix, rowvar=False), rtol=1e-9, atol=1e-12)
    assert torch.equal(found, found.T)


def test_statistics_can_be_read_between_batches() -> None:
    matrix = np.random.default_rng(0).normal(size=(30, 4))
    stream = StatisticsStream(4, rows=8)
    assert stream.statistics().n == 0
    stream.add(torch.from_numpy(matrix[:11]))
    early = stream.statistics()
    np.testing.assert_allclose(early.covariance, np.cov(matrix[:11], rowvar=False), rtol=1e-12)
    before = early.mean.clone(), early.scatter.clone()
    stream.add(torch.from_numpy(matrix[11:]))
    np.testing.assert_allclose(stream.statistics().covariance, np.cov(matrix, rowvar=False), rtol=1e-12)
    assert torch.equal(early.mean, before[0])
    assert torch.equal(early.scatter, before[1])


def test_a_stream_keeps_its_digits_as_the_mean_drifts() -> None:
    # Blocks around 0, 1e6, 2e6, ...: centring on the first block alone would lose six digits of the rest.
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(64, 3)) + 1e6 * np.repeat(np.arange(8), 8)[:, None] * np.array([1.0, 0.0, 0.0])
    found = streamed(matrix, [], 8)
    np.testing.assert_allclose(found.covariance, np.cov(matrix, rowvar=False), rtol=1e-9)


@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_float32_products_are_close(mean: float) -> None:
    matrix = np.random.default_rng(2).normal(size=(5000, 70)) + mean
    exact, fast = (streamed(matrix, [], 512, products) for products in (torch.float64, torch.float32))
    assert torch.equal(exact.mean, fast.mean)
    apart = (exact.covariance - fast.covariance).abs().max()
    assert 1e-12 < float(apart) < 2e-7


def test_a_half_precision_batch_is_taken_as_it_is() -> None:
    features = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = np.cov(features.double().numpy(), rowvar=False)
    np.testing.assert_allclose(FeatureStatistics.of(features).covariance, expected, rtol=1e-12)


def test_what_a_stream_refuses() -> None:
    with pytest.raises(ValueError, match=r"float64 or torch\.float32"):
        StatisticsStream(3, products=torch.float16)
    stream = StatisticsStream(3, rows=4)
    with pytest.raises(ValueError, match=r"\(count, 3\), not of shape \(5, 2\)"):
        stream.add(torch.zeros(5, 2))
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="NaN or infinity"):
            StatisticsStream(3, rows=2).add(torch.tensor([[1.0, bad, -bad], [0.0, -bad, 1.0]]))
        stream = StatisticsStream(1, rows=9)
        stream.add(torch.tensor([[bad]]))
        with pytest.raises(ValueError, match="NaN or infinity"):
            stream.statistics()


@pytest.fixture(scope="module")
def two_ranks(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(SCRIPT)


@pytest.fixture(scope="module")
def merged(
    tmp_path_factory: pytest.TempPathFactory, on_two_ranks: Callable[[Path, Path], None]
) -> list[dict[str, torch.Tensor]]:
    """What both processes have after merging."""
    folder = tmp_path_factory.mktemp("ranks")
    on_two_ranks(SCRIPT, folder)
    return [load_file(folder / f"{rank}.safetensors") for rank in range(2)]


@pytest.mark.parametrize("name", ["uneven", "one sided"])
def test_two_ranks_have_the_statistics_of_one(
    name: str, two_ranks: ModuleType, merged: list[dict[str, torch.Tensor]]
) -> None:
    features = torch.cat([two_ranks.share(name, rank) for rank in range(2)])
    expected = FeatureStatistics.of(features)
    for found in merged:
        assert found[f"{name}/n"].item() == expected.n
        torch.testing.assert_close(found[f"{name}/mean"], expected.mean, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found[f"{name}/scatter"], expected.scatter, rtol=1e-9, atol=1e-9)
    assert all(torch.equal(value, merged[1][key]) for key, value in merged[0].items() if not key.endswith("/alone"))


def test_two_ranks_have_the_inception_score_of_one(
    two_ranks: ModuleType, merged: list[dict[str, torch.Tensor]]
) -> None:
    logits = torch.cat([two_ranks.share("uneven", rank) for rank in range(2)])
    expected = PredictionStatistics.of(logits, first=0, total=len(logits)).score()
    assert merged[0]["score"].tolist() == pytest.approx(list(expected), rel=1e-12)


def test_alone_statistics_come_back_as_they_are() -> None:
    statistics = FeatureStatistics.of(torch.eye(3))
    assert merge_ranks(statistics) is statistics


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
@pytest.mark.parametrize("name", ["fid", "pr", "intra-fid", "swd", "kid"])
def test_two_ranks_have_the_scores_of_one(
    name: str, two_ranks: ModuleType, merged: list[dict[str, torch.Tensor]]
) -> None:
    """Also where one of them has no images at all."""
    expected = [score.value for score in two_ranks.metric_of(name, [0, 1]).scores().values()]
    assert merged[0][name].tolist() == merged[1][name].tolist() == pytest.approx(expected, rel=1e-6)
    if f"{name}/alone" in merged[0]:
        alone = [score.value for score in two_ranks.metric_of(name, [0]).scores().values()]
        assert merged[0][f"{name}/alone"].tolist() == pytest.approx(alone, rel=1e-6)
        assert merged[1][f"{name}/alone"].tolist() != pytest.approx(alone, rel=1e-3)
