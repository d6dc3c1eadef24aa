"""Games of two players with finitely many actions: best responses, values, and all Nash equilibria.

A strategy is a probability for each action. A pair of strategies is a Nash equilibrium if neither player gains by
moving alone; what they could gain says how far from one they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from zerosum.theory.arrays import Array, unit_of


def _check_matrix(name: str, payoff: Any) -> Array:
    matrix: Array = np.asarray(payoff, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ValueError(f"{name} must be a finite matrix of payoffs (n, m), not of shape {matrix.shape}")
    return matrix


@dataclass(frozen=True)
class MatrixGame:
    """A bimatrix game: each player wants its own payoff large.

    Attributes:
        name: Name for people.
        row: Payoffs of the player who chooses the row, (n, m).
        column: Payoffs of the player who chooses the column, (n, m).
        rows: Names of the n actions of the row player.
        columns: Names of the m actions of the column player.
    """

    name: str
    row: Array
    column: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        for which in ("row", "column"):
            matrix = _check_matrix(which, getattr(self, which))
            if matrix.shape != (len(self.rows), len(self.columns)):
                raise ValueError(
                    f"{which} is {matrix.shape}, but {self.name!r} has {len(self.rows)} x {len(self.columns)} actions"
                )
            object.__setattr__(self, which, matrix)

    @property
    def zero_sum(self) -> bool:
        """Whether one player always wins just what the other loses."""
        return bool((self.row + self.column == 0).all())

    @property
    def sums(self) -> Array:
        """What both players get together, (n, m); the same number everywhere in a constant-sum game."""
        return np.asarray(self.row + self.column)


@dataclass(frozen=True)
class Solution:
    """The solution of a zero-sum game.

    Attributes:
        value: Payoff of the row player if both play optimally.
        row: Strategy that gets the row player at least the value, (n,).
        column: Strategy that lets the row player have at most the value, (m,).
    """

    value: float
    row: Array
    column: Array


def zero_sum_game(name: str, row: Any, actions: tuple[str, ...]) -> MatrixGame:
    """The zero-sum game in which both players have the same actions.

    Args:
        name: Name for people.
        row: Payoffs of the row player, (n, n).
        actions: Names of the n actions.
    """
    row = _check_matrix("row", row)
    return MatrixGame(name, row, -row + 0.0, actions, actions)


PRISONERS = MatrixGame(
    "prisoner's dilemma",
    np.array([[-1.0, -3.0], [0.0, -2.0]]),
    np.array([[-1.0, 0.0], [-3.0, -2.0]]),
    ("stays silent", "betrays"),
    ("stays silent", "betrays"),
)
"""Payoffs are minus the years in prison that the lecture notes print: 1 each, 3 and 0, 2 each. Not a zero-sum game."""

PENNIES = zero_sum_game("matching pennies", [[1, -1], [-1, 1]], ("heads", "tails"))
"""The row player wins if the pennies match."""

ROCK_PAPER_SCISSORS = zero_sum_game(
    "rock, paper, scissors", [[0, -1, 1], [1, 0, -1], [-1, 1, 0]], ("rock", "paper", "scissors")
)


def payoffs(game: MatrixGame, x: Array, y: Array) -> tuple[float, float]:
    """What the players get on average: x^T A y and x^T B y.

    Args:
        game: Game with payoffs A of the row player and B of the column player.
        x: Strategy of the row player, (n,).
        y: Strategy of the column player, (m,).

    Raises:
        ValueError: A strategy is not a probability for each action.
    """
    x, y = _check_strategies(game, x, y)
    return float(x @ game.row @ y), float(x @ game.column @ y)


def best_responses(game: MatrixGame, x: Array, y: Array) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The actions of the row player that are best against y, and those of the column player against x.

    Args:
        game: Game whose names of actions are returned.
        x: Strategy of the row player, (n,).
        y: Strategy of the column player, (m,).

    Raises:
        ValueError: A strategy is not a probability for each action.
    """
    x, y = _check_strategies(game, x, y)
    return (
        _best_actions(game.row @ y, game.rows, _nothing(game.row)),
        _best_actions(x @ game.column, game.columns, _nothing(game.column)),
    )


def gain_of_moving_alone(game: MatrixGame, x: Array, y: Array) -> tuple[float, float]:
    """What each player would gain by its best response while the other stays: (0, 0) only at Nash equilibria.

    In a zero-sum game their sum is the duality gap, max over x' of x'^T A y - min over y' of x^T A y'.

    Args:
        game: The rules.
        x: Strategy of the row player, (n,).
        y: Strategy of the column player, (m,).

    Returns:
        Gains of the row player and of the column player, both at least 0 up to rounding.

    Raises:
        ValueError: A strategy is not a probability for each action.
    """
    x, y = _check_strategies(game, x, y)
    now = payoffs(game, x, y)
    return float((game.row @ y).max()) - now[0], float((x @ game.column).max()) - now[1]


def solve_zero_sum(row: Array) -> Solution:
    """Von Neumann's minimax theorem by linear programs: max over x of min over y of x^T A y, and the reverse.

    Args:
        row: Payoffs A of the row player, (n, m); the column player gets -A.

    Returns:
        The value and one optimal strategy for each player (there may be more).

    Raises:
        ValueError: A is not a finite matrix.
        ArithmeticError: A program was not solved, or the two disagree.
    """
    row = _check_matrix("row", row)
    # Neither a constant nor a factor changes the strategies, and the solver's tolerances are absolute.
    constant = float(row.min())
    unit = unit_of(row - constant)
    scaled = (row - constant) / unit
    x, value = _maximin(scaled)
    y, minus = _maximin(-scaled.T)
    if abs(value + minus) > 1e-7:
        raise ArithmeticError(f"the players' linear programs disagree: {value:.9g} and {-minus:.9g}, times {unit:.3g}")
    return Solution(constant + value * unit, x, y)


