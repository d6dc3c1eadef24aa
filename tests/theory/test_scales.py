"""Exact results in any units: numbers from POT, scipy, and by hand, with costs and masses from 1e-12 to 1e12."""

import itertools

import numpy as np
import ot
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import linprog

from zerosum.objectives import minimax
from zerosum.theory import divergences, gaussians, matrix_games, transport
from zerosum.theory.arrays import Array, unit_of
from zerosum.theory.discriminator import generator_gradient_through
from zerosum.theory.loss_sensitive import l1, optimal_loss

SCALES = (1e-12, 1e-10, 1e-5, 1.0, 1e5, 1e12)
PAIRS = [*itertools.product((1e-12, 1.0, 1e12), repeat=2), (1e-10, 1e7), (3e-8, 1e-10)]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random(shape)


def masses(n: int, seed: int) -> Array:
    return np.random.default_rng(seed).dirichlet(np.ones(n))


def test_the_unit_is_a_power_of_2_about_as_large_as_the_largest_number() -> None:
    assert unit_of([0.3, -5.0]) == 8
    assert unit_of(np.zeros(3), [0.0]) == 1
    assert unit_of(np.zeros((0, 2))) == 1
    for size in (5e-324, 1e-300, 1e300, 1.7e308):
        unit = unit_of(size)
        assert np.isfinite([unit, 1 / unit]).all()
        assert unit > 0
        assert np.log2(unit) % 1 == 0


@pytest.mark.parametrize(("price", "mass"), PAIRS)
def test_plans_cost_what_pots_do(price: float, mass: float) -> None:
    cost, p, q = random(7, 9), masses(7, 1), masses(9, 2)
    expected, log = ot.emd2(p, q, cost, log=True, return_matrix=True)
    plan = transport.optimal_plan(cost * price, p * mass, q * mass)
    assert plan.value == pytest.approx(expected * price * mass, rel=1e-9)
    np.testing.assert_allclose(plan.gamma / mass, log["G"], atol=1e-9)
    slack = cost - (plan.u[:, None] + plan.v) / price
    assert slack.min() > -1e-9
    assert (plan.u @ p + plan.v @ q) / price == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("price", SCALES)
def test_what_every_unit_of_mass_pays_takes_no_digits_from_the_plan(price: float) -> None:
    cost, p, q = random(5, 6), masses(5, 1), masses(6, 2)
    plan = transport.optimal_plan(1e6 * price + cost * price * 1e-4, p, q)
    np.testing.assert_allclose(plan.gamma, ot.emd(p, q, cost), atol=1e-9)


@pytest.mark.parametrize(("length", "mass"), PAIRS)
def test_the_dual_of_w1_is_pots(length: float, mass: float) -> None:
    points, p, q = random(8, 2), masses(8, 1), masses(8, 2)
    expected = ot.emd2(p, q, ot.dist(points, points, metric="euclidean"))
    f, value = transport.kantorovich_rubinstein(points * length, p * mass, q * mass)
    assert value == pytest.approx(expected * length * mass, rel=1e-9)
    assert (np.abs(f[:, None] - f) / length - ot.dist(points, points, metric="euclidean")).max() < 1e-9


@pytest.mark.parametrize(("length", "mass"), [*PAIRS, (1e-140, 1.0), (1e140, 1.0)])
@pytest.mark.parametrize("order", [1.0, 3.0])
def test_distances_on_the_line_are_pots(length: float, mass: float, order: float) -> None:
    x, y, p, q = random(6), random(5, seed=3), masses(6, 1), masses(5, 2)
    expected = ot.wasserstein_1d(x, y, p, q, p=order) ** (1 / order) * length * mass ** (1 / order)
    assert transport.wasserstein_line(x * length, y * length, p * mass, q * mass, order=order) == pytest.approx(
        expected, rel=1e-9
    )
    grid, other = np.sort(x), masses(6, 4)
    on_grid = ot.wasserstein_1d(grid, grid, p, other) * length * mass
    assert transport.wasserstein_grid(grid * length, p * mass, other * mass) == pytest.approx(on_grid, rel=1e-9)


