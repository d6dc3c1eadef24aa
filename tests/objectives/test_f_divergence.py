"""Every row of f-GAN's table against numerical conjugates, integrals, and closed forms for Gaussians."""

import math
import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, special, stats
from torch import Tensor

from zerosum.objectives import minimax, non_saturating
from zerosum.objectives.f_divergence import (
    DIVERGENCES,
    FDivergence,
    alpha_divergence,
    f_gan,
    f_gan_heuristic,
    weighted_jensen_shannon,
)
from zerosum.objectives.objective import Objective

ROWS = {
    **DIVERGENCES,
    "weighted 0.3": weighted_jensen_shannon(0.3),
    "alpha 0.5": alpha_divergence(0.5),
    "alpha -1": alpha_divergence(-1),
    "alpha 1.5": alpha_divergence(1.5),
    "alpha 2": alpha_divergence(2),
    "alpha 3": alpha_divergence(3),
}
MU, SIGMA = 0.7, 1.3  # Q = N(0.7, 1.3^2); P = N(0, 1)
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def one(function: Callable[[Tensor], Tensor], x: float) -> float:
    return function(torch.tensor([x], dtype=torch.float64)).item()


def inside(row: FDivergence) -> list[float]:
    """Values of T that some u in (0, 400) makes best, by finite differences of f alone."""
    return [(one(row.f, u + 1e-5) - one(row.f, u - 1e-5)) / 2e-5 for u in (0.05, 0.3, 0.9, 1.7, 5.0, 40.0)]


@every_row
def test_conjugate_is_the_supremum_of_ut_minus_f(row: FDivergence) -> None:
    for t in inside(row):
        found = optimize.minimize_scalar(
            lambda s, t=t: one(row.f, math.exp(s)) - math.exp(s) * t, bounds=(-8, 6), method="bounded",
            options={"xatol": 1e-10},
        )  # fmt: skip
        assert one(row.conjugate, t) == pytest.approx(-found.fun, abs=1e-7, rel=1e-7)


def test_conjugate_of_alpha_above_1_is_constant_where_u_is_0() -> None:
    for a in (1.5, 2.0, 3.0):  # sup over u >= 0 of ut - f(u), with f(0) = 1 / a
        assert one(alpha_divergence(a).conjugate, -50.0) == pytest.approx(-1 / a)


@every_row
def test_activation_increases_into_the_domain(row: FDivergence) -> None:
    v = torch.linspace(-30, 30, 601, dtype=torch.float64)
    t, (low, high) = row.activation(v), row.domain
    assert ((t >= low) & (t <= high)).all()
    assert (t.diff() >= 0).all()
    assert (t.diff()[200:400] > 0).all()
    # it comes as near to both ends as one likes
    for v_end, end in ((-30.0, low), (30.0, high)):
        reached = one(row.activation, v_end)
        assert abs(reached) > 25 if math.isinf(end) else reached == pytest.approx(end, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("total-variation", -0.5, 0.5), ("kl", -math.inf, math.inf), ("reverse-kl", -math.inf, 0),
        ("pearson", -math.inf, math.inf), ("neyman", -math.inf, 1), ("squared-hellinger", -math.inf, 1),
        ("jeffrey", -math.inf, math.inf), ("jensen-shannon", -math.inf, math.log(2)), ("gan", -math.inf, 0),
        ("weighted 0.3", -math.inf, -0.3 * math.log(0.3)), ("alpha 0.5", -math.inf, 2), ("alpha -1", -math.inf, 0.5),
        ("alpha 1.5", -math.inf, math.inf), ("alpha 2", -math.inf, math.inf), ("alpha 3", -math.inf, math.inf),
    ],
)  # fmt: skip
def test_domain_is_where_the_supremum_is_finite(name: str, low: float, high: float) -> None:
    row = ROWS[name]
    assert row.domain == pytest.approx((low, high))
    if high < math.inf:  # above it, ut - f(u) grows with u for ever: f'(u) tends to `high`
        slopes = [(one(row.f, 2 * u) - one(row.f, u)) / u for u in (1e4, 1e8)]
        assert slopes[1] == pytest.approx(high, abs=3e-4)