def equilibria(game: MatrixGame) -> tuple[tuple[Array, Array], ...]:
    """Nash equilibria by enumeration of vertices; Mangasarian 1964, "Equilibrium points of bimatrix games".

    A strategy is labelled with the own actions that it does not play and the other player's actions that are best
    against it. Pairs of vertices of the two polytopes of strategies that have all labels between them are equilibria,
    and all equilibria are mixtures of such pairs. A game that is not degenerate has finitely many, an odd number,
    which are all found. A degenerate one, in which some strategy has more best responses than actions it mixes, may
    have a continuum, and what is found are its corners.

    Args:
        game: The rules; the work about quadruples with each action of both players.

    Returns:
        Strategies of the row player and of the column player, (n,) and (m,), at each; those of few actions first.
    """
    n, m = game.row.shape
    # Payoffs that are scaled to 1 to 2 have the same equilibria, and bounded polytopes of about this size.
    a, b = (1 + (payoff - payoff.min()) / (np.ptp(payoff) or 1) for payoff in (game.row, game.column))
    rows = _labelled_vertices(b.T, range(n), range(n, n + m))
    columns = _labelled_vertices(a, range(n, n + m), range(n))
    every = frozenset(range(n + m))
    found: list[tuple[Array, Array]] = []
    for (x, x_labels), (y, y_labels) in product(rows, columns):
        if x_labels | y_labels == every and _is_nash(game, x, y):
            found.append((x, y))
    return tuple(sorted(found, key=lambda pair: np.count_nonzero(pair[0]) + np.count_nonzero(pair[1])))


def _labelled_vertices(payoff: Array, own: range, others: range) -> list[tuple[Array, frozenset[int]]]:
    """Vertices but 0 of {x >= 0, payoff x <= 1}, scaled to strategies, each with the labels of its tight inequalities.

    Args:
        payoff: What the other player gets by each of its actions against each of this player's, (m, n).
        own: Labels of this player's n actions.
        others: Labels of the other player's m actions.
    """
    m, n = payoff.shape
    sides, limits = np.vstack([-np.eye(n), payoff]), np.r_[np.zeros(n), np.ones(m)]
    labels = np.array([*own, *others])
    chosen = np.array(list(combinations(range(n + m), n)))
    regular = np.linalg.matrix_rank(sides[chosen]) == n
    corners = np.linalg.solve(sides[chosen[regular]], limits[chosen[regular], None])[..., 0]
    slack = limits - corners @ sides.T
    found: dict[frozenset[int], Array] = {}
    for x, room in zip(corners, slack, strict=True):
        if room.min() > -1e-9 and x.max() > 1e-9:
            tight = frozenset(labels[room < 1e-9].tolist())
            found.setdefault(tight, _probabilities(np.where(x < 1e-9, 0, x)))
    return [(x, tight) for tight, x in found.items()]


def _is_nash(game: MatrixGame, x: Array, y: Array) -> bool:
    gains = gain_of_moving_alone(game, x, y)
    return all(gain <= _nothing(payoff) for gain, payoff in zip(gains, (game.row, game.column), strict=True))


def _probabilities(x: Any) -> Array:
    x = np.maximum(np.asarray(x, dtype=np.float64), 0)
    return np.asarray(np.round(x / x.sum(), 12))  # a half, and not 0.4999999999999999


def _maximin(a: Array) -> tuple[Array, float]:
    """The x that makes the minimum over columns of x^T A largest; the unknowns are x and that minimum."""
    from scipy.optimize import linprog

    n, m = a.shape
    found: Any = linprog(
        np.r_[np.zeros(n), -1.0],
        A_ub=np.column_stack([-a.T, np.ones(m)]),
        b_ub=np.zeros(m),
        A_eq=np.r_[np.ones(n), 0.0][None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * n + [(None, None)],
        method="highs",
    )
    if found.x is None:
        raise ArithmeticError(f"the linear program was not solved: {found.message}")
    return np.asarray(found.x[:n]), float(found.x[n])


def _nothing(payoff: Array) -> float:
    """Difference of two averages of payoffs that is none: small against their spread, or lost in rounding."""
    rounding = 4 * sum(payoff.shape) * np.finfo(np.float64).eps * float(np.abs(payoff).max())
    return max(1e-9 * float(np.ptp(payoff)), rounding)


def _best_actions(values: Array, names: tuple[str, ...], near: float) -> tuple[str, ...]:
    return tuple(name for name, value in zip(names, values, strict=True) if value >= values.max() - near)


def _check_strategies(game: MatrixGame, x: Array, y: Array) -> tuple[Array, Array]:
    return _check_strategy("x", x, len(game.rows)), _check_strategy("y", y, len(game.columns))


def _check_strategy(name: str, x: Array, n: int) -> Array:
    x = np.asarray(x, dtype=np.float64)
    if x.shape != (n,) or not ((x >= 0).all() and abs(x.sum() - 1) < 1e-9):
        raise ValueError(f"{name}={x}: a strategy is a probability for each of {n} actions, with sum 1")
    return x
