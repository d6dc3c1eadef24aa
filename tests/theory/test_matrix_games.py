"""Games on matrices, against solutions by hand and against nashpy."""

import sys
import warnings

import nashpy
import numpy as np
import pytest

from zerosum.theory import matrix_games
from zerosum.theory.matrix_games import PENNIES, PRISONERS, ROCK_PAPER_SCISSORS, MatrixGame

SILENT, BETRAYS = np.array([1.0, 0]), np.array([0, 1.0])
# Battle of the sexes: two pure equilibria, and a mixed one by hand: (3/5, 2/5) and (2/5, 3/5).
BATTLE = MatrixGame("battle", np.array([[3.0, 0], [0, 2]]), np.array([[2.0, 0], [0, 3]]), ("a", "b"), ("a", "b"))


def test_prisoners_serve_the_years_that_the_notes_print() -> None:
    years = {
        (a, b): (-PRISONERS.row[i, j], -PRISONERS.column[i, j])
        for i, a in enumerate(PRISONERS.rows)
        for j, b in enumerate(PRISONERS.columns)
    }
    assert years == {
        ("stays silent", "stays silent"): (1, 1),
        ("stays silent", "betrays"): (3, 0),
        ("betrays", "stays silent"): (0, 3),
        ("betrays", "betrays"): (2, 2),
    }


def test_the_prisoners_dilemma_is_no_zero_sum_game() -> None:
    assert not PRISONERS.zero_sum
    assert PRISONERS.sums.tolist() == [[-2, -3], [-3, -4]]  # nor of any other constant sum
    assert PENNIES.zero_sum
    assert ROCK_PAPER_SCISSORS.zero_sum


def test_both_prisoners_betray_and_both_would_rather_not() -> None:
    [(x, y)] = matrix_games.equilibria(PRISONERS)
    np.testing.assert_allclose([x, y], [BETRAYS, BETRAYS])
    assert matrix_games.payoffs(PRISONERS, x, y) == (-2, -2)
    assert matrix_games.payoffs(PRISONERS, SILENT, SILENT) == (-1, -1)
    assert matrix_games.gain_of_moving_alone(PRISONERS, x, y) == (0, 0)
    assert matrix_games.gain_of_moving_alone(PRISONERS, SILENT, SILENT) == (1, 1)
    assert matrix_games.gain_of_moving_alone(PRISONERS, SILENT, BETRAYS) == (1, 0)
    assert matrix_games.best_responses(PRISONERS, SILENT, BETRAYS) == (("betrays",), ("betrays",))


@pytest.mark.parametrize(("game", "n"), [(PENNIES, 2), (ROCK_PAPER_SCISSORS, 3)], ids=["pennies", "rps"])
def test_symmetric_games_have_one_equilibrium_and_it_mixes_all(game: MatrixGame, n: int) -> None:
    [(x, y)] = matrix_games.equilibria(game)
    np.testing.assert_allclose([x, y], np.full((2, n), 1 / n), atol=1e-12)
    solution = matrix_games.solve_zero_sum(game.row)
    np.testing.assert_allclose([solution.row, solution.column], np.full((2, n), 1 / n), atol=1e-9)
    assert solution.value == pytest.approx(0, abs=1e-12)
    assert matrix_games.best_responses(game, x, y) == (game.rows, game.columns)


def test_rock_is_beaten_by_paper() -> None:
    rock = np.array([1.0, 0, 0])
    assert matrix_games.best_responses(ROCK_PAPER_SCISSORS, rock, rock) == (("paper",), ("paper",))
    assert matrix_games.payoffs(ROCK_PAPER_SCISSORS, rock, np.array([0, 1.0, 0])) == (-1, 1)


def test_gains_are_told_apart_by_hand() -> None:
    # The row player shows heads at 0.7, the column player at 0.2: x^T A y = (0.7 - 0.3)(0.2 - 0.8) = -0.24.
    x, y = np.array([0.7, 0.3]), np.array([0.2, 0.8])
    assert matrix_games.payoffs(PENNIES, x, y) == pytest.approx((-0.24, 0.24))
    assert matrix_games.gain_of_moving_alone(PENNIES, x, y) == pytest.approx((0.6 + 0.24, 0.4 - 0.24))


def test_value_and_strategies_by_hand_where_no_saddle_point_is() -> None:
    # [[4, 1], [2, 3]]: x = (1/4, 3/4), y = (1/2, 1/2), value 5/2.
    found = matrix_games.solve_zero_sum(np.array([[4.0, 1], [2, 3]]))
    assert found.value == pytest.approx(2.5, abs=1e-9)
    np.testing.assert_allclose(found.row, [0.25, 0.75], atol=1e-9)
    np.testing.assert_allclose(found.column, [0.5, 0.5], atol=1e-9)