@every_row
def test_optimal_is_the_derivative_of_f_and_threshold_its_value_at_1(row: FDivergence) -> None:
    u = torch.tensor([0.05, 0.4, 1.0, 1.3, 8.0], dtype=torch.float64)
    if row.name == "total-variation":
        assert row.optimal(u).tolist() == [-0.5, -0.5, 0, 0.5, 0.5]
    else:
        assert row.optimal(u).numpy() == pytest.approx(torch.func.grad(lambda x: row.f(x).sum())(u).numpy(), abs=1e-12)
    assert row.threshold == pytest.approx(one(row.optimal, 1.0), abs=1e-15)
    assert one(row.f, 1.0) == pytest.approx(-math.log(4) if row.name == "gan" else 0, abs=1e-15)


@every_row
def test_composed_is_the_conjugate_of_the_activation(row: FDivergence) -> None:
    v = torch.linspace(-12, 12, 241, dtype=torch.float64)
    torch.testing.assert_close(row.composed(v), row.conjugate(row.activation(v)), rtol=1e-8, atol=1e-10)


def p(x: float) -> float:
    return float(stats.norm.pdf(x))


def q(x: float) -> float:
    return float(stats.norm.pdf(x, MU, SIGMA))


def integral(function: Callable[[float], float]) -> float:
    edges = (-30.0, *crossings(), 30.0)
    return math.fsum(integrate.quad(function, a, b, limit=200, epsabs=1e-11)[0] for a, b in pairwise(edges))


def crossings() -> list[float]:
    """Where p = q: the roots of x^2 - ((x - mu) / sigma)^2 - 2 log sigma."""
    s = SIGMA**2
    return sorted(np.roots([1 - 1 / s, 2 * MU / s, -(MU**2) / s - 2 * math.log(SIGMA)]).tolist())


def affinity(a: float) -> float:
    """int p^a q^(1-a), for Gaussians."""
    variance = a * SIGMA**2 + (1 - a)
    return float(SIGMA**a) / math.sqrt(variance) * math.exp(-a * (1 - a) * MU**2 / (2 * variance))


def kl(mean: float, scale: float, other_mean: float, other_scale: float) -> float:
    return math.log(other_scale / scale) + (scale**2 + (mean - other_mean) ** 2) / (2 * other_scale**2) - 0.5


def to_mixture(weight: float) -> float:
    """weight KL(P||M) + (1 - weight) KL(Q||M), from the entropies of P, Q and M = weight P + (1 - weight) Q."""
    entropies = [0.5 * math.log(2 * math.pi * math.e), 0.5 * math.log(2 * math.pi * math.e) + math.log(SIGMA)]
    of_m = integral(lambda x: float(special.entr(weight * p(x) + (1 - weight) * q(x))))
    return of_m - weight * entropies[0] - (1 - weight) * entropies[1]


def total_variation() -> float:
    low, high = crossings()
    inner = [stats.norm.cdf(high, m, s) - stats.norm.cdf(low, m, s) for m, s in ((0, 1), (MU, SIGMA))]
    return float(inner[0] - inner[1])


FORWARD, BACKWARD = kl(0, 1, MU, SIGMA), kl(MU, SIGMA, 0, 1)
KNOWN: dict[str, Callable[[], float]] = {
    "total-variation": total_variation,
    "kl": lambda: FORWARD,
    "reverse-kl": lambda: BACKWARD,
    "pearson": lambda: affinity(2) - 1,
    "neyman": lambda: affinity(-1) - 1,
    "squared-hellinger": lambda: 2 - 2 * affinity(0.5),
    "jeffrey": lambda: FORWARD + BACKWARD,
    "jensen-shannon": lambda: 2 * to_mixture(0.5),
    "gan": lambda: 2 * to_mixture(0.5) - math.log(4),
    "weighted 0.3": lambda: to_mixture(0.3),
    "alpha 0.5": lambda: (affinity(0.5) - 1) / (0.5 * -0.5),
    "alpha -1": lambda: (affinity(-1) - 1) / 2,
    "alpha 1.5": lambda: (affinity(1.5) - 1) / 0.75,
    "alpha 2": lambda: (affinity(2) - 1) / 2,
    "alpha 3": lambda: (affinity(3) - 1) / 6,
}


