"""Optimal transport between finite masses: what it costs to move one distribution onto another, and how it is done.

Masses need not sum to 1: p and q need the same total, and a cost is then mass times distance. The primal finds a plan,
the dual finds prices; both have the same value, so each proves that the other is optimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zerosum.theory.arrays import Array, check_points, unit_of

SAME = 1e-9  # relative difference up to which two totals of mass are the same


@dataclass(frozen=True)
class TransportPlan:
    """An optimal plan with its proof.

    Attributes:
        gamma: Mass moved from i to j, (n, m), with row sums p and column sums q.
        value: Sum of gamma times cost, the least possible.
        u: Dual potential of the rows, (n,), with u_i + v_j <= cost_ij, and equality wherever mass is moved.
        v: Dual potential of the columns, (m,).
    """

    gamma: Array
    value: float
    u: Array
    v: Array


@dataclass(frozen=True)
class EntropicPlan:
    """The best plan when its entropy has a price.

    Attributes:
        gamma: Mass moved from i to j, (n, m).
        value: Sum of gamma times cost, without the entropy: at least that of the optimal plan.
        iterations: Number of pairs of updates that it took.
    """

    gamma: Array
    value: float
    iterations: int


def wasserstein_line(
    x: Array, y: Array, p: Array | None = None, q: Array | None = None, *, order: float = 1.0
) -> float:
    """The Wasserstein distance on the line: the integral of |F^-1(t) - G^-1(t)|^order dt, to the power 1 / order.

    That of order 1 is the earth mover's distance; Vallender 1974, "Calculation of the Wasserstein distance".

    On a line, and with a convex cost, the plan that keeps the order of the points is optimal.

    Args:
        x: Places of the mass p, (n,), in any order.
        y: Places of the mass q, (m,), in any order.
        p: Masses >= 0, (n,); ``None`` for 1 / n each.
        q: Masses >= 0, (m,), of the same total as p; ``None`` for 1 / m each.
        order: Order of the distance, at least 1: 1 for the earth mover's distance, 2 for W2.

    Returns:
        The distance in units of x (times the total mass to the power 1 / order, if that is not 1).

    Raises:
        ValueError: A shape, the masses or the order are not as described.
    """
    if not (np.isfinite(order) and order >= 1):
        raise ValueError(f"order={order}: must be finite and at least 1, or it is not a distance")
    x, y = _check_line("x", x), _check_line("y", y)
    p, q = _check_totals(_fill(p, len(x)), _fill(q, len(y)), len(x), len(y))
    i, j, moved = _monotone_pieces(x, y, p, q)
    distance = np.abs(x[i] - y[j])
    unit = unit_of(distance[moved > 0])  # powers of it could underflow or overflow
    return float((moved * (distance / unit) ** order).sum() ** (1 / order) * unit)


def monotone_plan(x: Array, y: Array, p: Array, q: Array) -> Array:
    """The plan on the line that keeps the order of the points; optimal for every convex cost of x - y.

    Args:
        x: Places of the mass p, (n,), in any order.
        y: Places of the mass q, (m,), in any order.
        p: Masses >= 0, (n,).
        q: Masses >= 0, (m,), of the same total.

    Returns:
        Mass moved from i to j, (n, m).

    Raises:
        ValueError: A shape or the masses are not as described.
    """
    x, y = _check_line("x", x), _check_line("y", y)
    p, q = _check_totals(p, q, len(x), len(y))
    gamma = np.zeros((len(x), len(y)))
    i, j, moved = _monotone_pieces(x, y, p, q)
    np.add.at(gamma, (i, j), moved)
    return gamma


def wasserstein_grid(grid: Array, p: Array, q: Array) -> float:
    """W1 between masses on one grid: the integral of |F - G|, where F and G are their cumulative sums. Vallender 1974.

    Args:
        grid: Places in increasing order, (n,).
        p: Masses >= 0, (n,).
        q: Masses >= 0, (n,), of the same total.

    Raises:
        ValueError: A shape or the masses are not as described, or the grid does not increase.
    """
    grid = _check_line("grid", grid)
    if not (np.diff(grid) > 0).all():
        raise ValueError("grid must increase strictly; sort it, and add up the masses of equal places")
    p, q = _check_totals(p, q, len(grid), len(grid))
    return float((np.abs(np.cumsum(p - q))[:-1] * np.diff(grid)).sum())


def optimal_plan(cost: Array, p: Array, q: Array) -> TransportPlan:
    """Kantorovich's linear program: the least sum of gamma_ij cost_ij over plans with row sums p and column sums q.

    With distances as costs it is the earth mover's distance, W1. Kantorovich 1942, "On the translocation of masses".

    Args:
        cost: Cost of moving one unit of mass from i to j, (n, m), finite.
        p: Masses >= 0, (n,).
        q: Masses >= 0, (m,), of the same total.

    Returns:
        One optimal plan (there may be many) and the dual potentials that prove it optimal.

    Raises:
        ValueError: A shape or the masses are not as described.
        ArithmeticError: The program was not solved.
    """
    from scipy.sparse import identity, kron, vstack

    cost = _check_cost(cost)
    n, m = cost.shape
    p, q = _check_totals(p, q, n, m)
    # What every unit of mass pays, wherever it goes, decides nothing: without it the rest keeps its digits.
    u, v, left = _take_least(cost)
    price, mass = unit_of(left), unit_of(p)
    rows = kron(identity(n), np.ones((1, m)))
    columns = kron(np.ones((1, n)), identity(m))
    totals = np.concatenate([p, q]) / mass
    found = _solve((left / price).ravel(), A_eq=vstack([rows, columns]).tocsr(), b_eq=totals)
    gamma = np.asarray(found.x).reshape(n, m) * mass
    duals = np.asarray(found.eqlin.marginals) * price
    return TransportPlan(gamma, float((gamma * cost).sum()), u + duals[:n], v + duals[n:])


def kantorovich_rubinstein(points: Array, p: Array, q: Array) -> tuple[Array, float]:
    """The dual of W1: the greatest sum of (p_i - q_i) f_i with |f_i - f_j| <= |x_i - x_j| for all pairs.

    Any such f can be extended to a 1-Lipschitz function everywhere, so this is the value that the critic of a
    Wasserstein GAN aims at (Arjovsky et al. 2017, arXiv:1701.07875, Eq. 2).

    Args:
        points: Places of both masses, (n, d).
        p: Masses >= 0, (n,).
        q: Masses >= 0, (n,), of the same total.

    Returns:
        The potential f at the points, (n,), 0 at the first; and W1.

    Raises:
        ValueError: A shape or the masses are not as described.
        ArithmeticError: The program was not solved.
    """
    from scipy.sparse import csr_matrix

    distance = euclidean(points, points)
    n = len(distance)
    p, q = _check_totals(p, q, n, n)
    if n == 1:
        return np.zeros(1), 0.0
    i, j = np.nonzero(~np.eye(n, dtype=bool))
    row = np.arange(len(i))
    ones = np.ones(len(i))
    pairs = csr_matrix((np.r_[ones, -ones], (np.r_[row, row], np.r_[i, j])), (len(i), n))
    bounds = [(0.0, 0.0)] + [(None, None)] * (n - 1)
    unit = unit_of(distance)
    found = _solve((q - p) / unit_of(q - p), A_ub=pairs, b_ub=distance[i, j] / unit, bounds=bounds)
    f = np.asarray(found.x) * unit
    return f, float(f @ (p - q))


def sinkhorn(
    cost: Array, p: Array, q: Array, eps: float, *, tolerance: float = 1e-9, most: int = 100_000
) -> EntropicPlan:
    """Sinkhorn's iteration in the log domain. Cuturi 2013 (arXiv:1306.0895).

    It finds the plan with the least sum of gamma_ij cost_ij + eps gamma_ij log gamma_ij by scaling rows and columns in
    turn.

    Args:
        cost: Cost of moving one unit of mass from i to j, (n, m), finite.
        p: Masses >= 0, (n,).
        q: Masses >= 0, (m,), of the same total.
        eps: Price of entropy, above 0, in units of cost: the smaller, the nearer to optimal and the slower.
        tolerance: Share of the total mass by which row sums may miss p.
        most: Iterations to make before giving up.

    Raises:
        ValueError: A shape, the masses or ``eps`` are not as described.
        ArithmeticError: The iteration has not converged after ``most`` steps.
    """
    from scipy.special import logsumexp

    if not (np.isfinite(eps) and eps > 0):
        raise ValueError(f"eps={eps}: must be finite and above 0; for eps = 0 use optimal_plan")
    cost = _check_cost(cost)
    p, q = _check_totals(p, q, *cost.shape)
    with np.errstate(divide="ignore"):  # the logarithm of no mass is -inf, and its row stays empty
        log_p, log_q = np.log(p), np.log(q)
    kernel, a, b = -cost / eps, np.zeros(len(p)), np.zeros(len(q))
    missing = np.inf
    for iteration in range(1, most + 1):
        a = log_p - logsumexp(kernel + b, axis=1)
        b = log_q - logsumexp(kernel + a[:, None], axis=0)
        gamma = np.exp(kernel + a[:, None] + b)
        missing = float(np.abs(gamma.sum(1) - p).sum() / p.sum())
        if missing <= tolerance:
            return EntropicPlan(gamma, float((gamma * cost).sum()), iteration)
    raise ArithmeticError(
        f"Sinkhorn's iteration has not converged: after {most} iterations with eps={eps:g} row sums miss p by "
        f"{missing:.1e} of the mass, more than tolerance={tolerance:g}. Use a larger eps, or raise most or tolerance"
    )


def euclidean(x: Array, y: Array) -> Array:
    """|x_i - y_j| for every pair, (n, d), (m, d) -> (n, m)."""
    x, y = check_points("x", x), check_points("y", y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x is {x.shape} and y is {y.shape}, but points need the same number of coordinates")
    apart = x[:, None] - y[None]
    unit = unit_of(apart)  # squares could underflow or overflow
    return np.asarray(np.sqrt(((apart / unit) ** 2).sum(2)) * unit)


def draw_plan(axes: Any, x: Array, y: Array, gamma: Array) -> None:
    """Draw a plan in the plane: an arrow wherever mass is moved, the wider, the more mass.

    Args:
        axes: Axes of matplotlib.
        x: Places that mass leaves, (n, 2), drawn as circles.
        y: Places that it goes to, (m, 2), drawn as squares.
        gamma: Mass moved, (n, m).

    Raises:
        ValueError: The points do not lie in the plane, or the plan is not one between them.
    """
    x, y = check_points("x", x), check_points("y", y)
    if x.shape[1] != 2 or y.shape[1] != 2 or gamma.shape != (len(x), len(y)):
        raise ValueError(f"x {x.shape}, y {y.shape}, gamma {gamma.shape}: needed are (n, 2), (m, 2) and (n, m)")
    most = float(gamma.max())
    for i, j in zip(*np.nonzero(gamma > 1e-6 * most), strict=True):
        style = {"arrowstyle": "-|>", "lw": 0.2 + 1.8 * float(gamma[i, j]) / most, "color": "#777777"}
        axes.annotate("", xy=y[j], xytext=x[i], arrowprops=style | {"shrinkA": 2, "shrinkB": 2})
    axes.scatter(*x.T, s=30, marker="o", color="#0072B2", label="from p", zorder=3)
    axes.scatter(*y.T, s=30, marker="s", color="#D55E00", label="to q", zorder=3)


def draw_matrix(axes: Any, gamma: Array, rows: list[str] | None = None, columns: list[str] | None = None) -> None:
    """Draw a plan as a matrix: the darker, the more mass; with labels, the cells also show the numbers.

    Args:
        axes: Axes of matplotlib.
        gamma: Mass moved, (n, m).
        rows: Names of the n places that mass leaves.
        columns: Names of the m places that it goes to.
    """
    axes.imshow(gamma, cmap="Blues", vmin=0, vmax=1.3 * float(gamma.max()), aspect="equal")
    for put, names in ((axes.set_yticks, rows), (axes.set_xticks, columns)):
        if names is not None:
            put(range(len(names)), names)
    if rows is not None and columns is not None:
        for (i, j), mass in np.ndenumerate(gamma):
            axes.text(j, i, f"{mass:g}" if mass else "·", ha="center", va="center", fontsize=9)


def _monotone_pieces(
    x: Array, y: Array, p: Array, q: Array
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]:
    """The pieces of the plan that keeps the order, from the left: i, j and the mass of each."""
    a, b = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    f, g = np.cumsum(p[a]), np.cumsum(q[b])
    levels = np.sort(np.concatenate([f, g]))
    moved = np.diff(levels, prepend=0.0)
    # Piece k ends at level k. It lies in the first step of F, and of G, that reaches the piece's middle.
    middle = levels - moved / 2
    i = np.minimum(np.searchsorted(f, middle), len(f) - 1)
    j = np.minimum(np.searchsorted(g, middle), len(g) - 1)
    return a[i], b[j], moved


def _take_least(cost: Array) -> tuple[Array, Array, Array]:
    """The least cost of each row, then of each column of what is left, and what is left after both, at least 0."""
    u = cost.min(1)
    left = cost - u[:, None]
    v = left.min(0)
    return u, v, left - v


def _solve(c: Array, **program: Any) -> Any:
    """The solution of a program whose numbers are about 1: the solver's tolerances are absolute."""
    from scipy.optimize import linprog

    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found: Any = linprog(c, method="highs", options=tight, **program)
    if found.x is None:
        raise ArithmeticError(f"the linear program was not solved: {found.message}")
    return found


