"""Divergences between distributions that are known: discrete ones, and densities on a grid.

Beside each divergence stands its dual, the game that a critic plays: the value of any critic is at most the divergence,
and that of the best critic is the divergence itself. So what a trained critic reports can be compared with the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from zerosum.objectives.f_divergence import DIVERGENCES, FDivergence
from zerosum.theory.arrays import Array

Density = Callable[[Array], Array]  # points (N,) on a line or (N, 2) in a plane -> (N,)

_SUM = 1e-9  # how far the sum of masses may be from 1
_LARGE = 1e100  # a ratio p/q from which f(u)/u is its limit to all digits, where that limit is finite


def check_masses(name: str, p: npt.ArrayLike) -> Array:
    """The masses of a discrete distribution, checked.

    Args:
        name: Name of the argument, for the message.
        p: Masses, (n,), finite, at least 0, of sum 1 to 1e-9.

    Raises:
        ValueError: They are not a distribution.
    """
    checked = np.asarray(p, dtype=np.float64)
    if checked.ndim != 1 or not checked.size:
        raise ValueError(f"{name} must be masses of shape (n,), not of shape {checked.shape}; flatten a grid first")
    if not np.isfinite(checked).all() or (checked < 0).any():
        raise ValueError(f"{name} must hold finite masses of at least 0, but its least is {checked.min()}")
    if abs(checked.sum() - 1) > _SUM:
        raise ValueError(f"{name} must sum to 1, but sums to {checked.sum():.12g}; divide it by its sum")
    return checked


def check_pair(p: npt.ArrayLike, q: npt.ArrayLike) -> tuple[Array, Array]:
    """Two distributions over the same outcomes, checked.

    Args:
        p: Masses, (n,).
        q: Masses, (n,).

    Raises:
        ValueError: One is not a distribution, or they do not fit together.
    """
    first, second = check_masses("p", p), check_masses("q", q)
    if first.shape != second.shape:
        raise ValueError(f"p has {len(first)} outcomes and q {len(second)}, but both must be over the same outcomes")
    return first, second


def discretise(density: Density, *axes: npt.ArrayLike) -> tuple[Array, Array]:
    """A density as masses on a regular grid, divided by their sum.

    The grid must reach beyond nearly all of the density, with steps that are small against its finest detail. Where a
    density is below 1e-308 its mass is 0, and divergences take that literally.

    Args:
        density: Points -> values of at least 0, up to a constant factor.
        axes: One or two axes, each (n,), increasing at regular steps.

    Returns:
        Masses (N,), and points (N,) for one axis or (N, 2) for two, the second axis fastest.

    Raises:
        ValueError: An axis is not regular, or the density is negative or not finite, or 0 everywhere on the grid.
    """
    points = _grid(axes)
    return _normalise(_values(density, points)), points


def discretise_log(log_density: Density, *axes: npt.ArrayLike) -> tuple[Array, Array]:
    """As :func:`discretise`, from a log density, in which only differences of more than 700 nats underflow.

    Args:
        log_density: Points -> values in nats, below infinity, up to a constant summand.
        axes: One or two axes, as for :func:`discretise`.

    Raises:
        ValueError: An axis is not regular, or the log density is NaN or infinity somewhere, or minus infinity
            everywhere on the grid.
    """
    points = _grid(axes)
    logs = _values(log_density, points)
    if np.isnan(logs).any() or not np.isfinite(logs.max()):
        raise ValueError("the log density must be below infinity, and above minus infinity somewhere on the grid")
    return _normalise(np.exp(logs - logs.max())), points


def f_divergence(row: FDivergence, p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """D_f(P||Q) = sum q f(p/q), Nowozin et al. 2016 (arXiv:1606.00709), which may be infinite.

    Where q = 0 < p a term is p lim f(u)/u, the upper end of the domain of f*; where p = 0 < q it is q f(0); where both
    are 0 it is 0. Of ``DIVERGENCES``, "jensen-shannon" is twice the Jensen-Shannon divergence, "gan" is that less
    log 4, and "squared-hellinger" has no factor 1/2.

    Args:
        row: The divergence: a row of ``zerosum.objectives.f_divergence.DIVERGENCES``, or of one of the families there.
        p: Masses of P, (n,).
        q: Masses of Q, (n,).

    Raises:
        ValueError: p or q is not a distribution.
    """
    p, q = check_pair(p, q)
    u, beyond = _ratios(row, p, q)
    inside = (q > 0) & ~beyond
    terms = q[inside] * _apply(row.f, u[inside])
    tail = float(p[beyond].sum())
    return float(terms.sum()) + (tail * row.domain[1] if tail else 0.0)


def tight_critic(row: FDivergence, p: npt.ArrayLike, q: npt.ArrayLike) -> Array:
    """T* = f'(p/q), the critic whose value is D_f(P||Q). Nowozin et al. 2016 (arXiv:1606.00709), Section 2.2.

    Args:
        row: The divergence.
        p: Masses of P, (n,).
        q: Masses of Q, (n,).

    Returns:
        T*, (n,), which may be infinite. Where q = 0 < p it is the upper end of the domain of f*, and where both are 0
        it is f'(1).

    Raises:
        ValueError: p or q is not a distribution.
    """
    p, q = check_pair(p, q)
    u, beyond = _ratios(row, p, q)
    t = _apply(row.optimal, u)
    # f'(u) of a large u can round to the end of the domain, where f* is infinite: the float before it is as good.
    high = row.domain[1]
    finite_there = math.isfinite(high) and bool(np.isfinite(_apply(row.conjugate, np.array([high]))[0]))
    t = t if finite_there else np.minimum(t, np.nextafter(high, -math.inf))
    t[beyond] = np.where(q[beyond] > 0, np.nextafter(high, -math.inf), high)
    return t


def variational_value(row: FDivergence, p: npt.ArrayLike, q: npt.ArrayLike, t: npt.ArrayLike) -> float:
    """E_P[t] - E_Q[f*(t)], what a critic t reaches: never above D_f(P||Q), and equal to it for ``tight_critic``.

    Nowozin et al. 2016 (arXiv:1606.00709), Section 2.2; after Nguyen, Wainwright and Jordan 2010.

    Args:
        row: The divergence.
        p: Masses of P, (n,).
        q: Masses of Q, (n,).
        t: Values of the critic, (n,), which may be infinite. If one is outside the domain of f* where P or Q has mass,
            the critic reaches minus infinity.

    Raises:
        ValueError: p or q is not a distribution, or t does not fit them.
    """
    p, q = check_pair(p, q)
    critic = np.asarray(t, dtype=np.float64)
    if critic.shape != p.shape or np.isnan(critic).any():
        raise ValueError(
            f"t must hold one number for each of the {len(p)} outcomes, not NaN and not shape {critic.shape}"
        )
    real, fake = p > 0, q > 0
    low, high = row.domain
    outside = (critic < low) | (critic > high)
    if outside[real | fake].any():
        return -math.inf
    # f*(t) falls to -f(0) as t falls without end; computed there, it may be inf/inf.
    bottom = -_apply(row.f, np.zeros(1))[0]
    dual = np.where(critic == -math.inf, bottom, _apply(row.conjugate, np.where(np.isinf(critic), 0.0, critic)))
    dual[critic == math.inf] = math.inf
    lost = float((q[fake] * dual[fake]).sum())
    gained = float((p[real] * critic[real]).sum())
    return -math.inf if lost == math.inf or gained == -math.inf else gained - lost


def kl(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """KL(P||Q) = sum p log(p/q), in nats; infinite where q = 0 < p.

    Args:
        p: Masses of P, (n,).
        q: Masses of Q, (n,).
    """
    return f_divergence(DIVERGENCES["kl"], p, q)


def jensen_shannon(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """JSD(P||Q) = KL(P||M)/2 + KL(Q||M)/2 with M = (P + Q)/2, in nats: from 0 to log 2 (disjoint supports).

    Args:
        p: Masses of P, (n,).
        q: Masses of Q, (n,).
    """
    return f_divergence(DIVERGENCES["jensen-shannon"], p, q) / 2


def total_variation(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """sum |p - q| / 2, from 0 to 1: the largest difference between the two probabilities of an event.

    Args:
        p: Masses of P, (n,).
        q: Masses of Q, (n,).
    """
    return f_divergence(DIVERGENCES["total-variation"], p, q)


def gaussian_kernel(points: npt.ArrayLike, bandwidth: float) -> Array:
    """k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)) for all pairs.

    Args:
        points: Points, (n,) on a line or (n, d).
        bandwidth: Bandwidth in units of the points, above 0.

    Returns:
        The kernel matrix K, (n, n).

    Raises:
        ValueError: The bandwidth is not a positive number.
    """
    from scipy.spatial.distance import cdist

    if not (math.isfinite(bandwidth) and bandwidth > 0):
        raise ValueError(f"bandwidth={bandwidth}: must be a number above 0, in units of the points")
    places = np.asarray(points, dtype=np.float64)
    places = places[:, None] if places.ndim == 1 else places
    places = places / bandwidth  # not its square, which could underflow or overflow
    return np.asarray(np.exp(-cdist(places, places, "sqeuclidean") / 2))


def mmd(p: npt.ArrayLike, q: npt.ArrayLike, kernel: Array) -> float:
    """Maximum mean discrepancy, sqrt((p - q)^T K (p - q)). Gretton et al. 2012, JMLR 13, Section 2.

    Args:
        p: Masses of P, (n,).
        q: Masses of Q, (n,).
        kernel: Kernel matrix K, (n, n), symmetric and positive semi-definite.

    Raises:
        ValueError: p or q is not a distribution, or the kernel does not fit them.
    """
    p, q = check_pair(p, q)
    c = p - q
    return math.sqrt(max(float(c @ _kernel(kernel, len(p)) @ c), 0.0))


def witness(p: npt.ArrayLike, q: npt.ArrayLike, kernel: Array) -> Array:
    """K (p - q) / MMD, the critic of norm 1 in the RKHS that tells P from Q best. Gretton et al. 2012, JMLR 13.

    Its value E_P - E_Q is the MMD. If P = Q it is 0, since then all critics are alike.

    Args:
        p: Masses of P, (n,).
        q: Masses of Q, (n,).
        kernel: Kernel matrix K, (n, n), symmetric and positive semi-definite.

    Returns:
        Values of the critic at the outcomes, (n,).

    Raises:
        ValueError: p or q is not a distribution, or the kernel does not fit them.
    """
    distance = mmd(p, q, kernel)
    p, q = check_pair(p, q)
    return np.asarray(kernel @ (p - q)) / distance if distance else np.zeros_like(p)


def kernel_value(p: npt.ArrayLike, q: npt.ArrayLike, kernel: Array, coefficients: npt.ArrayLike) -> float:
    """E_P[h] - E_Q[h] of the critic h = K c, scaled to norm sqrt(c^T K c) = 1: never above the MMD.

    Args:
        p: Masses of P, (n,).
        q: Masses of Q, (n,).
        kernel: Kernel matrix K, (n, n), symmetric and positive semi-definite.
        coefficients: Coefficients c, (n,); p - q gives the witness.

    Raises:
        ValueError: p or q is not a distribution, the kernel does not fit them, or h is 0.
    """
    p, q = check_pair(p, q)
    c = np.asarray(coefficients, dtype=np.float64)
    k = _kernel(kernel, len(p))
    square = float(c @ k @ c)
    if not square > 0:
        raise ValueError("coefficients: the critic K c is 0 and cannot be scaled to norm 1; choose others")
    return float((p - q) @ k @ c) / math.sqrt(square)


def _kernel(kernel: Array, n: int) -> Array:
    if kernel.shape != (n, n) or not np.abs(kernel - kernel.T).max() <= 1e-8 * np.abs(kernel).max():
        raise ValueError(f"kernel must be symmetric of shape ({n}, {n}), not of shape {kernel.shape}")
    return kernel


def _ratios(row: FDivergence, p: Array, q: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """u = p/q (1 where both are 0), and where it counts as infinite, so that terms are p lim f(u)/u."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        u = np.where((p == 0) & (q == 0), 1.0, p / q)
    limit = _LARGE if math.isfinite(row.domain[1]) else math.inf
    beyond = u >= limit
    return np.where(beyond, 1.0, u), beyond


