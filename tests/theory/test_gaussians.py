"""Closed forms between Gaussians: against torch, scipy's matrix root, POT, and integration over a grid."""

import math

import numpy as np
import ot
import pytest
import torch
from scipy import stats
from scipy.linalg import sqrtm
from torch.distributions import MultivariateNormal, kl_divergence

from zerosum.theory import gaussians as g
from zerosum.theory.gaussians import Gaussian


def some(seed: int, d: int = 3) -> Gaussian:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(d, d))
    return Gaussian(rng.normal(size=d), a @ a.T + 0.2 * np.eye(d))


def torched(p: Gaussian) -> MultivariateNormal:
    return MultivariateNormal(torch.from_numpy(p.mean), torch.from_numpy(p.covariance))


@pytest.mark.parametrize("seed", range(3))
def test_kl_and_entropy_are_those_of_torch(seed: int) -> None:
    p, q = some(seed), some(seed + 10)
    assert g.kl(p, q) == pytest.approx(float(kl_divergence(torched(p), torched(q))), rel=1e-10)
    assert g.entropy(p) == pytest.approx(float(torched(p).entropy()), rel=1e-12)
    assert g.kl(p, p) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_frechet_distance_is_that_of_pot_and_of_the_matrix_root(seed: int) -> None:
    p, q = some(seed), some(seed + 10)
    product = sqrtm(p.covariance @ q.covariance)
    formula = ((p.mean - q.mean) ** 2).sum() + np.trace(p.covariance + q.covariance - 2 * np.real(product))
    assert g.frechet(p, q) == pytest.approx(formula, rel=1e-9)
    pot = ot.gaussian.bures_wasserstein_distance(p.mean, q.mean, p.covariance, q.covariance)
    assert g.frechet(p, q) == pytest.approx(float(pot) ** 2, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_optimal_map_is_that_of_pot_and_pays_the_frechet_distance(seed: int) -> None:
    p, q = some(seed), some(seed + 10)
    a, b = g.optimal_map(p, q)
    pot_a, pot_b = ot.gaussian.bures_wasserstein_mapping(p.mean, q.mean, p.covariance, q.covariance)
    np.testing.assert_allclose(a, pot_a.T, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(b, np.ravel(pot_b), rtol=1e-8, atol=1e-10)
    # It carries P to Q, ...
    np.testing.assert_allclose(a @ p.mean + b, q.mean, rtol=1e-10)
    np.testing.assert_allclose(a @ p.covariance @ a.T, q.covariance, rtol=1e-9, atol=1e-10)
    # ... at the cost E |x - Ax - b|^2.
    rest, moved = np.eye(3) - a, p.mean - a @ p.mean - b
    assert np.trace(rest @ p.covariance @ rest.T) + moved @ moved == pytest.approx(g.frechet(p, q), rel=1e-9)


def test_frechet_between_points_on_a_line_by_hand() -> None:
    assert g.frechet(Gaussian(0, 4), Gaussian(3, 1)) == pytest.approx(9 + 1)  # (2 - 1)^2
    a, b = g.optimal_map(Gaussian(1, 4), Gaussian(3, 9))
    assert (a.item(), b.item()) == pytest.approx((1.5, 1.5))


def test_frechet_takes_covariances_of_any_rank() -> None:
    flat, upright = Gaussian([0, 0], [[4, 0], [0, 0]]), Gaussian([0, 0], [[0, 0], [0, 1]])
    assert g.frechet(flat, upright) == pytest.approx(5)
    assert g.frechet(flat, Gaussian([1, 1], np.zeros((2, 2)))) == pytest.approx(6)
    assert g.frechet(flat, flat) == pytest.approx(0, abs=1e-12)
    assert g.entropy(flat) == -math.inf
    assert g.kl(flat, Gaussian([0, 0], np.eye(2))) == math.inf


def test_a_covariance_that_is_singular_but_for_rounding_counts_as_such() -> None:
    """Of rank 2 in 3 dimensions: its least eigenvalue comes out as some 1e-17, of either sign."""
    for seed in range(8):
        a = np.random.default_rng(seed).normal(size=(3, 2))
        thin = Gaussian(np.zeros(3), a @ a.T)
        assert g.entropy(thin) == -math.inf
        with pytest.raises(ValueError, match="q has a singular"):
            g.kl(some(0), thin)


def integral(p: Gaussian, q: Gaussian, function: object) -> float:
    x = np.linspace(-12, 12, 401)
    points = np.stack(np.meshgrid(x, x, indexing="ij"), -1)
    densities = (stats.multivariate_normal(n.mean, n.covariance).pdf(points) for n in (p, q))
    return float(function(*densities).sum() * (x[1] - x[0]) ** 2)  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(2))
def test_hellinger_and_bhattacharyya_are_their_integrals(seed: int) -> None:
    p, q = some(seed, 2), some(seed + 10, 2)
    overlap = integral(p, q, lambda a, b: np.sqrt(a * b))
    assert g.bhattacharyya(p, q) == pytest.approx(-math.log(overlap), rel=1e-7)
    assert g.squared_hellinger(p, q) == pytest.approx(integral(p, q, lambda a, b: (a**0.5 - b**0.5) ** 2), rel=1e-6)


@pytest.mark.parametrize("bandwidth", [0.5, 2.0])
def test_mmd_is_its_double_integral(bandwidth: float) -> None:
    p, q = Gaussian(-0.3, 0.8), Gaussian(1.1, 2.0)
    x = np.linspace(-12, 12, 801)
    difference = stats.norm(-0.3, math.sqrt(0.8)).pdf(x) - stats.norm(1.1, math.sqrt(2)).pdf(x)
    kernel = np.exp(-((x[:, None] - x) ** 2) / (2 * bandwidth**2))
    assert g.mmd2(p, q, bandwidth) == pytest.approx(difference @ kernel @ difference * 0.03**2, rel=1e-8)


def test_mmd_in_space_is_the_mean_of_the_kernel_over_samples() -> None:
    p, q = some(1), some(2)
    rng = np.random.default_rng(0)
    x, x2 = (rng.multivariate_normal(p.mean, p.covariance, 200_000) for _ in range(2))
    y, y2 = (rng.multivariate_normal(q.mean, q.covariance, 200_000) for _ in range(2))

    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-((a - b) ** 2).sum(1) / (2 * 1.5**2))

    pairs = k(x, x2) + k(y, y2) - k(x, y2) - k(x2, y)
    error = float(pairs.std()) / math.sqrt(len(pairs))
    assert g.mmd2(p, q, 1.5) == pytest.approx(pairs.mean(), abs=4 * error)
    assert error < 0.02 * g.mmd2(p, q, 1.5)
    assert g.mmd2(p, p, 1.5) == pytest.approx(0, abs=1e-12)


def test_bad_gaussians_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        Gaussian([0, 0], np.eye(3))
    with pytest.raises(ValueError, match="symmetric"):
        Gaussian([0, 0], [[1, 0.5], [0, 1]])
    with pytest.raises(ValueError, match="eigenvalues below 0"):
        Gaussian([0, 0], [[1, 2], [2, 1]])
    line, plane, flat = Gaussian(0, 1), Gaussian([0, 0], np.eye(2)), Gaussian([0, 0], [[1, 0], [0, 0]])
    with pytest.raises(ValueError, match="dimensions"):
        g.kl(line, plane)
    with pytest.raises(ValueError, match="q has a singular"):
        g.kl(plane, flat)
    with pytest.raises(ValueError, match="p has a singular"):
        g.optimal_map(flat, plane)
    with pytest.raises(ValueError, match="regular"):
        g.bhattacharyya(flat, plane)
    with pytest.raises(ValueError, match="bandwidth"):
        g.mmd2(line, line, 0.0)