@pytest.mark.parametrize("name", ROWS)
def test_the_bound_at_the_best_t_is_the_divergence_of_two_gaussians(name: str) -> None:
    row = ROWS[name]

    def gain(x: float, shift: float = 0.0) -> float:
        t = one(row.optimal, p(x) / q(x)) + shift
        return p(x) * t - q(x) * one(row.conjugate, t)

    known = KNOWN[name]()
    assert integral(gain) == pytest.approx(known, abs=2e-6)
    assert integral(lambda x: q(x) * one(row.f, p(x) / q(x))) == pytest.approx(known, abs=2e-6)
    if row.domain[1] == math.inf:  # and at another T it is less, by about the square
        assert integral(lambda x: gain(x, 0.1)) < known - 1e-4


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_real_is_where_p_exceeds_q(row: FDivergence) -> None:
    # The logit whose T is best, found by bisection; from there on to what the row calls real.
    for u, real in ((0.2, False), (0.99, False), (1.01, True), (5.0, True)):
        v = best_logit(row, u)
        assert bool(row.says_real(torch.tensor([v], dtype=torch.float64))) is real
    assert row.says_real(torch.tensor([[-3.0, 7.0]]).bfloat16()).tolist() == [[False, True]]


def best_logit(row: FDivergence, u: float) -> float:
    best = one(row.optimal, u)
    best = min(max(best, -0.5 + 1e-12), 0.5 - 1e-12) if row.name == "total-variation" else best
    return float(optimize.brentq(lambda v: one(row.activation, v) - best, -60, 60, xtol=1e-13, rtol=1e-13))


def test_the_row_of_gan_is_the_minimax_game_exactly() -> None:
    real, fake = torch.randn(64), 5 * torch.randn(64)
    row = DIVERGENCES["gan"]
    assert torch.equal(f_gan(row).d(real, fake), minimax.d(real, fake))
    assert torch.equal(f_gan(row).g(None, fake), minimax.g(None, fake))
    assert torch.equal(f_gan_heuristic(row).d(real, fake), minimax.d(real, fake))
    assert torch.equal(f_gan_heuristic(row).g(None, fake), non_saturating.g(None, fake))


def test_the_row_of_jensen_shannon_is_that_game_shifted() -> None:
    real, fake = torch.randn(64).double(), 5 * torch.randn(64).double()
    objective = f_gan(DIVERGENCES["jensen-shannon"])
    assert objective.d(real, fake).item() == pytest.approx(minimax.d(real, fake).item() - math.log(4), abs=1e-12)
    assert objective.g(None, fake).item() == pytest.approx(minimax.g(None, fake).item() + math.log(2), abs=1e-12)
    heuristic = f_gan_heuristic(DIVERGENCES["jensen-shannon"])
    assert heuristic.g(None, fake).item() == pytest.approx(non_saturating.g(None, fake).item() - math.log(2), abs=1e-12)


def test_losses_by_hand() -> None:
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([-1.0, 1.0])
    pearson = f_gan(DIVERGENCES["pearson"])  # f* = (0.25 - 1, 0.25 + 1)
    assert pearson.d(real, fake).item() == pytest.approx(0.25 - 1.25)
    assert pearson.g(None, fake).item() == pytest.approx(-0.25)
    reverse = f_gan_heuristic(DIVERGENCES["reverse-kl"])  # T = -exp(-v)
    assert reverse.d(real, fake).item() == pytest.approx(-1 + (math.exp(-0.5) + math.exp(-2)) / 2)
    assert reverse.g(None, fake).item() == pytest.approx((math.e + 1 / math.e) / 2)


PLACES = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
LOGITS = torch.tensor([0.3, -0.5, 0.8, 0.1], dtype=torch.float64)


def expected(loss: Callable[[Tensor], Tensor], v: Tensor, logits: Tensor) -> Tensor:
    """E over a generator that draws from softmax(logits) of a loss of one sample."""
    each = torch.stack([loss(x[None]).mean() for x in v])
    return (logits.softmax(0) * each).sum()


