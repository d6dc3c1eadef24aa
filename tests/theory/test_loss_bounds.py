"""The optimal losses of samples: against hand-solved cases, an exhaustive search, and the properties of the bounds."""

import itertools

import numpy as np
import pytest

from zerosum.theory.arrays import Array
from zerosum.theory.loss_sensitive import OptimalLoss, l1, optimal_loss


def column(*values: float) -> Array:
    return np.array(values, dtype=np.float64)[:, None]


def cloud(n: int = 9, m: int = 12, dim: int = 2, **settings: float) -> OptimalLoss:
    rng = np.random.default_rng(0)
    return optimal_loss(rng.normal(size=(n, dim)), rng.normal(1.0, 1.0, size=(m, dim)), **settings)


def objective(values: Array, real: Array, fake: Array, weight: float) -> float:
    """The objective, term by term."""
    n, total = len(real), 0.0
    for i in range(n):
        violation = float(np.abs(real[i] - fake[i]).sum() + values[i] - values[n + i])
        total += values[i] / n + weight / n * max(violation, 0.0)
    return total


@pytest.mark.parametrize(("kappa", "weight"), [(0.25, 2.0), (1.0, 2.0), (3.0, 0.5)])
def test_one_pair_by_hand(kappa: float, weight: float):
    """l_1 = 0, and l_2 as large as the Lipschitz condition allows but for margins already met."""
    found = optimal_loss(column(0.5), column(2.5), kappa=kappa, weight=weight)
    assert found.objective == pytest.approx(weight * 2 * max(1 - kappa, 0))
    assert found.values[0] == pytest.approx(0)
    assert 2 * min(kappa, 1) - 1e-9 <= found.values[1] <= 2 * kappa + 1e-9


def test_crossed_pairs_by_hand():
    """Each generated sample lies on the other pair's real one: losses 0 are best, and each pair misses its margin."""
    found = optimal_loss(column(0, 1), column(1, 0), kappa=5.0, weight=3.0)
    assert found.objective == pytest.approx(3.0)
    np.testing.assert_allclose(found.values, 0, atol=1e-9)


def test_a_generated_sample_that_is_real_costs_nothing():
    found = optimal_loss(column(0, 1), column(0, 1), weight=10.0)
    assert found.objective == pytest.approx(0)
    np.testing.assert_allclose(found.values, 0, atol=1e-9)


def test_weightless_pairs_leave_no_loss_on_real_samples():
    found = cloud(weight=0.0)
    assert found.objective == pytest.approx(0)
    np.testing.assert_allclose(found.values[:9], 0, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_is_that_of_an_exhaustive_search(seed: int):
    """With whole distances and kappa, some optimum is whole: differences of unknowns are totally unimodular."""
    rng = np.random.default_rng(seed)
    real, fake = rng.integers(0, 5, (2, 1)).astype(float), rng.integers(0, 5, (3, 1)).astype(float)
    kappa, weight, best = float(1 + seed % 2), 1.5, np.inf
    delta = l1(np.concatenate([real, fake]), np.concatenate([real, fake]))
    for values in itertools.product(range(9), repeat=5):
        l = np.array(values, dtype=float)  # noqa: E741 (the paper's letter)
        if (np.abs(l[:, None] - l) <= kappa * delta).all():
            best = min(best, objective(l, real, fake, weight))
    found = optimal_loss(real, fake, kappa=kappa, weight=weight)
    assert found.objective == pytest.approx(best)
    assert objective(found.values, real, fake, weight) == pytest.approx(best)


@pytest.mark.parametrize("kappa", [0.3, 1.0, 2.0])
def test_bounds_touch_the_samples_and_enclose_every_loss_with_these_values(kappa: float):
    found = cloud(kappa=kappa, weight=4.0)
    np.testing.assert_allclose(found.lower(found.samples), found.values, atol=1e-9)
    np.testing.assert_allclose(found.upper(found.samples), found.values, atol=1e-9)
    x = np.random.default_rng(1).normal(0, 3, (200, 2))
    low, high = found.lower(x), found.upper(x)
    assert (low >= 0).all()
    assert (low <= high + 1e-9).all()
    # Lipschitz with kappa, and no less: both are made of cones of that slope.
    for bound in (low, high):
        slopes = np.abs(bound[:, None] - bound)[l1(x, x) > 0] / l1(x, x)[l1(x, x) > 0]
        assert slopes.max() <= kappa * (1 + 1e-9)
        assert slopes.max() > 0.9 * kappa


def test_bounds_by_hand():
    found = OptimalLoss(column(0, 2), np.array([0.0, 3.0]), 0.0, 2.0, l1)
    x = column(-1, 0.25, 1, 3, 9)
    np.testing.assert_allclose(found.lower(x), [0, 0, 1, 1, 0])  # max(0, -2|x|, 3 - 2|x - 2|)
    np.testing.assert_allclose(found.upper(x), [2, 0.5, 2, 5, 17])  # min(2|x|, 3 + 2|x - 2|)


def test_values_obey_the_constraints_and_the_objective_is_theirs():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(9, 2)), rng.normal(1.0, 1.0, size=(12, 2))
    found = cloud(kappa=0.7, weight=4.0)
    l = found.values  # noqa: E741
    assert (l >= -1e-9).all()
    assert (np.abs(l[:, None] - l) <= 0.7 * l1(found.samples, found.samples) + 1e-9).all()
    assert found.objective == pytest.approx(objective(l, real, fake, 4.0))
    # No feasible function does better: try cones around the real samples, whose loss is 0 there.
    other = 0.7 * l1(found.samples, real).min(1)
    assert found.objective < objective(other, real, fake, 4.0)
    assert cloud(kappa=0.8, weight=4.0).objective < found.objective


def test_another_metric():
    def twice(x: Array, y: Array) -> Array:
        return 2 * l1(x, y)

    found = optimal_loss(column(0), column(3), kappa=0.5, weight=1.0, distance=twice)
    assert found.objective == pytest.approx(3)  # (1 - kappa) * 6
    np.testing.assert_allclose(found.upper(column(1)), [1])


@pytest.mark.parametrize(
    ("real", "fake", "settings", "message"),
    [
        (np.zeros((2, 1)), np.zeros((1, 1)), {}, "generated one"),
        (np.zeros((2, 1)), np.zeros((2, 3)), {}, "of its kind"),
        (np.zeros(2), np.zeros((2, 1)), {}, "points"),
        (np.full((2, 1), np.nan), np.zeros((2, 1)), {}, "finite"),
        (np.zeros((1, 1)), np.zeros((1, 1)), {"kappa": 0.0}, "kappa"),
        (np.zeros((1, 1)), np.zeros((1, 1)), {"weight": -1.0}, "weight"),
    ],
)
def test_bad_input_is_refused(real: Array, fake: Array, settings: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        optimal_loss(real, fake, **settings)
