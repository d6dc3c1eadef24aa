"""Divergences of discrete distributions: against scipy, sums written out, hand-solved zeros, and their own duals."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.spatial.distance import jensenshannon

from zerosum.objectives.f_divergence import DIVERGENCES, FDivergence, alpha_divergence, weighted_jensen_shannon
from zerosum.theory import divergences as dv
from zerosum.theory.arrays import Array

P = np.array([0.5, 0.25, 0.2, 0.05])
Q = np.array([0.1, 0.3, 0.2, 0.4])
ROWS = {
    **DIVERGENCES,
    "wjs": weighted_jensen_shannon(0.3),
    "a=0.5": alpha_divergence(0.5),
    "a=2": alpha_divergence(2.0),
    "a=-1": alpha_divergence(-1.0),
    "a=3": alpha_divergence(3.0),
}


def weighted(p: Array, q: Array, w: float) -> float:
    m = w * p + (1 - w) * q
    return w * float(stats.entropy(p, m)) + (1 - w) * float(stats.entropy(q, m))


# Each from its own definition as an integral, not from f.
WRITTEN_OUT: dict[str, Callable[[Array, Array], float]] = {
    "total-variation": lambda p, q: max(  # the largest difference over all events
        abs(sum(p[i] - q[i] for i in event))
        for size in range(len(p) + 1)
        for event in itertools.combinations(range(len(p)), size)
    ),
    "kl": lambda p, q: float(stats.entropy(p, q)),
    "reverse-kl": lambda p, q: float(stats.entropy(q, p)),
    "pearson": lambda p, q: sum((a - b) ** 2 / b for a, b in zip(p, q, strict=True)),
    "neyman": lambda p, q: sum((a - b) ** 2 / a for a, b in zip(p, q, strict=True)),
    "squared-hellinger": lambda p, q: 2 - 2 * sum(math.sqrt(a * b) for a, b in zip(p, q, strict=True)),
    "jeffrey": lambda p, q: float(stats.entropy(p, q) + stats.entropy(q, p)),
    "jensen-shannon": lambda p, q: 2 * float(jensenshannon(p, q)) ** 2,  # scipy gives the root of the divergence
    "gan": lambda p, q: 2 * float(jensenshannon(p, q)) ** 2 - math.log(4),
    "wjs": lambda p, q: weighted(p, q, 0.3),
    "a=0.5": lambda p, q: (sum(math.sqrt(a * b) for a, b in zip(p, q, strict=True)) - 1) / -0.25,
    "a=2": lambda p, q: (sum(a**2 / b for a, b in zip(p, q, strict=True)) - 1) / 2,
    "a=-1": lambda p, q: (sum(b**2 / a for a, b in zip(p, q, strict=True)) - 1) / 2,
    "a=3": lambda p, q: (sum(a**3 / b**2 for a, b in zip(p, q, strict=True)) - 1) / 6,
}

# p = (1/2, 1/2, 0, 0), q = (1/2, 0, 1/2, 0): the second outcome has q = 0, the third p = 0, the last neither. By hand.
HALVES = np.array([0.5, 0.5, 0, 0]), np.array([0.5, 0, 0.5, 0])
BY_HAND = {
    "total-variation": 0.5,
    "kl": math.inf,
    "reverse-kl": math.inf,
    "pearson": math.inf,
    "neyman": math.inf,
    "squared-hellinger": 1.0,  # 2 (1 - 1/2)
    "jeffrey": math.inf,
    "jensen-shannon": math.log(2),  # 2 * (1/2 log 2)
    "gan": math.log(2) - math.log(4),
    "wjs": -0.5 * (0.3 * math.log(0.3) + 0.7 * math.log(0.7)),
    "a=0.5": 2.0,  # 4 (1 - 1/2)
    "a=2": math.inf,
    "a=-1": math.inf,
    "a=3": math.inf,
}
# p = (1, 0), q = (1/2, 1/2): only p has a zero. And the other way round. By hand.
ONLY_P = {
    "total-variation": 0.5,
    "kl": math.log(2),
    "reverse-kl": math.inf,
    "pearson": 1.0,  # (1/4 + 1/4) / (1/2)
    "neyman": math.inf,
    "squared-hellinger": 2 - math.sqrt(2),
    "a=2": 0.5,
    "a=-1": math.inf,
    "a=3": 0.5,  # (1 / (1/4) - 1) / 6
}
ONLY_Q = {
    "total-variation": 0.5,
    "kl": math.inf,
    "reverse-kl": math.log(2),
    "pearson": math.inf,
    "neyman": 1.0,
    "squared-hellinger": 2 - math.sqrt(2),
    "a=2": math.inf,
    "a=-1": 0.5,
}
each_row = pytest.mark.parametrize("name", ROWS)


@each_row
def test_each_divergence_is_its_definition(name: str) -> None:
    assert set(WRITTEN_OUT) == set(BY_HAND) == set(ROWS)
    assert dv.f_divergence(ROWS[name], P, Q) == pytest.approx(WRITTEN_OUT[name](P, Q), rel=1e-12)
    assert dv.f_divergence(ROWS[name], Q, P) == pytest.approx(WRITTEN_OUT[name](Q, P), rel=1e-12)


@each_row
def test_a_distribution_is_at_no_distance_from_itself(name: str) -> None:
    expected = -math.log(4) if name == "gan" else 0
    assert dv.f_divergence(ROWS[name], P, P) == pytest.approx(expected, abs=1e-12)
    assert dv.f_divergence(ROWS[name], HALVES[0], HALVES[0]) == pytest.approx(expected, abs=1e-12)


@each_row
def test_zeros_count_as_their_limits(name: str) -> None:
    assert dv.f_divergence(ROWS[name], *HALVES) == pytest.approx(BY_HAND[name], rel=1e-12)
    if name in ONLY_P:
        assert dv.f_divergence(ROWS[name], [1, 0], [0.5, 0.5]) == pytest.approx(ONLY_P[name], rel=1e-12)
    if name in ONLY_Q:
        assert dv.f_divergence(ROWS[name], [0.5, 0.5], [1, 0]) == pytest.approx(ONLY_Q[name], rel=1e-12)


@each_row
def test_the_tight_critic_reaches_the_divergence(name: str) -> None:
    row = ROWS[name]
    for p, q in [(P, Q), (Q, P), HALVES, ([1, 0], [0.5, 0.5]), ([0.5, 0.5], [1, 0]), ([1, 0], [0, 1])]:
        t = dv.tight_critic(row, p, q)
        assert dv.variational_value(row, p, q, t) == pytest.approx(dv.f_divergence(row, p, q), rel=1e-9, abs=1e-9)


@each_row
def test_no_critic_is_worth_more_than_the_divergence(name: str) -> None:
    row, rng = ROWS[name], np.random.default_rng(0)
    low, high = (np.clip(end, -4, 4) for end in row.domain)
    best = dv.tight_critic(row, P, Q)
    truth = dv.f_divergence(row, P, Q)
    for spread in (0.01, 0.3, 10.0):
        for _ in range(40):
            t = np.clip(best + spread * rng.normal(size=4), low, np.nextafter(high, -math.inf))
            assert dv.variational_value(row, P, Q, t) <= truth + 1e-12
    # Away from the best it is worth less, and not merely no more.
    other = np.clip(best + np.array([0.2, -0.2, -0.2, 0.2]), low, 0.99 * high if high < 4 else high)
    assert dv.variational_value(row, P, Q, other) < truth - 1e-3


def test_the_tight_critic_by_hand() -> None:
    u = P / Q
    expected = {"kl": 1 + np.log(u), "pearson": 2 * (u - 1), "gan": np.log(P / (P + Q)), "reverse-kl": -Q / P}
    for name, t in expected.items():
        np.testing.assert_allclose(dv.tight_critic(ROWS[name], P, Q), t, rtol=1e-12)
    np.testing.assert_array_equal(dv.tight_critic(ROWS["total-variation"], *HALVES), [0, 0.5, -0.5, 0])
    np.testing.assert_allclose(dv.tight_critic(ROWS["neyman"], [1, 0], [0, 1]), [1, -math.inf])
    np.testing.assert_allclose(dv.tight_critic(ROWS["jensen-shannon"], [1, 0], [0, 1]), [math.log(2), -math.inf])


def test_a_critic_outside_the_domain_is_worth_nothing() -> None:
    assert dv.variational_value(ROWS["total-variation"], P, Q, [0.6, 0, 0, 0]) == -math.inf
    assert dv.variational_value(ROWS["reverse-kl"], P, Q, [0.0, -1, -1, -1]) == -math.inf
    assert dv.variational_value(ROWS["kl"], P, Q, [math.inf, 0, 0, 0]) == -math.inf
    assert dv.variational_value(ROWS["kl"], P, Q, [-math.inf, 0, 0, 0]) == -math.inf
    # Where neither has mass, a critic may say anything.
    assert math.isfinite(dv.variational_value(ROWS["total-variation"], *HALVES, [0, 0.5, -0.5, 7]))


def test_ratios_beyond_float64_count_as_their_limits() -> None:
    p, q = np.array([1.0, 1e-120]), np.array([1e-220, 1.0])
    assert dv.f_divergence(ROWS["neyman"], q, p) == pytest.approx(1e220)  # q^2/p at the first outcome
    assert dv.f_divergence(ROWS["neyman"], p, q) == pytest.approx(1e120, rel=1e-9)
    assert dv.f_divergence(ROWS["kl"], p, q) == pytest.approx(220 * math.log(10), rel=1e-12)
    assert dv.f_divergence(ROWS["jensen-shannon"], p, q) == pytest.approx(2 * math.log(2))
    for name in ("jensen-shannon", "gan", "squared-hellinger", "reverse-kl", "a=0.5", "wjs"):
        t = dv.tight_critic(ROWS[name], p, q)
        truth = dv.f_divergence(ROWS[name], p, q)
        assert dv.variational_value(ROWS[name], p, q, t) == pytest.approx(truth, rel=1e-9, abs=1e-9)


def test_ratios_large_for_the_rounding_of_the_critic() -> None:
    p, q = np.array([1 - 1e-12, 1e-12]), np.array([1e-18, 1 - 1e-18])
    for name in ("jensen-shannon", "gan", "squared-hellinger", "a=0.5", "wjs", "neyman", "total-variation"):
        t = dv.tight_critic(ROWS[name], p, q)
        truth = dv.f_divergence(ROWS[name], p, q)
        assert dv.variational_value(ROWS[name], p, q, t) == pytest.approx(truth, rel=1e-6), name


def test_named_divergences_are_those_of_scipy() -> None:
    assert dv.kl(P, Q) == pytest.approx(stats.entropy(P, Q), rel=1e-12)
    assert dv.jensen_shannon(P, Q) == pytest.approx(jensenshannon(P, Q) ** 2, rel=1e-12)
    assert dv.total_variation(P, Q) == pytest.approx(0.4)  # |.4| + |-.05| + 0 + |-.35| = .8
    assert dv.jensen_shannon([1, 0], [0, 1]) == pytest.approx(math.log(2))


def test_densities_on_a_line_have_the_divergence_of_gaussians() -> None:
    x = np.linspace(-12, 12, 2001)
    p, points = dv.discretise(stats.norm(0, 1).pdf, x)
    q, _ = dv.discretise_log(stats.norm(0.7, 1.3).logpdf, x)
    np.testing.assert_array_equal(points, x)
    closed = math.log(1.3) + (1 + 0.49) / (2 * 1.69) - 0.5
    assert dv.kl(p, q) == pytest.approx(closed, rel=1e-9)
    assert p @ x**2 == pytest.approx(1, rel=1e-9)


def test_densities_in_a_plane_have_the_divergence_of_gaussians() -> None:
    one, two = stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]), stats.multivariate_normal([1, 0], [1, 2])
    axes = np.linspace(-10, 10, 201), np.linspace(-12, 12, 161)
    p, points = dv.discretise(one.pdf, *axes)
    q, _ = dv.discretise_log(two.logpdf, *axes)
    assert points.shape == (201 * 161, 2)
    assert points[1] - points[0] == pytest.approx([0, 0.15])
    # tr(C_q^-1 C_p) = 1 + 1/2, the means are 1 apart in a direction of variance 1, det 2 and 3/4
    assert dv.kl(p, q) == pytest.approx((1.5 + 1 - 2 + math.log(2 / 0.75)) / 2, rel=1e-6)


def test_a_log_density_that_would_underflow_is_normalised() -> None:
    p, x = dv.discretise_log(lambda x: -5000 - x**2 / 2, np.linspace(-8, 8, 401))
    np.testing.assert_allclose(p, stats.norm.pdf(x) * 0.04, rtol=1e-12)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ([0.5, 0.6], [0.5, 0.5], "p must sum to 1"),
        ([0.5, 0.5], [1.5, -0.5], "q must hold finite masses"),
        ([math.nan, 1.0], [0.5, 0.5], "p must hold finite"),
        ([1.0], [0.5, 0.5], "same outcomes"),
        ([[1.0]], [[1.0]], "flatten"),
    ],
)
def test_what_is_no_distribution_is_refused(p: object, q: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dv.kl(p, q)  # type: ignore[arg-type]


def test_bad_grids_and_densities_are_refused() -> None:
    with pytest.raises(ValueError, match="regular"):
        dv.discretise(np.exp, [0.0, 1.0, 3.0])
    with pytest.raises(ValueError, match="regular"):
        dv.discretise(np.exp, [1.0, 0.0])
    with pytest.raises(ValueError, match="one or two axes"):
        dv.discretise(np.exp)
    with pytest.raises(ValueError, match="above 0 somewhere"):
        dv.discretise(np.zeros_like, [0.0, 1.0])
    with pytest.raises(ValueError, match="one value for each"):
        dv.discretise(lambda x: x[:1], [0.0, 1.0])
    with pytest.raises(ValueError, match="infinity"):
        dv.discretise_log(lambda x: np.full_like(x, -math.inf), [0.0, 1.0])
    with pytest.raises(ValueError, match="one number for each"):
        dv.variational_value(DIVERGENCES["kl"], P, Q, [0.0])


def test_mmd_of_two_points_by_hand() -> None:
    k = dv.gaussian_kernel([0.0, 3.0], 2.0)
    assert k[0, 1] == pytest.approx(math.exp(-9 / 8))
    # p - q = (d, -d): MMD^2 = 2 d^2 (1 - k)
    assert dv.mmd([0.8, 0.2], [0.3, 0.7], k) == pytest.approx(math.sqrt(2 * 0.25 * (1 - math.exp(-9 / 8))))
    np.testing.assert_array_equal(dv.witness([0.8, 0.2], [0.8, 0.2], k), [0, 0])


def test_the_kernel_takes_points_in_space() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]])
    k = dv.gaussian_kernel(points, 5.0)
    assert k[0, 1] == pytest.approx(math.exp(-0.5))
    assert k[2, 0] == pytest.approx(math.exp(-0.02))
    np.testing.assert_array_equal(np.diag(k), 1)


def test_the_mmd_is_what_the_best_critic_in_the_unit_ball_reaches() -> None:
    k = dv.gaussian_kernel(np.array([0.0, 0.6, 1.5, 2.0]), 0.8)
    truth, c = dv.mmd(P, Q, k), P - Q
    value_of_witness = float(P @ dv.witness(P, Q, k) - Q @ dv.witness(P, Q, k))
    assert value_of_witness == pytest.approx(truth, rel=1e-12)
    assert dv.kernel_value(P, Q, k, c) == pytest.approx(truth, rel=1e-12)
    assert dv.kernel_value(P, Q, k, -3 * c) == pytest.approx(-truth, rel=1e-12)
    rng = np.random.default_rng(0)
    assert max(dv.kernel_value(P, Q, k, rng.normal(size=4)) for _ in range(200)) < truth
    # A search over all critics finds no better one: h is its own values, its norm sqrt(h^T K^-1 h).
    inverse = np.linalg.inv(k)
    found = minimize(
        lambda h: -(P - Q) @ h, np.zeros(4), constraints={"type": "ineq", "fun": lambda h: 1 - h @ inverse @ h}
    )
    assert -found.fun == pytest.approx(truth, rel=1e-5)
    np.testing.assert_allclose(found.x, dv.witness(P, Q, k), atol=1e-3)


def test_bad_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="symmetric"):
        dv.mmd(P, Q, np.eye(3))
    with pytest.raises(ValueError, match="symmetric"):
        dv.mmd([0.5, 0.5], [1, 0], np.array([[1.0, 0.5], [0.1, 1.0]]))
    with pytest.raises(ValueError, match="bandwidth"):
        dv.gaussian_kernel([0.0, 1.0], 0.0)
    with pytest.raises(ValueError, match="coefficients"):
        dv.kernel_value(P, Q, np.eye(4), np.zeros(4))


def test_families_are_rows_like_any_other() -> None:
    row: FDivergence = weighted_jensen_shannon(0.5)
    assert dv.f_divergence(row, P, Q) == pytest.approx(jensenshannon(P, Q) ** 2, rel=1e-12)
