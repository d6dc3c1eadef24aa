"""Optimal transport against POT, scipy, closed forms, and against its own dual."""

from collections.abc import Callable

import numpy as np
import ot
import pytest
from matplotlib.figure import Figure
from scipy.stats import norm, wasserstein_distance

from zerosum.theory import transport
from zerosum.theory.arrays import Array


def masses(n: int, seed: int) -> Array:
    return np.random.default_rng(seed).dirichlet(np.ones(n))


def cloud(n: int, seed: int, d: int = 2) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("order", [1, 1.5, 2, 3])
def test_line_distance_is_pots_for_weighted_samples(order: float) -> None:
    x, y, p, q = cloud(9, 0, 1)[:, 0], 2 + 3 * cloud(7, 1, 1)[:, 0], masses(9, 2), masses(7, 3)
    expected = ot.wasserstein_1d(x, y, p, q, p=order) ** (1 / order)
    assert transport.wasserstein_line(x, y, p, q, order=order) == pytest.approx(expected, rel=1e-12)


def test_line_distance_is_scipys() -> None:
    x, y, p, q = cloud(30, 0, 1)[:, 0], cloud(11, 1, 1)[:, 0], masses(30, 2), masses(11, 3)
    assert transport.wasserstein_line(x, y) == pytest.approx(wasserstein_distance(x, y), rel=1e-12)
    assert transport.wasserstein_line(x, y, p, q) == pytest.approx(wasserstein_distance(x, y, p, q), rel=1e-12)


def test_w2_of_two_normals_is_the_closed_form() -> None:
    levels = (np.arange(200_000) + 0.5) / 200_000
    x, y = norm.ppf(levels, 1, 2), norm.ppf(levels, -0.5, 0.7)
    expected = np.hypot(1 - -0.5, 2 - 0.7)  # W2^2 = (difference of means)^2 + (difference of deviations)^2
    assert transport.wasserstein_line(x, y, order=2) == pytest.approx(expected, rel=1e-4)


def test_grid_distance_is_scipys_and_that_of_a_shift_is_the_shift() -> None:
    grid = np.array([-1, 0, 0.5, 3, 10])
    p, q = masses(5, 0), masses(5, 1)
    assert transport.wasserstein_grid(grid, p, q) == pytest.approx(wasserstein_distance(grid, grid, p, q), rel=1e-12)
    assert transport.wasserstein_grid(np.array([0.0, 2.5]), np.array([4.0, 0]), np.array([0, 4.0])) == 10


def test_the_five_unit_example() -> None:
    p, q, places = np.array([3.0, 2, 1, 4]), np.array([1.0, 2, 4, 3]), np.arange(1.0, 5)
    assert transport.wasserstein_grid(places, p, q) == 5
    assert transport.wasserstein_line(places, places, p, q) == 5
    assert transport.optimal_plan(np.abs(places[:, None] - places), p, q).value == pytest.approx(5, abs=1e-12)
    assert transport.kantorovich_rubinstein(places[:, None], p, q)[1] == pytest.approx(5, abs=1e-12)
    # 2 boxes go one place right, in the end 1 -> 2 and 2 -> 3, and 1 goes from 4 to 3.
    by_hand = [[1, 2, 0, 0], [0, 0, 2, 0], [0, 0, 1, 0], [0, 0, 1, 3]]
    np.testing.assert_allclose(transport.monotone_plan(places, places, p, q), by_hand, atol=1e-12)


def test_monotone_plan_follows_unsorted_points_and_is_optimal_for_squares() -> None:
    x, y, p, q = cloud(6, 0, 1)[:, 0], cloud(8, 1, 1)[:, 0], masses(6, 2), masses(8, 3)
    gamma = transport.monotone_plan(x, y, p, q)
    cost = (x[:, None] - y) ** 2
    np.testing.assert_allclose(gamma, ot.emd(p, q, cost), atol=1e-12)  # strictly convex: the plan is unique
    np.testing.assert_allclose([gamma.sum(1), gamma.sum(0)[:6]], [p, q[:6]], atol=1e-12)


@pytest.fixture(params=[(6, 9), (15, 4), (1, 5)], ids=str)
def problem(request: pytest.FixtureRequest) -> tuple[Array, Array, Array]:
    n, m = request.param
    return transport.euclidean(cloud(n, 0, 3), cloud(m, 1, 3)), masses(n, 2), masses(m, 3)


