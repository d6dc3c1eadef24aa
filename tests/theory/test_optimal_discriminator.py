"""The best discriminator: found by search, its value by scipy, and the generator's gradient by finite differences."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import jensenshannon

from zerosum.objectives import hinge, least_squares, minimax, non_saturating, wasserstein
from zerosum.objectives.f_divergence import DIVERGENCES, alpha_divergence, f_gan, weighted_jensen_shannon
from zerosum.objectives.objective import Objective
from zerosum.objectives.smoothed_loss import smoothed
from zerosum.theory import discriminator as ds
from zerosum.theory.arrays import Array

P = np.array([0.5, 0.25, 0.2, 0.05])
Q = np.array([0.1, 0.3, 0.2, 0.4])
THETA = np.array([0.3, -1.1, 0.7, 0.2])


def jsd(p: Array, q: Array) -> float:
    return float(jensenshannon(p, q)) ** 2


def differences(function: Callable[[Array], float], at: Array, step: float = 1e-5) -> Array:
    """Central differences of the fourth order."""
    found = np.empty_like(at)
    for i in range(len(at)):
        e = np.zeros_like(at)
        e[i] = step
        near, far = function(at + e) - function(at - e), function(at + 2 * e) - function(at - 2 * e)
        found[i] = (8 * near - far) / (12 * step)
    return found


def generator(theta: Array) -> Array:
    return np.exp(theta) / np.exp(theta).sum()


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0.1, 0), (0.3, 0.2)])
def test_no_probability_is_better_than_the_optimal_one(a: float, b: float) -> None:
    best = ds.optimal_discriminator(P, Q, a=a, b=b)
    for p, q, d in zip(P, Q, best, strict=True):

        def loss(x: float, p: float = p, q: float = q) -> float:
            real = (1 - a) * math.log(x) + a * math.log(1 - x)
            return -p * real - q * (b * math.log(x) + (1 - b) * math.log(1 - x))

        found = minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-10})
        assert d == pytest.approx(found.x, abs=1e-6)


def test_one_sided_smoothing_scales_and_two_sided_lifts() -> None:
    np.testing.assert_allclose(ds.optimal_discriminator(P, Q, a=0.1), 0.9 * P / (P + Q))
    np.testing.assert_allclose(ds.optimal_discriminator(P, Q, a=0.1, b=0.2), 0.2 + 0.7 * P / (P + Q))
    np.testing.assert_allclose(ds.optimal_discriminator([0, 0, 1.0], [0, 2.0, 0], a=0.2, b=0.1), [0.45, 0.1, 0.8])


def test_densities_too_small_to_add_still_have_a_ratio() -> None:
    np.testing.assert_allclose(ds.optimal_discriminator([3e-310, 1e308], [1e-310, 1e308]), [0.75, 0.5], rtol=1e-9)


def test_the_value_by_hand() -> None:
    # The critic says 1/2 everywhere: -log 4. And it is surely right where it can be.
    assert ds.value([0.5, 0.5], [1, 0], [0.3, 0.7]) == pytest.approx(-math.log(4))
    assert ds.value([1, 0], [1, 0], [0, 1]) == 0
    assert ds.value([0.25, 0.5], [0.4, 0.6], [1, 0]) == pytest.approx(
        0.4 * math.log(0.25) + 0.6 * math.log(0.5) + math.log(0.75)
    )
    assert ds.value([0.0, 0.5], [0.5, 0.5], [0.5, 0.5]) == -math.inf
    assert ds.value([1.0, 0.5], [0.5, 0.5], [0.5, 0.5]) == -math.inf


def test_the_best_value_is_twice_the_divergence_less_log_four() -> None:
    expected = 2 * jsd(P, Q) - math.log(4)
    assert ds.best_value(P, Q) == pytest.approx(expected, rel=1e-12)
    assert ds.value(ds.optimal_discriminator(P, Q), P, Q) == pytest.approx(expected, rel=1e-12)
    # Without the factor 2, disjoint supports would give -log 2; yet a critic that is always right has the value 0.
    assert ds.best_value([1, 0], [0, 1]) == pytest.approx(0, abs=1e-12)
    assert ds.best_value(P, P) == pytest.approx(-math.log(4))
    rng = np.random.default_rng(0)
    assert max(ds.value(rng.uniform(0.01, 0.99, 4), P, Q) for _ in range(300)) < expected


def test_best_logits_in_closed_form() -> None:
    np.testing.assert_allclose(ds.best_logits(minimax, P, Q), np.log(P / Q), atol=1e-12)
    np.testing.assert_allclose(ds.best_logits(hinge, P, Q), [1, -1, 0, -1], atol=1e-12)
    u = 0.8 * P + 0.1 * Q
    np.testing.assert_allclose(ds.best_logits(smoothed(0.2, 0.1), P, Q), np.log(u / (P + Q - u)), atol=1e-12)
    # f-GAN with the KL divergence: T = v = 1 + log(p/q); reverse KL: T = -exp(-v) = -q/p.
    np.testing.assert_allclose(ds.best_logits(f_gan(DIVERGENCES["kl"]), P, Q), 1 + np.log(P / Q), atol=1e-12)
    np.testing.assert_allclose(ds.best_logits(f_gan(DIVERGENCES["reverse-kl"]), P, Q), np.log(P / Q), atol=1e-12)


def test_best_logits_of_least_squares_are_the_mean_of_the_targets() -> None:
    # Targets 1 and 0: a = p / (p + q). Mao et al. 2017 (arXiv:1611.04076).
    np.testing.assert_allclose(ds.best_logits(least_squares(), P, Q), P / (P + Q), atol=1e-12)


def test_best_logits_where_one_of_them_has_no_mass() -> None:
    low, high, none = ds.best_logits(minimax, [0, 1.0, 0], [1.0, 0, 0])
    assert low < -700
    assert high > 30  # where softplus(-a) is below the last digit of a
    assert none == pytest.approx(0, abs=1)


def test_objectives_without_a_best_critic_are_refused() -> None:
    with pytest.raises(ValueError, match="no best critic"):
        ds.best_logits(wasserstein, P, Q)
    # Neyman's divergence is infinite where p = 0 < q, and so is what a critic can gain there.
    with pytest.raises(ValueError, match="no best critic"):
        ds.best_logits(f_gan(DIVERGENCES["neyman"]), [0, 1.0], [0.5, 0.5])
    with pytest.raises(ValueError, match="compares"):
        ds.best_logits(Objective(minimax.d, minimax.g, needs_real=True), P, Q)
    with pytest.raises(ValueError, match="compares"):
        ds.outcome_losses(Objective(minimax.d, minimax.g, needs_real=True), P)


def test_the_softmax_jacobian_is_that_of_finite_differences() -> None:
    rows = [differences(lambda t, i=i: float(generator(t)[i]), THETA) for i in range(4)]  # type: ignore[misc]
    np.testing.assert_allclose(ds.softmax_jacobian(THETA), rows, atol=1e-10)
    np.testing.assert_allclose(ds.softmax(THETA), generator(THETA), rtol=1e-14)
    np.testing.assert_allclose(ds.softmax([1000.0, 1000.0]), 0.5)


def test_minimax_descends_twice_the_jensen_shannon_divergence() -> None:
    expected = differences(lambda t: 2 * jsd(P, generator(t)), THETA)
    np.testing.assert_allclose(ds.generator_gradient(minimax, P, THETA), expected, atol=1e-9)


def test_non_saturating_descends_reverse_kl_less_twice_jensen_shannon() -> None:
    def divergence(t: Array) -> float:
        q = generator(t)
        return float(stats.entropy(q, P)) - 2 * jsd(P, q)

    expected = differences(divergence, THETA)
    np.testing.assert_allclose(ds.generator_gradient(non_saturating, P, THETA), expected, atol=1e-9)
    assert np.abs(expected - differences(lambda t: float(stats.entropy(generator(t), P)), THETA)).max() > 0.01


def alpha_by_hand(p: Array, q: Array, a: float) -> float:
    return float((p**a * q ** (1 - a)).sum() - 1) / (a * (a - 1))


F_GANS: dict[str, tuple[Objective, Callable[[Array, Array], float]]] = {
    "total-variation": (f_gan(DIVERGENCES["total-variation"]), lambda p, q: float(np.abs(p - q).sum()) / 2),
    "kl": (f_gan(DIVERGENCES["kl"]), lambda p, q: float(stats.entropy(p, q))),
    "reverse-kl": (f_gan(DIVERGENCES["reverse-kl"]), lambda p, q: float(stats.entropy(q, p))),
    "pearson": (f_gan(DIVERGENCES["pearson"]), lambda p, q: float(((p - q) ** 2 / q).sum())),
    "neyman": (f_gan(DIVERGENCES["neyman"]), lambda p, q: float(((p - q) ** 2 / p).sum())),
    "squared-hellinger": (f_gan(DIVERGENCES["squared-hellinger"]), lambda p, q: float(((p**0.5 - q**0.5) ** 2).sum())),
    "jeffrey": (f_gan(DIVERGENCES["jeffrey"]), lambda p, q: float(stats.entropy(p, q) + stats.entropy(q, p))),
    "jensen-shannon": (f_gan(DIVERGENCES["jensen-shannon"]), lambda p, q: 2 * jsd(p, q)),
    "gan": (f_gan(DIVERGENCES["gan"]), lambda p, q: 2 * jsd(p, q) - math.log(4)),
    "weighted": (
        f_gan(weighted_jensen_shannon(0.3)),
        lambda p, q: float(0.3 * stats.entropy(p, 0.3 * p + 0.7 * q) + 0.7 * stats.entropy(q, 0.3 * p + 0.7 * q)),
    ),
    "alpha 0.5": (f_gan(alpha_divergence(0.5)), lambda p, q: alpha_by_hand(p, q, 0.5)),
    "alpha 2": (f_gan(alpha_divergence(2.0)), lambda p, q: alpha_by_hand(p, q, 2.0)),
    "alpha -1": (f_gan(alpha_divergence(-1.0)), lambda p, q: alpha_by_hand(p, q, -1.0)),
}


@pytest.mark.parametrize("name", F_GANS)
def test_f_gan_descends_its_divergence(name: str) -> None:
    assert set(DIVERGENCES) <= set(F_GANS)
    objective, divergence = F_GANS[name]
    logits = ds.best_logits(objective, P, generator(THETA))
    expected = differences(lambda t: divergence(P, generator(t)), THETA)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(ds.generator_gradient(objective, P, THETA, logits=logits), expected, atol=1e-8)


def test_any_generator_takes_the_gradient_through_its_jacobian() -> None:
    """q is linear in one parameter, from one corner of the simplex to another."""
    ends = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])

    def line(t: Array) -> Array:
        return np.asarray((1 - t[0]) * ends[0] + t[0] * ends[1])

    at = np.array([0.4])
    jacobian = (ends[1] - ends[0])[:, None]
    found = ds.generator_gradient_through(minimax, P, line(at), jacobian)
    np.testing.assert_allclose(found, differences(lambda t: 2 * jsd(P, line(t)), at), atol=1e-9)
    found = ds.generator_gradient_through(non_saturating, P, line(at), jacobian)
    expected = differences(lambda t: float(stats.entropy(line(t), P)) - 2 * jsd(P, line(t)), at)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_outcomes_whose_mass_does_not_move_do_not_count() -> None:
    jacobian = np.array([[1.0], [-1.0], [0.0]])
    # The last outcome costs infinitely much, but no parameter changes how often it is made.
    found = ds.generator_gradient_through(non_saturating, [0.5, 0.5, 0], [0.2, 0.7, 0.1], jacobian)
    assert found[0] == pytest.approx(math.log(0.7 / 0.5) - math.log(1.2 / 0.5))


def test_outcomes_that_cannot_be_made_do_not_count() -> None:
    jacobian = np.array([[1.0], [-1.0], [0.0]])
    found = ds.generator_gradient_through(non_saturating, [0.5, 0.5, 0], [0.2, 0.8, 0], jacobian)
    # -log D* = log((p + q) / p)
    assert found[0] == pytest.approx(math.log(0.7 / 0.5) - math.log(1.3 / 0.5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ds.generator_gradient(non_saturating, [1, 0], [0.0, 0.0]), "infinite"),
        (lambda: ds.generator_gradient(minimax, P, [0.0, 0.0]), "same outcomes"),
        (lambda: ds.generator_gradient(minimax, P, [math.nan] * 4), "theta"),
        (lambda: ds.generator_gradient(minimax, P, THETA, logits=[0.0]), "logits"),
        (lambda: ds.generator_gradient_through(minimax, P, Q, np.eye(4)), "columns of sum 0"),
        (lambda: ds.optimal_discriminator(P, Q[:2]), "same points"),
        (lambda: ds.optimal_discriminator(-P, Q), "at least 0"),
        (lambda: ds.optimal_discriminator(P, Q, a=0.5, b=0.5), "in order|above the second"),
        (lambda: ds.value([1.1, 0, 0, 0], P, Q), "probability"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
