"""CMMD's kernel distance by hand, by loops over pairs in numpy, and by the authors' formula in float32."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from metric_helpers import line, normal
from torch import Tensor

from zerosum.metrics.measures import cmmd
from zerosum.metrics.measures.cmmd import SCALE, SIGMA, gaussian_mmd2
from zerosum.metrics.shared.kernels import gaussian_kernel, unbiased_mmd2


def by_pairs(x: np.ndarray, y: np.ndarray, sigma: float, unbiased: bool) -> float:
    """Eq. 3 or Eq. 5 of Gretton et al. 2012, pair by pair."""

    def mean(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (same and unbiased and i == j)]
        kernels = [math.exp(-((a[i] - b[j]) ** 2).sum() / (2 * sigma**2)) for i, j in pairs]
        return math.fsum(kernels) / len(pairs)

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


def as_the_authors(x: np.ndarray, y: np.ndarray) -> float:
    """The formula of cmmd/distance.py, in float64."""

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        squared = -2 * a @ b.T + (a * a).sum(1)[:, None] + (b * b).sum(1)[None]
        return float(np.exp(-squared / (2 * 10**2)).mean())

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def unit(n: int, dimensions: int, seed: int, shift: float = 0.0) -> Tensor:
    points = normal(n, dimensions, seed, shift)
    return points / points.norm(dim=1, keepdim=True)


def test_two_points_by_hand() -> None:
    # One point on each side, at a distance of 3 with sigma 2: 1 + 1 - 2 exp(-9/8).
    found = gaussian_mmd2(line(0.0), line(3.0), sigma=2.0)
    assert found == pytest.approx(2 - 2 * math.exp(-9 / 8), rel=1e-14)
    # Points 0 and 1 against 0 and 2, sigma 1: k(1) within the first, k(2) within the second; 0-0, 0-2, 1-0, 1-2 across.
    k = {d: math.exp(-d * d / 2) for d in (0, 1, 2)}
    across = (k[0] + k[2] + k[1] + k[1]) / 4
    biased = (2 * k[0] + 2 * k[1]) / 4 + (2 * k[0] + 2 * k[2]) / 4 - 2 * across
    assert gaussian_mmd2(line(0.0, 1.0), line(0.0, 2.0), sigma=1.0) == pytest.approx(biased, rel=1e-14)
    unbiased = k[1] + k[2] - 2 * across
    assert gaussian_mmd2(line(0.0, 1.0), line(0.0, 2.0), sigma=1.0, unbiased=True) == pytest.approx(unbiased, rel=1e-14)
    assert unbiased < 0 < biased


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(("n", "m"), [(7, 12), (20, 20), (2, 3)])
def test_any_points_pair_by_pair(n: int, m: int, unbiased: bool) -> None:
    x, y = normal(n, 3, dtype=torch.float64), normal(m, 3, seed=1, shift=0.3, dtype=torch.float64)
    wanted = by_pairs(x.numpy(), y.numpy(), 1.5, unbiased)
    assert gaussian_mmd2(x, y, sigma=1.5, unbiased=unbiased) == pytest.approx(wanted, rel=1e-12)


def test_embeddings_as_in_the_authors_code() -> None:
    x, y = unit(60, 16, 0), unit(45, 16, 1, shift=0.2)
    wanted = as_the_authors(x.double().numpy(), y.double().numpy())
    assert SCALE * gaussian_mmd2(x, y) == pytest.approx(wanted, rel=1e-9)
    assert wanted == pytest.approx(SCALE * by_pairs(x.double().numpy(), y.double().numpy(), SIGMA, False), rel=1e-9)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = unit(50, 8, 0), unit(37, 8, 1, shift=0.2)
    whole = [gaussian_mmd2(x, y, unbiased=unbiased) for unbiased in (False, True)]
    sides: list[int] = []
    tiles = cmmd._tiles
    monkeypatch.setattr(
        cmmd, "_tiles", lambda n, m, side, symmetric: sides.append(side) or tiles(n, m, side, symmetric)
    )
    for memory in (32 * 7**2 / 2**20, 32 / 2**20):
        small = [gaussian_mmd2(x, y, unbiased=unbiased, memory_mib=memory) for unbiased in (False, True)]
        assert small == pytest.approx(whole, rel=1e-10)
    assert set(sides) == {7, 1}


def test_the_unbiased_estimate_is_that_of_kernel_matrices() -> None:
    x, y = normal(30, 5, dtype=torch.float64), normal(20, 5, seed=1, dtype=torch.float64)
    kernel = gaussian_kernel(2.0)
    wanted = unbiased_mmd2(kernel(x, x), kernel(y, y), kernel(x, y))
    assert gaussian_mmd2(x, y, sigma=2.0, unbiased=True) == pytest.approx(wanted, rel=1e-9)


def test_equal_sets_are_at_0_and_none_is_below() -> None:
    x = unit(64, 16, 0)
    assert gaussian_mmd2(x, x) == pytest.approx(0, abs=1e-15)
    assert gaussian_mmd2(x, x.flip(0)) >= 0
    assert gaussian_mmd2(x, x) >= 0
    # Far from the origin, where squares of coordinates have lost the digits of distances.
    far = x.double() + 1e7
    near = gaussian_mmd2(unit(20, 16, 1).double() + 1e7, far)
    assert near == pytest.approx(gaussian_mmd2(unit(20, 16, 1), x), rel=1e-5)


def test_two_copies_of_a_set_change_the_biased_estimate_not_at_all() -> None:
    # With its diagonals the estimate is a function of the two distributions of points alone.
    x, y = unit(20, 6, 0), unit(15, 6, 1)
    assert gaussian_mmd2(torch.cat([x, x]), y) == pytest.approx(gaussian_mmd2(x, y), rel=1e-12)
    assert gaussian_mmd2(torch.cat([x, x]), y, unbiased=True) != pytest.approx(gaussian_mmd2(x, y, unbiased=True))


@pytest.mark.parametrize(
    ("x", "y", "how", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(3, 4), {}, r"must be \(N, D\) and \(M, D\), not \(3, 2\) and \(3, 4\)"),
        (torch.zeros(3), torch.zeros(3, 4), {}, r"must be \(N, D\)"),
        (torch.zeros(0, 2), torch.zeros(3, 2), {}, "needs 1 or more points on each side, not 0 and 3"),
        (torch.zeros(1, 2), torch.zeros(3, 2), {"unbiased": True}, "needs 2 or more points on each side, not 1 and 3"),
        (torch.full((3, 2), torch.nan), torch.zeros(3, 2), {}, "hold NaN or infinity"),
        (torch.zeros(3, 2), torch.zeros(3, 2), {"sigma": 0.0}, "sigma must be positive, not 0"),
        (torch.zeros(3, 2), torch.zeros(3, 2), {"sigma": math.nan}, "sigma must be positive, not nan"),
    ],
)
def test_what_has_no_distance_is_refused(x: Tensor, y: Tensor, how: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gaussian_mmd2(x, y, **how)  # type: ignore[arg-type]
