"""Two-sample tests: closed forms, scikit-learn, naive loops, enumeration of all labelings; calibration and power."""

import itertools
import math
from functools import partial

import metric_helpers
import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.measures import two_sample
from zerosum.metrics.measures.two_sample import classifier_test, kernel_test, neighbour_test
from zerosum.metrics.shared.kernels import gaussian_kernel, median_distance, polynomial_kernel

normal = partial(metric_helpers.normal, dtype=torch.float64)


def check_calibration(p_values: list[float]) -> None:
    """Under the null hypothesis: uniform, or (where few values are possible) on the safe side; 4 standard errors."""
    p, n = np.array(p_values), len(p_values)
    assert 0.5 - 4 / math.sqrt(12 * n) < p.mean() < 0.5 + 4 / math.sqrt(12 * n) + 0.1
    for level in (0.05, 0.2, 0.5):
        assert (p <= level).mean() <= level + 4 * math.sqrt(level * (1 - level) / n)
    assert p.min() < 0.2  # it does move


# -- classifier


@pytest.mark.parametrize("hidden", [0, 20])
def test_the_classifiers_accuracy_is_near_that_of_bayes(hidden: int) -> None:
    # N(0, I) against N(d e_1, I): the best accuracy is Phi(d / 2).
    shifted = normal(3000, 4, seed=1)
    shifted[:, 0] += 2
    found = classifier_test(normal(4000, 4, seed=0), shifted, hidden=hidden)
    assert found.tested == 3000
    assert found.accuracy == pytest.approx((1 + math.erf(1 / math.sqrt(2))) / 2, abs=0.025)
    assert found.p_value < 1e-100


def test_the_null_is_the_binomial() -> None:
    x, y = normal(20, 2, seed=2), normal(21, 2, seed=3) + 0.5
    found = classifier_test(x, y, hidden=0)
    right = round(found.accuracy * found.tested)
    assert found.tested == 20
    assert found.p_value == pytest.approx(sum(math.comb(20, i) for i in range(right, 21)) / 2**20, rel=1e-12)


def test_logistic_regression_equals_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    x = torch.cat([normal(60, 5, seed=4) + 0.5, normal(40, 5, seed=5)])
    weight, bias = two_sample._train(x, 60, 0, 0.05, torch.Generator().manual_seed(0))
    labels = (np.arange(100) < 60).astype(int)
    expected = LogisticRegression(C=1 / (100 * 0.05), tol=1e-10, max_iter=1000).fit(x.numpy(), labels)
    np.testing.assert_allclose(weight.numpy(), expected.coef_, atol=1e-5)
    np.testing.assert_allclose(bias.numpy(), expected.intercept_, atol=1e-5)


def test_hidden_units_see_a_difference_in_spread() -> None:
    x, y = normal(600, 2, seed=6), 3 * normal(600, 2, seed=7)
    # Best: inside a radius r with r^2 (1 - 1/9) = 4 log 3; there exp(-r^2 / 18) of y and 1 - exp(-r^2 / 2) of x.
    squared = 4 * math.log(3) / (1 - 1 / 9)
    best = (1 - math.exp(-squared / 2) + math.exp(-squared / 18)) / 2
    seen = classifier_test(x, y)
    assert seen.accuracy == pytest.approx(best, abs=0.06)
    assert seen.p_value < 1e-10
    assert classifier_test(x, y, hidden=0).accuracy < 0.6


@pytest.mark.parametrize("hidden", [0, pytest.param(20, marks=pytest.mark.slow)])
def test_the_classifier_test_is_calibrated(hidden: int) -> None:
    check_calibration(
        [
            classifier_test(normal(60, 3, seed=2 * i), normal(80, 3, seed=2 * i + 1), hidden=hidden, seed=i).p_value
            for i in range(100)
        ]
    )


def test_a_seed_fixes_the_classifier_in_any_mode() -> None:
    x, y = normal(50, 3, seed=8), normal(50, 3, seed=9) + 0.3
    x[:, 2] = y[:, 2] = 4  # a feature without spread
    usual = classifier_test(x, y, hidden=3, seed=3)
    torch.manual_seed(12345)
    with torch.inference_mode():
        assert classifier_test(x.clone(), y.clone(), hidden=3, seed=3) == usual
    with torch.no_grad():
        assert classifier_test(x, y, hidden=3, seed=3) == usual
    assert len({classifier_test(x, y, hidden=3, seed=i).accuracy for i in range(3)}) > 1


# -- nearest neighbour