def _fill(masses: Array | None, n: int) -> Array:
    return np.full(n, 1 / n) if masses is None else masses


def _check_totals(p: Array, q: Array, n: int, m: int) -> tuple[Array, Array]:
    """Both masses, checked; q is scaled to exactly the total of p."""
    checked = []
    for name, mass, count in (("p", p, n), ("q", q, m)):
        mass = np.asarray(mass, dtype=np.float64)
        if mass.shape != (count,):
            raise ValueError(f"{name} has shape {mass.shape}, but one mass for each of {count} places is needed")
        if not (np.isfinite(mass).all() and (mass >= 0).all() and mass.sum() > 0):
            raise ValueError(f"{name} must be finite masses >= 0 that are not all 0")
        checked.append(mass)
    p, q = checked
    if abs(p.sum() - q.sum()) > SAME * p.sum():
        raise ValueError(f"p sums to {p.sum():g} and q to {q.sum():g}; scale one of them, since a plan keeps the total")
    return p, np.asarray(q * (p.sum() / q.sum()))


def _check_line(name: str, x: Array) -> Array:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 1 or not x.size or not np.isfinite(x).all():
        raise ValueError(f"{name} must be finite places on the line, (n,) with n >= 1, not of shape {x.shape}")
    return x


def _check_cost(cost: Array) -> Array:
    cost = np.asarray(cost, dtype=np.float64)
    if cost.ndim != 2 or not cost.size or not np.isfinite(cost).all():
        raise ValueError(f"cost must be finite, (n, m) with n, m >= 1, not of shape {cost.shape}")
    return cost