def _apply(function: Callable[[torch.Tensor], torch.Tensor], u: Array) -> Array:
    return np.asarray(function(torch.from_numpy(np.ascontiguousarray(u, dtype=np.float64))).numpy()).copy()


def _grid(axes: tuple[npt.ArrayLike, ...]) -> Array:
    if len(axes) not in (1, 2):
        raise ValueError(f"a grid needs one or two axes, not {len(axes)}")
    checked = [np.asarray(axis, dtype=np.float64) for axis in axes]
    for i, axis in enumerate(checked):
        if axis.ndim != 1 or len(axis) < 2 or not np.isfinite(axis).all():
            raise ValueError(f"axis {i} must be at least two finite numbers (n,), not of shape {axis.shape}")
        steps = np.diff(axis)
        if steps.min() <= 0 or np.ptp(steps) > 1e-6 * steps.mean():
            raise ValueError(f"axis {i} must increase at regular steps; use numpy.linspace")
    if len(checked) == 1:
        return checked[0]
    return np.stack(np.meshgrid(*checked, indexing="ij"), -1).reshape(-1, 2)


def _values(density: Density, points: Array) -> Array:
    values = np.asarray(density(points), dtype=np.float64)
    if values.shape != (len(points),):
        raise ValueError(f"the density must give one value for each of {len(points)} points, not shape {values.shape}")
    return values


def _normalise(values: Array) -> Array:
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise ValueError("the density must be finite and at least 0 on the grid, and above 0 somewhere on it")
    scaled = values / values.max()  # their sum could overflow
    return np.asarray(scaled / scaled.sum())
