"""Fréchet distance between two sets of features, each seen as a Gaussian."""

import warnings

import torch
from torch import Tensor

from zerosum.metrics.statistics import FeatureStatistics


def _root(matrix: Tensor) -> Tensor:
    """Symmetric square root of a covariance; eigenvalues that rounding left below 0 count as 0."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians; Dowson and Landau 1982.

        |m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^{1/2})

    The formula that FID applies to Inception features (Heusel et al. 2017, arXiv:1706.08500, Eq. 6). It is FID only
    there: in any other feature space the number has another name and another scale.

    Args:
        a: statistics of one set of features.
        b: statistics of the other, in the same space.

    Returns:
        A finite number, at least 0; 0 for equal statistics; in squared units of the features.

    Raises:
        ValueError: if the dimensions differ, or a side has fewer than two samples.

    Warns:
        UserWarning: if a side has too few samples for a covariance of full rank (n <= dimensions): the distance is
            defined, but biased upwards.
    """
    if a.dimensions != b.dimensions:
        raise ValueError(f"cannot compare features of {a.dimensions} with features of {b.dimensions} dimensions")
    fewest = min(a.n, b.n)
    if fewest < 2:
        raise ValueError(f"a Fréchet distance needs at least 2 samples on each side, not {fewest}")
    if fewest <= a.dimensions:
        warnings.warn(
            f"Fréchet distance from {fewest} samples in {a.dimensions} dimensions: the covariance has not full rank "
            f"and the distance is biased upwards; take more than {a.dimensions} samples",
            stacklevel=2,
        )
    first, second = a.covariance, b.covariance
    # Tr (C_a C_b)^{1/2} is the sum of the square roots of the eigenvalues of R_a C_b R_a, R = C^{1/2}: the singular
    # values of R_b R_a. Taking them directly avoids the root of an eigenvalue that is rounding noise of size eps, which
    # would be noise of size 1e-8 in the distance of equal, rank-deficient covariances.
    overlap = torch.linalg.svdvals(_root(first) @ _root(second)).sum()
    shift = (a.mean - b.mean).square().sum()
    distance = float(shift + first.trace() + second.trace() - 2 * overlap)
    return max(distance, 0.0)