def test_the_neighbour_test_equals_scikit_learn() -> None:
    from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

    x, y = normal(70, 4, seed=10), 0.8 * normal(50, 4, seed=11) + 0.2
    pooled, labels = np.concatenate([x, y]), np.arange(120) < 70
    guesses = np.array(
        [
            KNeighborsClassifier(1)
            .fit(np.delete(pooled, i, axis=0), np.delete(labels, i))
            .predict(pooled[i : i + 1])[0]
            for i in range(120)
        ]
    )
    right = guesses == labels
    found = neighbour_test(x, y)
    assert found[:3] == (right.mean(), right[:70].mean(), right[70:].mean())
    # The p-value, by our own permutations of scikit-learn's graph.
    graph = NearestNeighbors(n_neighbors=1).fit(pooled).kneighbors(return_distance=False)[:, 0]
    rng = np.random.default_rng(0)
    draws = [rng.permutation(labels) for _ in range(2000)]
    expected = np.mean([(p == p[graph]).mean() >= right.mean() for p in draws])
    assert found.p_value == pytest.approx(expected, abs=0.05)
    assert found.chance == pytest.approx(np.mean([(p == p[graph]).mean() for p in draws]), abs=0.005)


def test_neighbour_test_on_sets_apart_equal_and_copied() -> None:
    x = normal(60, 3, seed=12)
    assert neighbour_test(x, x + 100, permutations=99) == (1.0, 1.0, 1.0, 59 / 119, 0.01)
    # Every nearest neighbour of a copy is its original, and the other way round.
    assert neighbour_test(x, x, permutations=99) == (0.0, 0.0, 0.0, 59 / 119, 1.0)


def test_permutation_p_values_equal_the_enumeration() -> None:
    x, y = normal(4, 2, seed=13), normal(4, 2, seed=14) + 1.2
    pooled = torch.cat([x, y])
    squared = torch.cdist(pooled, pooled).square()
    graph = (squared + torch.eye(8) * 1e9).argmin(1)
    matrix = polynomial_kernel(pooled, pooled)
    accuracy, mmd2 = [], []
    for chosen in itertools.combinations(range(8), 4):
        label = torch.zeros(8, dtype=torch.bool)
        label[list(chosen)] = True
        accuracy.append(float((label == label[graph]).double().mean()))
        mmd2.append(naive_mmd2(matrix.numpy(), label.numpy()))
    # combinations() starts with 0, 1, 2, 3: the true labels.
    for values, found in (
        (accuracy, neighbour_test(x, y, permutations=5000).p_value),
        (mmd2, kernel_test(x, y, kernel=polynomial_kernel, permutations=5000).p_value),
    ):
        expected = np.mean(np.array(values) >= values[0] - 1e-12)
        assert 0 < expected < 1
        assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("discrete", [False, True])
def test_the_neighbour_test_is_calibrated(discrete: bool) -> None:
    def draw(n: int, seed: int) -> Tensor:
        x = normal(n, 2, seed=seed)
        return x.round() if discrete else x  # ties and copies must not favour either label

    check_calibration(
        [neighbour_test(draw(40, 2 * i), draw(30, 2 * i + 1), permutations=99, seed=i).p_value for i in range(100)]
    )


def test_the_neighbour_test_has_power() -> None:
    found = neighbour_test(normal(150, 3, seed=15), normal(150, 3, seed=16) + 1)
    assert found.p_value < 0.005
    assert found.accuracy > 0.6


# -- kernel


def naive_mmd2(matrix: np.ndarray, label: np.ndarray) -> float:
    """Loops over all pairs i != j."""
    n, m = int(label.sum()), int((~label).sum())
    total = 0.0
    for i in range(n + m):
        for j in range(n + m):
            if i == j:
                continue
            if label[i] and label[j]:
                total += matrix[i, j] / (n * (n - 1))
            elif not label[i] and not label[j]:
                total += matrix[i, j] / (m * (m - 1))
            else:
                total -= matrix[i, j] / (n * m)
    return total