@every_row
def test_against_the_best_critic_the_generator_descends_the_divergence(row: FDivergence) -> None:
    v = torch.tensor([best_logit(row, u) for u in (PLACES / LOGITS.softmax(0)).tolist()], dtype=torch.float64)
    objective = f_gan(row)
    gradient = torch.func.grad(lambda a: expected(lambda x: objective.g(None, x), v, a))(LOGITS)

    def divergence(a: Tensor) -> Tensor:
        return (a.softmax(0) * row.f(PLACES / a.softmax(0))).sum()

    torch.testing.assert_close(gradient, torch.func.grad(divergence)(LOGITS), rtol=1e-7, atol=1e-9)
    # and the critic's loss there is the divergence, negated
    d = -(PLACES * row.activation(v)).sum() + expected(row.composed, v, LOGITS)
    assert d.item() == pytest.approx(-divergence(LOGITS).item(), abs=1e-9)


def test_the_heuristic_of_gan_descends_reverse_kl_less_twice_jensen_shannon() -> None:
    v = (PLACES / LOGITS.softmax(0)).log()
    objective = f_gan_heuristic(DIVERGENCES["gan"])
    gradient = torch.func.grad(lambda a: expected(lambda x: objective.g(None, x), v, a))(LOGITS)

    def aim(a: Tensor) -> Tensor:  # KL(Q||P) - 2 JSD(P||Q)
        other = a.softmax(0)
        middle = (PLACES + other) / 2
        backward = (other * (other / PLACES).log()).sum()
        return backward - (PLACES * (PLACES / middle).log()).sum() - (other * (other / middle).log()).sum()

    torch.testing.assert_close(gradient, torch.func.grad(aim)(LOGITS), rtol=1e-9, atol=1e-12)


@every_row
@pytest.mark.parametrize("build", [f_gan, f_gan_heuristic])
def test_logits_move_the_right_way(row: FDivergence, build: Callable[[FDivergence], Objective]) -> None:
    objective = build(row)
    real, fake = (torch.tensor([-0.4, 0.3, 1.1], dtype=torch.float64) for _ in range(2))
    at_real, at_fake = torch.func.grad(objective.d, argnums=(0, 1))(real, fake)
    assert (at_real < 0).all()  # the critic raises the logits of real samples...
    assert (at_fake > 0).all()  # ...and lowers those of generated ones, which the generator raises
    assert (torch.func.grad(lambda x: objective.g(None, x))(fake) < 0).all()