def test_value_of_an_oblong_game_by_hand() -> None:
    # The row player gets at least 2 by its second row, and at most 2 in the third column.
    found = matrix_games.solve_zero_sum(np.array([[5.0, 9, 1], [3, 4, 2]]))
    assert found.value == pytest.approx(2, abs=1e-9)
    np.testing.assert_allclose(found.row, [0, 1], atol=1e-9)
    np.testing.assert_allclose(found.column, [0, 0, 1], atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_linear_program_agrees_with_nashpy(seed: int) -> None:
    a = np.random.default_rng(seed).normal(size=(3, 4))
    [(x, y)] = nashpy.Game(a, -a).vertex_enumeration()
    found = matrix_games.solve_zero_sum(a)
    np.testing.assert_allclose(found.row, x, atol=1e-7)
    np.testing.assert_allclose(found.column, y, atol=1e-7)
    assert found.value == pytest.approx(x @ a @ y, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_equilibria_of_zero_sum_games_are_those_of_the_linear_program(seed: int) -> None:
    a = np.random.default_rng(seed).normal(size=(3, 4))
    names = tuple("abcd")
    [(x, y)] = matrix_games.equilibria(MatrixGame("random", a, -a, names[:3], names))
    found = matrix_games.solve_zero_sum(a)
    np.testing.assert_allclose(x, found.row, atol=1e-7)
    np.testing.assert_allclose(y, found.column, atol=1e-7)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 3), (2, 5), (4, 3), (5, 5)])
@pytest.mark.parametrize("seed", range(4))
def test_equilibria_of_general_games_are_those_of_nashpy(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n, m))
    names = tuple("abcde")
    found = matrix_games.equilibria(MatrixGame("random", a, b, names[:n], names[:m]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        # Its support enumeration drops a strategy where rounding makes a probability -1e-17.
        theirs = [*nashpy.Game(a, b).support_enumeration(), *nashpy.Game(a, b).vertex_enumeration()]
    assert len(found) % 2 == 1
    for x, y in theirs:
        assert any(np.allclose(x, p, atol=1e-7) and np.allclose(y, q, atol=1e-7) for p, q in found)
    for p, q in found:
        assert any(np.allclose(x, p, atol=1e-7) and np.allclose(y, q, atol=1e-7) for x, y in theirs)
        assert max(matrix_games.gain_of_moving_alone(MatrixGame("g", a, b, names[:n], names[:m]), p, q)) < 1e-9


def test_corners_of_a_continuum_of_equilibria_are_found() -> None:
    """Against the first column all rows are as good, and the column player has only one column that is best then."""
    game = MatrixGame("degenerate", np.array([[1.0, 0], [1, 0]]), np.array([[1.0, 0], [1, 0]]), ("a", "b"), ("a", "b"))
    found = [(x.tolist(), y.tolist()) for x, y in matrix_games.equilibria(game)]
    assert found == [([1.0, 0.0], [1.0, 0.0]), ([0.0, 1.0], [1.0, 0.0])] or found == [
        ([0.0, 1.0], [1.0, 0.0]),
        ([1.0, 0.0], [1.0, 0.0]),
    ]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_payoffs_does_not_matter(scale: float) -> None:
    game = MatrixGame("battle", BATTLE.row * scale - scale, BATTLE.column * scale, ("a", "b"), ("a", "b"))
    assert len(matrix_games.equilibria(game)) == 3


def test_games_that_vertex_enumeration_cannot_read_have_equilibria_too() -> None:
    pure = matrix_games.equilibria(
        MatrixGame("all the same", np.zeros((2, 2)), np.zeros((2, 2)), ("a", "b"), ("a", "b"))
    )
    assert len(pure) == 4
    [(x, y)] = matrix_games.equilibria(MatrixGame("one row", np.ones((1, 2)), np.array([[1.0, 3]]), ("a",), ("a", "b")))
    assert (x.tolist(), y.tolist()) == ([1], [0, 1])


def test_all_three_equilibria_of_the_battle_are_found() -> None:
    found = matrix_games.equilibria(BATTLE)
    expected = [[[1, 0], [1, 0]], [[0, 1], [0, 1]], [[0.6, 0.4], [0.4, 0.6]]]
    assert len(found) == 3
    for pair in expected:
        assert any(np.allclose(pair, one) for one in found), pair
    for x, y in found:
        assert matrix_games.gain_of_moving_alone(BATTLE, x, y) == pytest.approx((0, 0), abs=1e-12)


def test_nothing_needs_nashpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nashpy", None)
    [(x, y)] = matrix_games.equilibria(PENNIES)
    assert (x.tolist(), y.tolist()) == ([0.5, 0.5], [0.5, 0.5])


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"x=.*sum 1"):
        matrix_games.payoffs(PENNIES, np.array([0.5, 0.6]), SILENT)
    with pytest.raises(ValueError, match=r"y=.*each of 2 actions"):
        matrix_games.best_responses(PENNIES, SILENT, np.ones(3) / 3)
    with pytest.raises(ValueError, match=r"y=.*probability"):
        matrix_games.gain_of_moving_alone(PENNIES, SILENT, np.array([1.5, -0.5]))
    with pytest.raises(ValueError, match=r"column is \(1, 2\), but 'odd' has 2 x 2"):
        MatrixGame("odd", np.eye(2), np.ones((1, 2)), ("a", "b"), ("a", "b"))
    with pytest.raises(ValueError, match="row must be a finite matrix"):
        matrix_games.solve_zero_sum(np.array([[np.nan]]))
