"""Kernel distance: squared maximum mean discrepancy with a cubic kernel, by subsets or of whole sets."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.random import generator

SUBSETS = 100
SUBSET_SIZE = 1000
Kernel = Callable[[Tensor, Tensor], Tensor]


class KernelDistance(NamedTuple):
    """Mean and standard deviation (``ddof=0``) of MMD^2 over subsets; the mean can be slightly below 0."""

    mean: float
    std: float


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x . y / D + 1)^3 of each of x (N, D) with each of y (M, D): (N, M), in their type.

    Binkowski et al. 2018, arXiv:1801.01401, Section 4.
    """
    return (x @ y.T / x.shape[1] + 1) ** 3


def unbiased_mmd2(kxx: Tensor, kyy: Tensor, kxy: Tensor) -> float:
    """Unbiased estimate of MMD^2 from kernel matrices (N, N), (M, M), (N, M); N and M may differ.

    Gretton et al. 2012, JMLR 13, Eq. 3: the diagonals of ``kxx`` and ``kyy`` do not count. Can be below 0.

    Raises:
        ValueError: if the shapes do not fit, or N or M is below 2.
    """
    n, m = kxy.shape
    if kxx.shape != (n, n) or kyy.shape != (m, m):
        raise ValueError(f"kernels {tuple(kxx.shape)}, {tuple(kyy.shape)}, {tuple(kxy.shape)} do not fit together")
    if min(n, m) < 2:
        raise ValueError(f"an unbiased MMD needs at least 2 samples on each side, not {n} and {m}")
    within_x = (kxx.sum() - kxx.trace()) / (n * (n - 1))
    within_y = (kyy.sum() - kyy.trace()) / (m * (m - 1))
    return float(within_x + within_y - 2 * kxy.mean())


def kernel_distance(
    x: Tensor, y: Tensor, *, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = 0
) -> KernelDistance:
    """Mean of the unbiased MMD^2 over random subsets: KID where the features are Inception's.

    Binkowski et al. 2018, arXiv:1801.01401, Section 4, with 100 subsets of 1000. The subsets overlap, so the standard
    deviation says how much one subset's value varies, and is no standard error of the mean.

    Args:
        x: (N, D), features of one set.
        y: (M, D), features of the other.
        subsets: how many pairs of subsets.
        subset_size: samples of each set in a subset, drawn without replacement.
        seed: of the choice of subsets.

    Raises:
        ValueError: if a set has fewer samples than a subset, or the features do not fit or are not finite.
    """
    _require_alike(x, y)
    fewest = min(len(x), len(y))
    if fewest < subset_size:
        raise ValueError(
            f"subsets of {subset_size} cannot be drawn from {fewest} samples: take more samples, or a subset size of "
            f"at most {fewest} (which is to be reported with the value)"
        )
    if subset_size < 2 or subsets < 1:
        raise ValueError(f"needs at least 1 subset of at least 2 samples, not {subsets} of {subset_size}")
    rng = generator(seed, "kernel distance")
    values = torch.empty(subsets, dtype=torch.float64)
    for i in range(subsets):
        a, b = (f[torch.randperm(len(f), generator=rng)[:subset_size].to(f.device)].double() for f in (x, y))
        values[i] = unbiased_mmd2(polynomial_kernel(a, a), polynomial_kernel(b, b), polynomial_kernel(a, b))
    return KernelDistance(float(values.mean()), float(values.std(correction=0)))


def full_mmd2(x: Tensor, y: Tensor, *, kernel: Kernel = polynomial_kernel, memory: int = 2**28) -> float:
    """Unbiased MMD^2 of whole sets, block by block; the blocks' size changes rounding only.

    Args:
        x: (N, D), features of one set.
        y: (M, D), features of the other.
        kernel: a symmetric kernel (N, D), (M, D) -> (N, M).
        memory: bytes that the blocks may take, float64 copies of their features included.

    Raises:
        ValueError: if a set has fewer than 2 samples, the features do not fit or are not finite, or the memory does
            not hold the smallest block.
    """
    _require_alike(x, y)
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise ValueError(f"an unbiased MMD needs at least 2 samples on each side, not {n} and {m}")
    rows = _block_rows(memory // 8, x.shape[1])
    within_x = _off_diagonal_sum(x, kernel, rows) / (n * (n - 1))
    within_y = _off_diagonal_sum(y, kernel, rows) / (m * (m - 1))
    across = sum(_sum(kernel, a, b) for a in torch.split(x, rows) for b in torch.split(y, rows))
    return within_x + within_y - 2 * across / (n * m)


def _off_diagonal_sum(x: Tensor, kernel: Kernel, rows: int) -> float:
    """Sum of k(x_i, x_j) over i != j."""
    parts = torch.split(x, rows)
    total = 0.0
    for i, left in enumerate(parts):
        own = kernel(left.double(), left.double())
        total += float(own.sum() - own.trace())
        total += 2 * sum(_sum(kernel, left, right) for right in parts[i + 1 :])
    return total


def _sum(kernel: Kernel, x: Tensor, y: Tensor) -> float:
    return float(kernel(x.double(), y.double()).sum())


def _block_rows(numbers: int, dimensions: int) -> int:
    """Rows r of a block such that 3 kernel matrices r x r (value and temporaries) and 2 feature blocks fit."""
    rows = int((((2 * dimensions) ** 2 + 12 * numbers) ** 0.5 - 2 * dimensions) / 6)
    if rows < 1:
        raise ValueError(f"{8 * numbers} bytes do not hold features of {dimensions} dimensions: allow more memory")
    return rows


def _require_alike(x: Tensor, y: Tensor) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"features must be (N, D) and (M, D), not {tuple(x.shape)} and {tuple(y.shape)}")
    if not bool(x.isfinite().all()) or not bool(y.isfinite().all()):
        raise ValueError("features hold NaN or infinity: they have no kernel")