@pytest.mark.parametrize(("price", "mass"), PAIRS)
def test_entropic_plans_are_pots(price: float, mass: float) -> None:
    cost, p, q = random(5, 6), masses(5, 1), masses(6, 2)
    expected = ot.sinkhorn(p, q, cost, 0.1, stopThr=1e-13, numItermax=10_000)
    found = transport.sinkhorn(cost * price, p * mass, q * mass, 0.1 * price, tolerance=1e-12)
    np.testing.assert_allclose(found.gamma / mass, expected, atol=1e-9)
    assert found.value == pytest.approx(float((expected * cost).sum()) * price * mass, rel=1e-8)


@pytest.mark.parametrize("length", [1e-170, 1e-12, 1e12, 1e170])
def test_distances_of_points_neither_underflow_nor_overflow(length: float) -> None:
    assert transport.euclidean(np.array([[3.0, 0.0]]) * length, np.array([[0.0, 4.0]]) * length) == pytest.approx(
        5 * length, rel=1e-12
    )


def by_the_book(real: Array, fake: Array, kappa: float, weight: float) -> float:
    """The objective's least value by the program as Qi 2017 writes it, dense, at sizes that scipy can take."""
    samples = np.concatenate([real, fake])
    n, count = len(real), len(samples)
    rows, limits = [], []
    for i, j in itertools.permutations(range(count), 2):
        rows.append(np.eye(count + n)[i] - np.eye(count + n)[j])
        limits.append(kappa * np.abs(samples[i] - samples[j]).sum())
    for i in range(n):
        rows.append(np.eye(count + n)[i] - np.eye(count + n)[n + i] - np.eye(count + n)[count + i])
        limits.append(-np.abs(real[i] - fake[i]).sum())
    cost = np.r_[np.full(n, 1 / n), np.zeros(len(fake)), np.full(n, weight / n)]
    return float(linprog(cost, np.array(rows), limits, method="highs-ds").fun)


@pytest.mark.parametrize("length", SCALES)
@pytest.mark.parametrize(("kappa", "weight"), [(0.4, 1.0), (1.0, 3.0), (2.5, 0.7), (30.0, 1.0)])
def test_optimal_losses_are_those_of_the_program(length: float, kappa: float, weight: float) -> None:
    real, fake = random(5, 2), random(7, 2, seed=1)
    found = optimal_loss(real * length, fake * length, kappa=kappa, weight=weight)
    assert found.objective == pytest.approx(by_the_book(real, fake, kappa, weight) * length, rel=1e-8)
    values = found.values / length
    hinges = np.maximum(np.abs(real - fake[:5]).sum(1) + values[:5] - values[5:10], 0)
    assert values[:5].mean() + weight * hinges.mean() == pytest.approx(found.objective / length, rel=1e-9)
    assert values.min() > -1e-9
    assert (np.abs(values[:, None] - values) - kappa * l1(found.samples, found.samples) / length).max() < 1e-8


@pytest.mark.parametrize("kappa", [1e-12, 1e-6, 1e6, 1e12])
def test_optimal_losses_of_steep_and_of_flat_functions_are_by_hand(kappa: float) -> None:
    # One pair at distance 2: the loss of the generated sample is min(kappa, 1) * 2, that of the real one 0.
    found = optimal_loss(np.array([[0.0]]), np.array([[2.0]]), kappa=kappa)
    np.testing.assert_allclose(found.values, [0, 2 * min(kappa, 1)], rtol=1e-9, atol=2e-9 * min(kappa, 1))
    assert found.objective == pytest.approx(2 - 2 * min(kappa, 1), abs=1e-9)


PENNIES = np.array([[3.0, -1.0], [-2.0, 1.0]])  # value 1/7, by (3/7, 4/7) and (2/7, 5/7)


