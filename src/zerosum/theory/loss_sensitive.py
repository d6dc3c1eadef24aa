"""The best losses that samples allow, without a network. Qi 2017, arXiv:1701.06264, non-parametric analysis.

The objective of the loss-sensitive GAN, over all kappa-Lipschitz functions L >= 0, reads L only at the n real and m
generated samples. So a linear program finds the optimal values l_i there, and every optimal loss with these values lies
between two functions that are made of cones around the samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zerosum.theory.arrays import Array, check_points, unit_of

PointDistance = Callable[[Array, Array], Array]  # (N, d), (M, d) -> (N, M)
_FAR = 1e12  # in units of the margins: no optimal loss reaches it, and larger numbers disturb the solver


def l1(x: Array, y: Array) -> Array:
    """|x - y|_1 for every pair, (N, d), (M, d) -> (N, M)."""
    return np.asarray(np.abs(x[:, None] - y[None]).sum(2))


@dataclass(frozen=True)
class OptimalLoss:
    """An optimal loss at the samples, and its bounds everywhere.

    Attributes:
        samples: Real samples, then generated ones, (n + m, d).
        values: Loss l_i >= 0 at each, (n + m,).
        objective: Least value of the objective.
        kappa: Lipschitz constant.
        distance: Metric Delta.
    """

    samples: Array
    values: Array
    objective: float
    kappa: float
    distance: PointDistance

    def lower(self, x: Array) -> Array:
        """The least loss with these values, max_i (l_i - kappa Delta(x, x_i))_+, at points (N, d) -> (N,).

        Its slope is kappa except where it is 0, and it is 0 wherever no sample with a large loss is near.
        """
        cones = self.values - self.kappa * self.distance(check_points("x", x), self.samples)
        return np.asarray(np.maximum(cones, 0).max(1))

    def upper(self, x: Array) -> Array:
        """The greatest loss with these values, min_i (l_i + kappa Delta(x, x_i)), at points (N, d) -> (N,)."""
        return np.asarray((self.values + self.kappa * self.distance(check_points("x", x), self.samples)).min(1))


def optimal_loss(
    real: Array, fake: Array, *, kappa: float = 1.0, weight: float = 1.0, distance: PointDistance = l1
) -> OptimalLoss:
    """The linear program of Qi 2017 (arXiv:1701.06264), non-parametric analysis.

    It minimises 1/n sum_i l_i + weight/n sum_i (Delta(x_i, x_(n+i)) + l_i - l_(n+i))_+ over i = 1..n, subject to
    |l_i - l_j| <= kappa Delta(x_i, x_j) and l_i >= 0 for all n + m samples. The solution need not be unique.

    Args:
        real: Real samples x_1 .. x_n, (n, d).
        fake: Generated samples x_(n+1) .. x_(n+m), (m, d) with m >= n; the first n are paired with the real ones.
        kappa: Lipschitz constant with respect to ``distance``, above 0.
        weight: Weight lambda of the margins, at least 0.
        distance: Metric Delta.

    Returns:
        Values at the samples, with their bounds everywhere.

    Raises:
        ValueError: The samples do not fit together, or ``kappa`` or ``weight`` is out of range.
        ArithmeticError: The program was not solved.
    """
    real, fake = check_points("real", real), check_points("fake", fake)
    if real.shape[1] != fake.shape[1] or len(fake) < len(real):
        raise ValueError(
            f"real is {real.shape} and fake {fake.shape}, but each real sample needs a generated one of its kind"
        )
    if not (np.isfinite([kappa, weight]).all() and kappa > 0 and weight >= 0):
        raise ValueError(f"kappa={kappa}, weight={weight}: kappa must be above 0, weight at least 0, both finite")
    samples = np.concatenate([real, fake])
    values, objective = _solve(distance(samples, samples), len(real), kappa, weight)
    return OptimalLoss(samples, values, objective, kappa, distance)


def _solve(delta: Array, n: int, kappa: float, weight: float) -> tuple[Array, float]:
    """The optimal l and the objective; the unknowns are the l_i, then a slack of at least 0 for each hinge.

    All numbers of the program are about 1, since the solver's tolerances are absolute. For kappa <= 1 the l_i differ by
    less than the margins, so that no hinge is ever slack, and their unit is kappa times that of the distances; for
    larger kappa it is that of the margins, where the hinges bend.
    """
    from scipy.sparse import vstack

    count, pairs = len(delta), np.arange(n)
    margins = delta[pairs, n + pairs]
    bends = kappa > 1
    unit = unit_of(margins) if bends else kappa * unit_of(delta)
    i, j = np.nonzero(~np.eye(count, dtype=bool))
    width = count + n * bends
    rows, limits = [_differences(i, j, width)], [kappa / unit * delta[i, j]]
    share = np.concatenate([np.ones(n), np.zeros(count - n)])
    if bends:
        cost = np.concatenate([share, np.full(n, weight)])
        rows.append(_differences(pairs, n + pairs, width) - _unit(count + pairs, width))
        limits.append(-margins / unit)
    else:
        cost = share * (1 + weight)
        cost[n : 2 * n] -= weight
    values = unit * _minimise(cost / max(1.0, weight), vstack(rows), np.minimum(np.concatenate(limits), _FAR))[:count]
    hinges = np.maximum(margins + values[:n] - values[n : 2 * n], 0)
    return values, float(values[:n].mean() + weight * hinges.mean())


def _minimise(cost: Array, rows: Any, limits: Array) -> Array:
    from scipy.optimize import linprog

    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found: Any = linprog(cost, rows, limits, method="highs", options=tight)
    if found.x is None:
        raise ArithmeticError(f"the linear program was not solved: {found.message}")
    return np.asarray(found.x)


def _unit(columns: npt.NDArray[np.int64], width: int) -> Any:
    """Sparse rows with a single one each."""
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(columns)), (np.arange(len(columns)), columns)), (len(columns), width))


def _differences(plus: npt.NDArray[np.int64], minus: npt.NDArray[np.int64], width: int) -> Any:
    """Sparse rows that subtract one unknown from another."""
    return _unit(plus, width) - _unit(minus, width)
