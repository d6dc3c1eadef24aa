"""Kernel distances against loops, torchmetrics and scikit-learn."""

from functools import partial

import metric_helpers
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel as sklearn_kernel
from torch import Tensor
from torchmetrics.image.kid import KernelInceptionDistance

from zerosum.metrics.measures import kernel as module
from zerosum.metrics.measures.kernel import kernel_distance
from zerosum.metrics.shared.kernels import polynomial_kernel, unbiased_mmd2

normal = partial(metric_helpers.normal, dtype=torch.float64)


def whole_mmd2(x: Tensor, y: Tensor) -> float:
    return unbiased_mmd2(polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y))


def mmd2_by_loops(x: Tensor, y: Tensor) -> float:
    def k(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    xy = sum(k(a, b) for a in x for b in y)
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


def test_kernel_equals_scikit_learn() -> None:
    x, y = normal(7, 5, 0), normal(4, 5, 1)
    expected = sklearn_kernel(x.numpy(), y.numpy(), degree=3, gamma=1 / 5, coef0=1)
    torch.testing.assert_close(polynomial_kernel(x, y), torch.from_numpy(expected), rtol=1e-12, atol=0)


def test_by_hand_in_one_dimension() -> None:
    # x = 0, 1 and y = 1, 1: k(0, .) = 1, k(1, 1) = 8; within 1 and 8, across (1 + 1 + 8 + 8) / 4.
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [1.0]])
    assert whole_mmd2(x, y) == pytest.approx(1 + 8 - 2 * 4.5)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 4))
def test_matrices_give_what_loops_give(n: int, m: int, d: int) -> None:
    x, y = normal(n, d, n), normal(m, d, 100 + m, 0.5)
    expected = mmd2_by_loops(x, y)
    assert whole_mmd2(x, y) == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert whole_mmd2(y, x.flip(0)) == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_the_mean_of_many_is_the_value_known_from_moments() -> None:
    # N(0, 1) and N(1/2, 1) in one dimension: x . y / 1 + 1 cubed, MMD^2 from the moments of both.
    def moments(m: float) -> np.ndarray:
        return np.array([1, m, m**2 + 1, m**3 + 3 * m])

    gap = moments(0.5) - moments(0.0)
    true = float(np.array([1, 3, 3, 1]) @ gap**2)
    found = [whole_mmd2(normal(80, 1, s), normal(100, 1, 1000 + s, 0.5)) for s in range(60)]
    assert np.mean(found) == pytest.approx(true, rel=0.25)


def test_whole_sets_equal_torchmetrics() -> None:
    x, y = normal(60, 8, 0), normal(60, 8, 1, 0.3)
    peer = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=2, subset_size=60).set_dtype(torch.float64)
    peer.update(x, real=True)
    peer.update(y, real=False)
    ours = kernel_distance(x, y, subsets=2, subset_size=60)
    assert ours.mean == pytest.approx(float(peer.compute()[0]), rel=1e-10)
    assert ours.mean == pytest.approx(whole_mmd2(x, y), rel=1e-10)
    assert ours.std == pytest.approx(0, abs=1e-12)


def test_subsets_are_unbiased_and_their_spread_divides_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(400, 4, 2), normal(300, 4, 3, 0.5)
    values: list[float] = []

    def spied(*kernels: Tensor) -> float:
        values.append(unbiased_mmd2(*kernels))
        return values[-1]

    monkeypatch.setattr(module, "unbiased_mmd2", spied)
    found = kernel_distance(x, y, subsets=200, subset_size=50)
    drawn = torch.tensor(values, dtype=torch.float64)
    assert len(drawn) == 200
    assert len(set(values)) > 190
    assert found == pytest.approx((float(drawn.mean()), float(drawn.std(correction=0))), rel=1e-12)
    assert abs(found.mean - whole_mmd2(x, y)) < 4 * found.std / 200**0.5


def test_equal_distributions_are_about_zero_and_unequal_ones_are_not() -> None:
    x, y = normal(600, 6, 4), normal(600, 6, 5)
    same, other = kernel_distance(x, y, subset_size=200), kernel_distance(x, y + 0.5, subset_size=200)
    assert abs(same.mean) < 2 * same.std
    assert other.mean > 5 * other.std


def test_seed_decides_and_float32_is_summed_in_float64() -> None:
    x, y = normal(80, 4, 6), normal(80, 4, 7)
    first = kernel_distance(x, y, subsets=5, subset_size=20, seed=1)
    assert first == kernel_distance(x, y, subsets=5, subset_size=20, seed=1)
    assert first != kernel_distance(x, y, subsets=5, subset_size=20, seed=2)
    rounded = (x.float(), y.float())
    exact = kernel_distance(*(f.double() for f in rounded), subsets=5, subset_size=20)
    assert kernel_distance(*rounded, subsets=5, subset_size=20) == exact


def test_what_is_refused() -> None:
    x = normal(30, 4, 0)
    with pytest.raises(ValueError, match=r"1000 cannot be drawn from 30 samples.*at most 30"):
        kernel_distance(x, x)
    with pytest.raises(ValueError, match="NaN"):
        kernel_distance(x, x * float("nan"), subset_size=10)
    with pytest.raises(ValueError, match=r"\(30, 4\) and \(30, 3\)"):
        kernel_distance(x, x[:, :3], subset_size=10)
    with pytest.raises(ValueError, match="at least 2 samples on each side, not 1 and 30"):
        whole_mmd2(x[:1], x)
    with pytest.raises(ValueError, match="at least 2 samples"):
        unbiased_mmd2(torch.ones(1, 1), torch.ones(2, 2), torch.ones(1, 2))
    with pytest.raises(ValueError, match="do not fit"):
        unbiased_mmd2(torch.ones(3, 3), torch.ones(2, 2), torch.ones(2, 3))
    with pytest.raises(ValueError, match="at least 1 subset"):
        kernel_distance(x, x, subsets=0, subset_size=10)