@pytest.mark.parametrize("tile", [7, 1024])
@pytest.mark.parametrize("kernel", ["gaussian", "polynomial"])
def test_mmd_equals_naive_loops(kernel: str, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample, "_TILE", tile)
    x, y = normal(23, 5, seed=17), normal(31, 5, seed=18) + 0.4
    pooled = torch.cat([x, y]).numpy()
    if kernel == "gaussian":
        distances = np.sqrt(((pooled[:, None] - pooled) ** 2).sum(axis=2))
        upper = np.sort(distances[np.triu_indices(54, 1)])
        bandwidth = upper[(len(upper) - 1) // 2]
        assert median_distance(x, y) == pytest.approx(bandwidth, rel=1e-12)
        matrix = np.exp(-(distances**2) / (2 * bandwidth**2))
        found = kernel_test(x, y, permutations=100)
    else:
        matrix = (pooled @ pooled.T / 5 + 1) ** 3
        found = kernel_test(x, y, kernel=polynomial_kernel, permutations=100)
    labels = np.arange(54) < 23
    assert found.mmd2 == pytest.approx(naive_mmd2(matrix, labels), rel=1e-11)
    # The same permutations, each from the kernel matrix in full.
    drawn = two_sample._draw_labelings(23, 54, 100, generator(0, "kernel test"), torch.device("cpu")).numpy()
    assert (drawn[0] == labels).all()
    assert (drawn.sum(axis=1) == 23).all()
    expected = np.mean([naive_mmd2(matrix, row) >= found.mmd2 - 1e-12 for row in drawn])
    assert found.p_value == expected


def test_mmd_of_gaussians_is_the_closed_form() -> None:
    # Unit variances, means d apart: E k(x, y) = (h^2 / (h^2 + 2))^(D / 2) exp(-|d|^2 / (2 (h^2 + 2))).
    n, dimensions, bandwidth = 2500, 3, 1.5
    shift = torch.tensor([0.5, 0, -0.5], dtype=torch.float64)
    found = kernel_test(
        normal(n, dimensions, seed=19),
        normal(n, dimensions, seed=20) + shift,
        kernel=gaussian_kernel(bandwidth),
        permutations=50,
    )
    wide = bandwidth**2 + 2
    expected = 2 * (bandwidth**2 / wide) ** (dimensions / 2) * (1 - math.exp(-0.5 / (2 * wide)))
    assert found.mmd2 == pytest.approx(expected, rel=0.1)
    assert found.p_value == 1 / 51


def test_the_gaussian_kernel_keeps_its_digits_far_from_zero() -> None:
    x, y = normal(9, 3, seed=21), normal(8, 3, seed=22)
    near, far = (gaussian_kernel(0.7)(x + offset, y + offset) for offset in (0, 1e6))
    exact = torch.exp(-(x[:, None] - y).square().sum(2) / (2 * 0.49))
    np.testing.assert_allclose(near, exact, rtol=1e-12)
    np.testing.assert_allclose(far, exact, rtol=1e-8)


@pytest.mark.parametrize("discrete", [False, True])
def test_the_kernel_test_is_calibrated(discrete: bool) -> None:
    # Signs alone: few different features, and few different values of the statistic.
    kernel = polynomial_kernel if discrete else None

    def p_value(i: int) -> float:
        x, y = normal(40, 2, seed=2 * i), normal(30, 2, seed=2 * i + 1)
        sets = (x.sign(), y.sign()) if discrete else (x, y)
        return kernel_test(*sets, kernel=kernel, permutations=99, seed=i).p_value

    check_calibration([p_value(i) for i in range(100)])


def test_the_kernel_test_has_power_and_equal_features_have_none() -> None:
    x, y = normal(100, 3, seed=23).float(), 1.8 * normal(100, 3, seed=24).float()
    assert kernel_test(x, y, permutations=200).p_value == 1 / 201
    constant = torch.full((20, 3), 0.1)
    assert kernel_test(constant, constant, kernel=polynomial_kernel, permutations=50) == (pytest.approx(0), 1.0)


def test_what_is_refused() -> None:
    x = normal(10, 3, seed=25)
    for test in (classifier_test, neighbour_test, kernel_test):
        with pytest.raises(ValueError, match="NaN or infinity"):
            test(x, x * math.nan)
        with pytest.raises(ValueError, match="3 with features of 2 dimensions"):
            test(x, x[:, :2])
        with pytest.raises(ValueError, match="samples are needed on each side, not 1"):
            test(x, x[:1])
    for test in (neighbour_test, kernel_test):
        with pytest.raises(ValueError, match="at least 1 permutation, not 0"):
            test(x, x + 1, permutations=0)
    with pytest.raises(ValueError, match="at least 0, not -1 and"):
        classifier_test(x, x, hidden=-1)
    with pytest.raises(ValueError, match="equal, so there is no bandwidth"):
        kernel_test(torch.ones(5, 2), torch.ones(5, 2))
    for bandwidth in (0, -1, math.inf, math.nan):
        with pytest.raises(ValueError, match="bandwidth must be positive"):
            gaussian_kernel(bandwidth)
