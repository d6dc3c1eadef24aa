"""Kernels of features, and the maximum mean discrepancy that they make."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.shared.neighbours import check_features

_MEDIAN_OF = 1000  # samples that the median distance is taken from

Kernel = Callable[[Tensor, Tensor], Tensor]  # symmetric: (N, D), (M, D) -> (N, M)


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x . y / D + 1)^3 of each of x (N, D) with each of y (M, D): (N, M), in their type.

    Binkowski et al. 2018, arXiv:1801.01401, Section 4.
    """
    return (x @ y.T / x.shape[1] + 1) ** 3


def gaussian_kernel(bandwidth: float) -> Kernel:
    """The kernel exp(-|x - y|^2 / (2 bandwidth^2)).

    Raises:
        ValueError: The bandwidth is not positive.
    """
    if not (math.isfinite(bandwidth) and bandwidth > 0):
        raise ValueError(f"the bandwidth must be positive, not {bandwidth:g}")

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        centre = x.mean(0)  # distances of centred points keep their digits
        a, b = (x - centre) / bandwidth, (y - centre) / bandwidth
        squared = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
        return squared.clamp_(min=0).mul_(-0.5).exp_()

    return kernel


def median_distance(x: Tensor, y: Tensor, *, seed: int = 0) -> float:
    """Median of the distances between different samples of both sets together: the usual bandwidth.

    Gretton et al. 2012, JMLR 13. Of more than 1,000 samples, 1,000 are drawn without regard to the set.

    Args:
        x: Features of one set, (N, D).
        y: Features of the other, (M, D).
        seed: Seed of the draws.

    Raises:
        ValueError: The features cannot be compared, there are fewer than 2 samples, or the median is 0.
    """
    check_features(x, y)
    rng = generator(seed, "median distance")
    chosen = torch.randperm(len(x) + len(y), generator=rng)[:_MEDIAN_OF].to(x.device)
    drawn = torch.cat([x.detach(), y.detach()])[chosen].to(torch.float64)
    largest = float(drawn.abs().max())
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest else 1.0  # squares could underflow or overflow
    median = float(torch.pdist(drawn / unit).median()) * unit
    if median == 0:
        raise ValueError("more than half of all pairs of features are equal, so there is no bandwidth: give a kernel")
    return median


def unbiased_mmd2(kxx: Tensor, kyy: Tensor, kxy: Tensor) -> float:
    """Unbiased estimate of MMD^2 from kernel matrices (N, N), (M, M), (N, M); N and M may differ.

    Gretton et al. 2012, JMLR 13, Eq. 3: the diagonals of ``kxx`` and ``kyy`` do not count. It can be below 0.

    Raises:
        ValueError: The shapes do not fit together, or N or M is below 2.
    """
    n, m = kxy.shape
    if kxx.shape != (n, n) or kyy.shape != (m, m):
        raise ValueError(f"kernels {tuple(kxx.shape)}, {tuple(kyy.shape)}, {tuple(kxy.shape)} do not fit together")
    if min(n, m) < 2:
        raise ValueError(f"an unbiased MMD needs at least 2 samples on each side, not {n} and {m}")
    within_x = (kxx.sum() - kxx.trace()) / (n * (n - 1))
    within_y = (kyy.sum() - kyy.trace()) / (m * (m - 1))
    return float(within_x + within_y - 2 * kxy.mean())