@pytest.mark.parametrize("unit", [*SCALES, 1e-290, 1e290])
@pytest.mark.parametrize("constant", [0.0, 5.0, -1000.0])
def test_zero_sum_games_by_hand(unit: float, constant: float) -> None:
    found = matrix_games.solve_zero_sum((PENNIES + constant) * unit)
    assert found.value == pytest.approx((1 / 7 + constant) * unit, rel=1e-9)
    np.testing.assert_allclose(found.row, [3 / 7, 4 / 7], atol=1e-9)
    np.testing.assert_allclose(found.column, [2 / 7, 5 / 7], atol=1e-9)


def test_a_game_that_nobody_can_change_has_its_one_payoff() -> None:
    for payoff in (0.0, 1e-12, -7e11):
        assert matrix_games.solve_zero_sum(np.full((2, 3), payoff)).value == payoff


@pytest.mark.parametrize("units", [(1e-12, 1e-12), (1e-12, 1e12), (1.0, 1e-10), (1e12, 1e12)])
@pytest.mark.parametrize("constant", [0.0, 1e3])
def test_best_responses_and_equilibria_in_any_units(units: tuple[float, float], constant: float) -> None:
    # Battle of the sexes: both pure meetings, and (3/5, 2/5) against (2/5, 3/5).
    row, column = np.array([[3.0, 0], [0, 2]]), np.array([[2.0, 0], [0, 3]])
    payoffs = (row + constant) * units[0], (column + constant) * units[1]
    game = matrix_games.MatrixGame("meeting", *payoffs, ("a", "b"), ("c", "d"))
    first, second = matrix_games.best_responses(game, np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    assert (first, second) == (("a",), ("d",))
    both = matrix_games.best_responses(game, np.array([0.6, 0.4]), np.array([0.4, 0.6]))
    assert both == (("a", "b"), ("c", "d"))
    found = matrix_games.equilibria(game)
    expected = [([1, 0], [1, 0]), ([0, 1], [0, 1]), ([0.6, 0.4], [0.4, 0.6])]
    assert len(found) == 3
    for x, y in expected:
        assert any(np.allclose(x, a) and np.allclose(y, b) for a, b in found)


@pytest.mark.parametrize("unit", [1e-140, 1e-12, 1e12, 1e77, 1e140])
def test_distances_of_gaussians_in_any_units(unit: float) -> None:
    a, b = random(3, 3), random(3, 3, seed=1)
    means, covariances = (random(3, seed=2), random(3, seed=3)), (a @ a.T, b @ b.T)
    root = sqrtm(covariances[0] @ covariances[1])
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root.real)
    p, q = (gaussians.Gaussian(m * unit, c * unit * unit) for m, c in zip(means, covariances, strict=True))
    assert gaussians.frechet(p, q) / unit / unit == pytest.approx(expected, rel=1e-9)
    plain = (gaussians.Gaussian(m, c) for m, c in zip(means, covariances, strict=True))
    assert gaussians.mmd2(p, q, 0.7 * unit) == pytest.approx(gaussians.mmd2(*plain, 0.7), rel=1e-9)


def test_a_squared_distance_beyond_float64_is_said() -> None:
    far = gaussians.Gaussian([0.0], [[1.0]]), gaussians.Gaussian([1e160], [[1.0]])
    with pytest.raises(ValueError, match="too large for float64; measure in larger units"):
        gaussians.frechet(*far)


@pytest.mark.parametrize("unit", [1e-170, 1e-12, 1e12, 1e170])
def test_kernels_of_points_in_any_units(unit: float) -> None:
    points = np.array([0.0, 1.0, 3.0])
    expected = np.exp(-((points[:, None] - points) ** 2) / 8)
    np.testing.assert_allclose(divergences.gaussian_kernel(points * unit, 2 * unit), expected, rtol=1e-12)


def test_faults_are_seen_in_small_units_too() -> None:
    p, q = masses(3, 0), masses(3, 1)
    with pytest.raises(ValueError, match="kernel must be symmetric"):
        divergences.mmd(p, q, np.array([[1.0, 0.5, 0], [0, 1, 0], [0, 0, 1]]) * 1e-9)
    with pytest.raises(ValueError, match="columns of sum 0"):
        generator_gradient_through(minimax, p, q, np.full((3, 1), 1e-12))