def test_plan_costs_what_pots_does(problem: tuple[Array, Array, Array]) -> None:
    cost, p, q = problem
    plan = transport.optimal_plan(cost, p, q)
    assert plan.value == pytest.approx(ot.emd2(p, q, cost), rel=1e-9)
    assert plan.value == pytest.approx(float((plan.gamma * cost).sum()), rel=1e-12)


def test_plan_has_its_marginals(problem: tuple[Array, Array, Array]) -> None:
    cost, p, q = problem
    gamma = transport.optimal_plan(cost, p, q).gamma
    np.testing.assert_allclose(gamma.sum(1), p, atol=1e-10)
    np.testing.assert_allclose(gamma.sum(0), q, atol=1e-10)
    assert (gamma >= 0).all()


def test_totals_may_differ_by_rounding() -> None:
    p, q = masses(4, 0), masses(5, 1) * (1 + 8e-10)
    gamma = transport.optimal_plan(transport.euclidean(cloud(4, 0), cloud(5, 1)), p, q).gamma
    np.testing.assert_allclose(gamma.sum(0), masses(5, 1), rtol=0, atol=1e-12)


def test_potentials_prove_the_plan_optimal(problem: tuple[Array, Array, Array]) -> None:
    cost, p, q = problem
    plan = transport.optimal_plan(cost, p, q)
    slack = cost - plan.u[:, None] - plan.v
    assert slack.min() > -1e-9
    assert plan.u @ p + plan.v @ q == pytest.approx(plan.value, abs=1e-9)
    assert slack[plan.gamma > 1e-9].max() < 1e-9  # complementary slackness
    assert slack.max() > 0.01 or min(cost.shape) == 1


def test_kantorovich_rubinstein_reaches_w1_with_a_1_lipschitz_function() -> None:
    x, y = cloud(8, 0), 1 + cloud(6, 1)
    points, p, q = np.concatenate([x, y]), np.r_[masses(8, 2), np.zeros(6)], np.r_[np.zeros(8), masses(6, 3)]
    f, value = transport.kantorovich_rubinstein(points, p, q)
    cost = ot.dist(x, y, metric="euclidean")
    assert value == pytest.approx(ot.emd2(p[:8], q[8:], cost), abs=1e-9)
    assert f @ (p - q) == pytest.approx(value, abs=1e-12)
    assert (np.abs(f[:, None] - f) - ot.dist(points, points, metric="euclidean")).max() < 1e-9
    assert f[0] == 0
    # f falls at slope 1 along every arrow of the optimal plan, and only there must it.
    moved = ot.emd(p[:8], q[8:], cost) > 1e-12
    np.testing.assert_allclose((f[:8, None] - f[None, 8:])[moved], cost[moved], atol=1e-9)
    assert ((f[:8, None] - f[None, 8:])[~moved] < cost[~moved] - 1e-3).any()


def test_kantorovich_rubinstein_of_one_point_is_nothing() -> None:
    f, value = transport.kantorovich_rubinstein(np.zeros((1, 2)), np.ones(1), np.ones(1))
    assert f.tolist() == [0]
    assert value == 0


@pytest.mark.parametrize("eps", [0.05, 0.3, 2.0])
def test_sinkhorn_plan_is_pots(eps: float) -> None:
    cost, p, q = transport.euclidean(cloud(6, 0), cloud(5, 1)), masses(6, 2), masses(5, 3)
    found = transport.sinkhorn(cost, p, q, eps, tolerance=1e-12)
    expected = ot.sinkhorn(p, q, cost, eps, method="sinkhorn_log", stopThr=1e-13, numItermax=100_000)
    np.testing.assert_allclose(found.gamma, expected, atol=1e-10)
    assert found.value == pytest.approx(float((expected * cost).sum()), rel=1e-9)


def test_sinkhorn_of_two_by_two_by_hand() -> None:
    # gamma = [[a, 1/2 - a], [1/2 - a, a]] with (a / (1/2 - a))^2 = exp(2 / eps).
    eps = 0.7
    found = transport.sinkhorn(np.array([[0.0, 1], [1, 0]]), np.array([0.5, 0.5]), np.array([0.5, 0.5]), eps)
    assert found.gamma[0, 0] == pytest.approx(0.5 / (1 + np.exp(-1 / eps)), rel=1e-9)
    assert found.value == pytest.approx(1 / (1 + np.exp(1 / eps)), rel=1e-9)


