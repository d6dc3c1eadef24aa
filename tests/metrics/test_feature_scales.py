"""Measures of features in any units: the number that numpy, scipy or scikit-learn give at 1, or one clear line."""

import numpy as np
import pytest
import torch
from metric_helpers import frechet_by_scipy, normal
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans

from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.measures.kernel import kernel_distance
from zerosum.metrics.measures.prd import kmeans, prd
from zerosum.metrics.shared.kernels import median_distance
from zerosum.metrics.shared.statistics import FeatureStatistics


@pytest.mark.parametrize("exponent", [-127, -100, -65, -40, 0, 40, 65, 100, 125])
def test_clusters_of_float32_are_those_of_scikit_learn(exponent: int) -> None:
    # Four heaps far apart, which any k-means++ finds; in float32 squares leave its range beyond 2^-75 and 2^64.
    heaps = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]]).repeat(30, 1) + 0.05 * normal(120, 2)
    expected = KMeans(4, n_init=10, random_state=0).fit_predict(heaps.numpy())
    found = kmeans(heaps * 2.0**exponent, 4, seed=0).numpy()
    assert len(set(zip(expected.tolist(), found.tolist(), strict=True))) == 4


@pytest.mark.parametrize("exponent", [-130, -70, -12, 30, 70, 120])
def test_prd_is_the_same_in_all_units(exponent: int) -> None:
    real, fake = normal(200, 3), normal(200, 3, seed=1, shift=1.0)
    usual = prd(real, fake)[:2]
    half = exponent // 2
    tiny = [x * 2.0**half * 2.0 ** (exponent - half) for x in (real, fake)]
    assert prd(*tiny)[:2] == pytest.approx(usual, abs=0.02 if exponent < -126 else 0)  # subnormal numbers have few bits


@pytest.mark.parametrize("exponent", [-490, -300, -40, 0, 40, 257, 400, 480])
@pytest.mark.parametrize("n", [60, 4])  # of full rank, and below it
@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_frechet_distances_are_scipys_in_all_units(exponent: int, n: int) -> None:
    a, b = normal(n, 5, dtype=torch.float64), normal(80, 5, seed=1, shift=0.5, dtype=torch.float64)
    unit = 2.0**exponent
    found = frechet_distance(FeatureStatistics.of(a * unit), FeatureStatistics.of(b * unit))
    assert found / unit / unit == pytest.approx(frechet_by_scipy(a.numpy(), b.numpy()), rel=1e-6)


@pytest.mark.parametrize("size", [1e155, 1e160, 1e300])
def test_what_float64_cannot_hold_is_one_line(size: float) -> None:
    a, b = normal(60, 5, dtype=torch.float64) * size, normal(60, 5, seed=1, dtype=torch.float64) * size
    with pytest.raises(ValueError, match="so large that their Fréchet distance does not fit into float64: rescale"):
        frechet_distance(FeatureStatistics.of(a), FeatureStatistics.of(b))
    with pytest.raises(ValueError, match="so large that their cubic kernel does not fit into float64: rescale"):
        kernel_distance(a, b, subsets=2, subset_size=20)


@pytest.mark.parametrize("size", [1e-200, 1e-12, 1e12, 1e200])
def test_the_median_distance_is_scipys_in_all_units(size: float) -> None:
    x, y = normal(30, 3, dtype=torch.float64), normal(21, 3, seed=1, dtype=torch.float64)
    expected = np.sort(pdist(torch.cat([x, y]).numpy()))[(51 * 50 // 2 - 1) // 2]
    assert median_distance(x * size, y * size) == pytest.approx(expected * size, rel=1e-12)
