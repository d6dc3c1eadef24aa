"""Fréchet distance between two sets of features, each seen as a Gaussian."""

import math
import warnings

import torch
from torch import Tensor

from zerosum.metrics.measure import Context, Measure, Number
from zerosum.metrics.shared.statistics import FeatureStatistics
from zerosum.metrics.sides import Side

DIGITS = 1e-7  # of the distance, that the fast way must have; otherwise the exact way is taken
TOO_LARGE = "the features are so large that their Fréchet distance does not fit into float64: rescale them"


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians; Dowson and Landau 1982.

        |m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^{1/2})

    The formula that FID applies to Inception features (Heusel et al. 2017, arXiv:1706.08500, Eq. 6). It is FID only
    there: in any other feature space the number has another name and another scale.

    Args:
        a: Statistics of one set of features.
        b: Statistics of the other, in the same space.

    Returns:
        A finite number, at least 0; 0 for equal statistics; in squared units of the features.

    Raises:
        ValueError: The dimensions differ, a side has fewer than two samples, or the features are so large that the
            distance does not fit into float64.

    Warns:
        UserWarning: A side has too few samples for a covariance of full rank (n <= dimensions): the distance is
            defined, but biased upwards.
    """
    if a.dimensions != b.dimensions:
        raise ValueError(f"cannot compare features of {a.dimensions} with features of {b.dimensions} dimensions")
    fewest = min(a.n, b.n)
    if fewest < 2:
        raise ValueError(f"a Fréchet distance needs at least 2 samples on each side, not {fewest}")
    if fewest <= a.dimensions:
        warnings.warn(
            f"Fréchet distance from {fewest} samples in {a.dimensions} dimensions: the covariance does not have full "
            f"rank and the distance is biased upwards; where there are not more than {a.dimensions} samples, take kid, "
            "which has no bias",
            stacklevel=2,
        )
    a, b, unit = _scale(a, b)
    few, many = (a, b) if a.n <= b.n else (b, a)
    apart = float((a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace())
    overlap, error = _fast_overlap(few, many)
    if not 2 * error <= DIGITS * (apart - 2 * overlap):
        overlap = _exact_overlap(few, many)
    found = max(apart - 2 * overlap, 0.0) * unit * unit
    if not math.isfinite(found):
        raise ValueError(TOO_LARGE)
    return found


def _scale(a: FeatureStatistics, b: FeatureStatistics) -> tuple[FeatureStatistics, FeatureStatistics, float]:
    """Both in a unit in which their numbers are about 1, a power of 2, which rounds nothing: products of covariances
    underflow or overflow long before the distance does."""
    largest = [float((a.mean - b.mean).abs().max()), *(float(x.covariance.abs().max()) ** 0.5 for x in (a, b))]
    if not all(map(math.isfinite, largest)):
        raise ValueError(TOO_LARGE)
    unit = math.ldexp(1.0, math.frexp(max(largest))[1]) if max(largest) else 1.0
    scaled = (FeatureStatistics(x.n, x.mean / unit, x.scatter / unit / unit) for x in (a, b))
    return next(scaled), next(scaled), unit


def _fast_overlap(few: FeatureStatistics, many: FeatureStatistics) -> tuple[float, float]:
    """Tr (C_a C_b)^{1/2} with one factor and one set of eigenvalues, and an estimate of its error.

    With C_a = F F^T it is the sum of the square roots of the eigenvalues of F^T C_b F. Rounding moves the entries of
    that matrix by about eps |C_a| |C_b|, and so the sum, to first order, by half of that times |(F^T C_b F)^{-1/2}|.
    Nothing is known of an eigenvalue that is itself of this size.
    """
    factor = _factor(few)
    values = torch.linalg.eigvalsh(factor.T @ (many.covariance @ factor))
    noise = torch.finfo(values.dtype).eps * few.covariance.norm() * many.covariance.norm()
    known = values > 4 * noise
    error = noise / 2 * (1 / values[known]).sum().sqrt() + (values[~known].abs() + noise).sqrt().sum()
    return float(values.clamp(min=0).sqrt().sum()), float(error)


def _exact_overlap(few: FeatureStatistics, many: FeatureStatistics) -> float:
    """Tr (C_a C_b)^{1/2} for covariances of any rank: the sum of the singular values of F_a^T F_b.

    Nothing is squared, so noise of size eps keeps its size, and equal covariances come out as equal.
    """
    return float(torch.linalg.svdvals(_spectral_factor(few).T @ _spectral_factor(many)).sum())


def _factor(statistics: FeatureStatistics) -> Tensor:
    """F with F F^T = covariance: Cholesky's where there is one, otherwise of as many columns as there is rank."""
    if statistics.n > statistics.dimensions:
        factor, failed = torch.linalg.cholesky_ex(statistics.covariance)
        if not bool(failed):
            return torch.as_tensor(factor)
    return _spectral_factor(statistics)


def _spectral_factor(statistics: FeatureStatistics) -> Tensor:
    """F = V sqrt(lambda) of the n - 1 largest eigenvalues; those that rounding left below 0 count as 0."""
    values, vectors = torch.linalg.eigh(statistics.covariance)
    rank = min(statistics.n - 1, statistics.dimensions)
    return torch.as_tensor(vectors[:, -rank:] * values[-rank:].clamp(min=0).sqrt())


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    return [Number("fid", frechet_distance(fake.moments, real.moments))]


MEASURE = Measure(
    name="fid",
    summary="Fréchet distance (Heusel 2017); fd_FEATURES on features other than Inception's",
    run=_measure,
    directions={"fid": "lower"},
)