def test_sinkhorn_approaches_the_linear_program_from_above() -> None:
    cost, p, q = transport.euclidean(cloud(6, 0), cloud(5, 1)), masses(6, 2), masses(5, 3)
    values = [transport.sinkhorn(cost, p, q, eps).value for eps in (1, 0.3, 0.1, 0.03)]
    assert sorted(values, reverse=True) == values
    assert 0 < values[-1] - ot.emd2(p, q, cost) < 1e-3
    # Without a bound on eps in sight it does not overflow.
    assert transport.sinkhorn(100 * cost, p, q, 0.3).value == pytest.approx(100 * ot.emd2(p, q, cost), rel=1e-6)


def test_sinkhorn_leaves_rows_without_mass_empty() -> None:
    cost = transport.euclidean(cloud(3, 0), cloud(3, 1))
    found = transport.sinkhorn(cost, np.array([0.5, 0, 0.5]), np.array([0, 0.2, 0.8]), 0.5)
    np.testing.assert_allclose(found.gamma.sum(1), [0.5, 0, 0.5], atol=1e-8)
    np.testing.assert_allclose(found.gamma.sum(0), [0, 0.2, 0.8], atol=1e-8)


def test_sinkhorn_says_that_it_has_not_converged() -> None:
    cost, p, q = transport.euclidean(cloud(6, 0), cloud(5, 1)), masses(6, 2), masses(5, 3)
    with pytest.raises(ArithmeticError, match=r"not converged: after 3 iterations with eps=0.01.*larger eps"):
        transport.sinkhorn(cost, p, q, 0.01, most=3)


HALF = np.array([0.5, 0.5])
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "total": (lambda: transport.optimal_plan(np.ones((2, 2)), HALF, 2 * HALF), "p sums to 1 and q to 2"),
    "negative": (lambda: transport.optimal_plan(np.ones((2, 2)), np.array([1.5, -0.5]), HALF), "p must be finite"),
    "shape": (lambda: transport.optimal_plan(np.ones((2, 3)), HALF, HALF), r"q has shape \(2,\)"),
    "cost": (lambda: transport.optimal_plan(np.array([[np.inf]]), HALF[:1], HALF[:1]), "cost must be finite"),
    "order": (lambda: transport.wasserstein_line(HALF, HALF, order=0.5), r"order=0.5"),
    "grid": (lambda: transport.wasserstein_grid(np.zeros(2), HALF, HALF), "increase strictly"),
    "line": (lambda: transport.wasserstein_line(np.ones((2, 1)), HALF), "x must be finite places"),
    "points": (lambda: transport.kantorovich_rubinstein(HALF, HALF, HALF), "finite points"),
    "eps": (lambda: transport.sinkhorn(np.ones((2, 2)), HALF, HALF, 0), "use optimal_plan"),
    "spaces": (lambda: transport.euclidean(np.ones((2, 3)), np.ones((2, 2))), "same number of coordinates"),
    "plane": (lambda: transport.draw_plan(None, np.ones((2, 3)), np.ones((2, 3)), np.eye(2)), "needed are"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_named(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_drawn_arrows_are_those_of_the_plan() -> None:
    axes = Figure().subplots()
    x, y = cloud(3, 0), cloud(2, 1)
    gamma = np.array([[0.5, 0], [0, 0.25], [0.25, 0]])
    transport.draw_plan(axes, x, y, gamma)
    drawn = {(*note.xyann, *note.xy): note.arrow_patch.get_linewidth() for note in axes.texts}
    assert set(drawn) == {(*x[i], *y[j]) for i, j in ((0, 0), (1, 1), (2, 0))}
    assert drawn[(*x[0], *y[0])] > drawn[(*x[1], *y[1])] == drawn[(*x[2], *y[0])]


def test_drawn_matrix_says_the_masses() -> None:
    axes = Figure().subplots()
    transport.draw_matrix(axes, np.array([[1.0, 0, 2], [0, 0.5, 0]]), ["a", "b"], ["7", "8", "9"])
    assert [text.get_text() for text in axes.texts] == ["1", "·", "2", "·", "0.5", "·"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["7", "8", "9"]
