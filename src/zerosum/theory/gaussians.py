"""Distances between multivariate Gaussians, in closed form."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from zerosum.theory.arrays import Array, unit_of


class Gaussian:
    """N(mean, covariance) in d dimensions.

    Args:
        mean: Mean, (d,), or a number for d = 1.
        covariance: Covariance, (d, d), symmetric and positive semi-definite, or a number (the variance) for d = 1.

    Raises:
        ValueError: The covariance does not fit the mean, or is not a covariance.
    """

    mean: Array
    covariance: Array

    def __init__(self, mean: npt.ArrayLike, covariance: npt.ArrayLike) -> None:
        m, c = np.atleast_1d(np.asarray(mean, np.float64)), np.atleast_2d(np.asarray(covariance, np.float64))
        if m.ndim != 1 or c.shape != (len(m), len(m)) or not (np.isfinite(m).all() and np.isfinite(c).all()):
            raise ValueError(f"mean {m.shape} and covariance {c.shape} must be finite, of shapes (d,) and (d, d)")
        scale = float(np.abs(c).max())
        if not np.allclose(c, c.T, rtol=0, atol=1e-10 * scale) or np.linalg.eigvalsh(c).min() < -1e-10 * scale:
            raise ValueError("covariance must be symmetric, without eigenvalues below 0")
        self.mean, self.covariance = m, (c + c.T) / 2

    @property
    def dimensions(self) -> int:
        """The dimension d."""
        return len(self.mean)


def entropy(p: Gaussian) -> float:
    """Differential entropy, (d log(2 pi e) + log det C) / 2, in nats; minus infinity for a singular covariance.

    Args:
        p: The distribution.
    """
    return (p.dimensions * math.log(2 * math.pi * math.e) + _log_det(p.covariance)) / 2


def kl(p: Gaussian, q: Gaussian) -> float:
    """KL(P||Q) = (tr(C_q^-1 C_p) + |m_q - m_p|^2 in the metric C_q^-1 - d + log(det C_q / det C_p)) / 2, in nats.

    Args:
        p: P. If its covariance is singular it has no density in the space of Q, and the divergence is infinite.
        q: Q, with a regular covariance.

    Raises:
        ValueError: The dimensions differ, or Q has no density.
    """
    d = _difference(p, q)
    log_det = _log_det(q.covariance)
    if log_det == -math.inf:
        raise ValueError("q has a singular covariance, and so no density; add a little to its diagonal")
    solved = np.linalg.solve(q.covariance, np.column_stack([p.covariance, d]))
    square = float(np.trace(solved[:, :-1]) + d @ solved[:, -1])
    return (square - p.dimensions + log_det - _log_det(p.covariance)) / 2


def frechet(p: Gaussian, q: Gaussian) -> float:
    """Squared Frechet distance, which is the squared Wasserstein-2 distance. Dowson and Landau 1982.

    It is |m_p - m_q|^2 + tr(C_p + C_q - 2 (C_p^1/2 C_q C_p^1/2)^1/2); the second part is the squared Bures distance.
    The covariances may have any rank.

    Args:
        p: A distribution.
        q: Another, of the same dimension.

    Returns:
        The squared distance, at least 0, in squared units of the space.

    Raises:
        ValueError: The dimensions differ, or the distance is too large for float64.
    """
    d = _difference(p, q)
    unit = unit_of(d, np.sqrt(np.abs(p.covariance)), np.sqrt(np.abs(q.covariance)))  # squares could overflow
    d, c_p, c_q = d / unit, p.covariance / unit / unit, q.covariance / unit / unit
    # The trace of that root is the sum of the singular values of C_p^1/2 C_q^1/2: nothing is squared on the way.
    overlap = np.linalg.svd(_root(c_p) @ _root(c_q), compute_uv=False).sum()
    bures = float(np.trace(c_p) + np.trace(c_q) - 2 * overlap)
    found = (float(d @ d) + max(bures, 0.0)) * unit * unit
    if not math.isfinite(found):
        raise ValueError("the squared distance of p and q is too large for float64; measure in larger units")
    return found


def optimal_map(p: Gaussian, q: Gaussian) -> tuple[Array, Array]:
    """(A, b): x -> A x + b carries P to Q at the least mean squared distance, which is ``frechet(p, q)``.

    A = C_p^-1/2 (C_p^1/2 C_q C_p^1/2)^1/2 C_p^-1/2, symmetric, and b = m_q - A m_p. Knott and Smith 1984.

    Args:
        p: The distribution to be moved, with a regular covariance.
        q: The distribution to reach, of the same dimension; its covariance may be singular.

    Returns:
        A, (d, d), and b, (d,).

    Raises:
        ValueError: The dimensions differ, or the covariance of P is singular.
    """
    _difference(p, q)
    if _log_det(p.covariance) == -math.inf:
        raise ValueError(
            "p has a singular covariance, so there may be no map that carries it to q; add a little to its diagonal"
        )
    root = _root(p.covariance)
    back = np.linalg.inv(root)
    a = back @ _root(root @ q.covariance @ root) @ back
    a = (a + a.T) / 2
    return np.asarray(a), np.asarray(q.mean - a @ p.mean)


def mmd2(p: Gaussian, q: Gaussian, bandwidth: float) -> float:
    """Squared maximum mean discrepancy with the kernel exp(-|x - y|^2 / (2 s^2)), s = ``bandwidth``.

    E k(x, y) over independent x and y is det(I + C/s^2)^-1/2 exp(-m^T (C + s^2 I)^-1 m / 2), with m the difference of
    their means and C the sum of their covariances: the convolution of three Gaussians.

    Args:
        p: A distribution.
        q: Another, of the same dimension.
        bandwidth: Bandwidth s in units of the space, above 0.

    Returns:
        The squared discrepancy, from 0 to 2.

    Raises:
        ValueError: The dimensions differ, or the bandwidth is not a positive number.
    """
    d = _difference(p, q)
    if not (math.isfinite(bandwidth) and bandwidth > 0):
        raise ValueError(f"bandwidth={bandwidth}: must be a number above 0, in units of the space")
    within = _mean_kernel(0 * d, 2 * p.covariance, bandwidth) + _mean_kernel(0 * d, 2 * q.covariance, bandwidth)
    return max(within - 2 * _mean_kernel(d, p.covariance + q.covariance, bandwidth), 0.0)


def bhattacharyya(p: Gaussian, q: Gaussian) -> float:
    """Bhattacharyya distance, -log of the integral of sqrt(p q), in nats.

    It is |m_p - m_q|^2 / 8 in the metric C^-1, plus log(det C / sqrt(det C_p det C_q)) / 2, with C = (C_p + C_q) / 2.

    Args:
        p: A distribution with a regular covariance.
        q: Another, likewise.

    Raises:
        ValueError: The dimensions differ, or a covariance is singular.
    """
    d = _difference(p, q)
    dets = [_log_det(c) for c in ((p.covariance + q.covariance) / 2, p.covariance, q.covariance)]
    if -math.inf in dets:
        raise ValueError("p and q must have regular covariances, to have densities; add a little to the diagonal")
    square = float(d @ np.linalg.solve((p.covariance + q.covariance) / 2, d))
    return square / 8 + (dets[0] - (dets[1] + dets[2]) / 2) / 2


def squared_hellinger(p: Gaussian, q: Gaussian) -> float:
    """The integral of (sqrt p - sqrt q)^2, from 0 to 2, as in the table of f-divergences: without a factor 1/2.

    Args:
        p: A distribution with a regular covariance.
        q: Another, likewise.

    Raises:
        ValueError: The dimensions differ, or a covariance is singular.
    """
    return -2 * math.expm1(-bhattacharyya(p, q))


def _mean_kernel(difference: Array, total: Array, s: float) -> float:
    widened = np.eye(len(difference)) + total / s / s  # s squared could underflow or overflow
    square = float(difference / s @ np.linalg.solve(widened, difference / s))
    return math.exp(-(_log_det(widened) + square) / 2)


def _difference(p: Gaussian, q: Gaussian) -> Array:
    if p.dimensions != q.dimensions:
        raise ValueError(f"p has {p.dimensions} dimensions and q {q.dimensions}, but they must have the same")
    return np.asarray(q.mean - p.mean)


def _root(c: Array) -> Array:
    """The symmetric square root; eigenvalues that rounding left below 0 count as 0."""
    values, vectors = np.linalg.eigh(c)
    return np.asarray(vectors * np.sqrt(values.clip(min=0)) @ vectors.T)


def _log_det(c: Array) -> float:
    """The log determinant; minus infinity where an eigenvalue is 0 to rounding."""
    values = np.linalg.eigvalsh(c)
    singular = values[0] <= len(c) * np.finfo(np.float64).eps * values[-1]
    return -math.inf if singular else float(np.log(values).sum())