@every_row
def test_first_and_second_derivatives(row: FDivergence) -> None:
    real, fake = (torch.tensor([-2.3, -0.4, 0.6, 3.1], dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(f_gan(row).d, (real, fake))
    assert torch.autograd.gradgradcheck(f_gan(row).d, (real, fake))


@every_row
def test_bfloat16_logits_give_float32_losses(row: FDivergence) -> None:
    real, fake = torch.randn(64).bfloat16(), torch.randn(64).bfloat16()
    for objective in (f_gan(row), f_gan_heuristic(row)):
        for loss in (objective.d, objective.g):
            assert loss(real, fake).dtype == torch.float32
            assert loss(real, fake).item() == pytest.approx(loss(real.double(), fake.double()).item(), 1e-5, 1e-5)


@pytest.mark.parametrize("name", ["total-variation", "gan", "jeffrey", "weighted 0.3", "alpha 0.5", "alpha 1.5"])
def test_compiles_to_one_graph_with_a_gradient_of_a_gradient_in_it(name: str) -> None:
    objective = f_gan(ROWS[name])

    def squared_slope(fake: Tensor) -> Tensor:
        slope: Tensor = torch.func.grad(lambda x: objective.d(x, x))(fake)
        return slope.square().sum()

    torch._dynamo.reset()
    compiled = torch.compile(torch.func.grad(squared_slope), backend="aot_eager", fullgraph=True)
    logits = torch.tensor([-1.4, 0.0, 0.7, 2.0])
    torch.testing.assert_close(compiled(logits), torch.func.grad(squared_slope)(logits))


def test_members_of_the_families() -> None:
    u = torch.tensor([0.1, 0.7, 1.0, 2.5, 9.0], dtype=torch.float64)
    for member, row, factor in (
        (alpha_divergence(2), "pearson", 0.5),
        (alpha_divergence(-1), "neyman", 0.5),
        (alpha_divergence(0.5), "squared-hellinger", 2.0),
        (weighted_jensen_shannon(0.5), "jensen-shannon", 0.5),
    ):
        torch.testing.assert_close(member.f(u), factor * DIVERGENCES[row].f(u), rtol=1e-12, atol=1e-14)
    # near the limits, with the linear term that the others leave out
    torch.testing.assert_close(alpha_divergence(1 + 1e-6).f(u), DIVERGENCES["kl"].f(u) - (u - 1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        alpha_divergence(1e-6).f(u), DIVERGENCES["reverse-kl"].f(u) + u - 1, rtol=1e-4, atol=1e-4
    )


def test_families_refuse_what_is_another_row() -> None:
    with pytest.raises(ValueError, match="the limit at 1 is 'kl'"):
        alpha_divergence(1)
    with pytest.raises(ValueError, match="the limit at 0 is 'reverse-kl'"):
        alpha_divergence(0)
    for bad in (math.inf, math.nan):
        with pytest.raises(ValueError, match="finite"):
            alpha_divergence(bad)
    for bad in (0.0, 1.0, -0.2, 1.5, math.nan):
        with pytest.raises(ValueError, match=re.escape("0.5")):
            weighted_jensen_shannon(bad)


def test_another_activation_replaces_the_own_one_everywhere() -> None:
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([-1.0, 1.0])
    objective = f_gan(DIVERGENCES["reverse-kl"], activation=lambda v: -torch.nn.functional.softplus(-v))
    t = [-math.log1p(math.exp(-v)) for v in (0.5, 2.0, -1.0, 1.0)]
    conjugate = [-1 - math.log(-x) for x in t]
    assert objective.d(real, fake).item() == pytest.approx(sum(conjugate[2:]) / 2 - sum(t[:2]) / 2)
    assert objective.g(None, fake).item() == pytest.approx(-sum(conjugate[2:]) / 2)
    heuristic = f_gan_heuristic(DIVERGENCES["reverse-kl"], activation=lambda v: -torch.nn.functional.softplus(-v))
    assert heuristic.g(None, fake).item() == pytest.approx(-sum(t[2:]) / 2)


@every_row
def test_each_rows_own_activation_may_be_given(row: FDivergence) -> None:
    logits = torch.linspace(-3, 3, 7).double()
    given = row.with_activation(row.activation)
    torch.testing.assert_close(given.composed(logits), row.composed(logits), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("reverse-kl", lambda v: v),
        ("reverse-kl", lambda v: -torch.relu(v)),  # only reaches the end, where f* is infinite
        ("gan", torch.tanh),
        ("total-variation", lambda v: v.tanh() * 0.51),
        ("neyman", lambda v: v.sigmoid() + 0.2),
        ("squared-hellinger", lambda v: v.clamp(max=1)),
        ("jensen-shannon", lambda v: v.sigmoid()),
        ("alpha 0.5", lambda v: v),
        ("weighted 0.3", torch.exp),
        ("kl", lambda v: v.sqrt()),  # not a number below 0
    ],
)
@pytest.mark.parametrize("build", [f_gan, f_gan_heuristic])
def test_activations_that_leave_the_domain_are_refused(
    name: str, activation: Callable[[Tensor], Tensor], build: Callable[..., Objective]
) -> None:
    row = ROWS[name]
    with pytest.raises(ValueError, match=re.escape(f"the divergence's own, g_f(v) = {row.formula}")):
        build(row, activation=activation)


def test_an_end_where_the_conjugate_is_finite_may_be_reached() -> None:
    row = DIVERGENCES["neyman"].with_activation(lambda v: v.clamp(max=1))  # f*(1) = 2
    assert one(row.composed, 5.0) == 2
