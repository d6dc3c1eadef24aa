"""f-GAN: any f-divergence as a game. Nowozin, Cseke and Tomioka 2016, arXiv:1606.00709.

D_f(P||Q) = int q f(p/q) = sup_T E_P[T] - E_Q[f*(T)], with f*(t) = sup_u (ut - f(u)); the best T is f'(p/q).
The critic's logit v becomes T = g_f(v), which lies in the domain of f*.

Every activation g_f here increases: a large logit means "real", as in all objectives of this package. Where the paper
writes -exp(v) or 1 - exp(v), for reverse KL, Neyman and squared Hellinger, ours has -v in the place of v, so the sign
of the logit is the opposite and the divergence the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from zerosum.objectives.objective import Objective
from zerosum.precision import wide

Function = Callable[[Tensor], Tensor]  # elementwise

_INF = math.inf
_LOG2 = math.log(2)
_REACH = 30.0  # logits at which activations are tried: beyond it, 1 - exp(-v) is 1 to nearly all digits of float64


@dataclass(frozen=True)
class FDivergence:
    """One row of the tables of f-divergences in Nowozin et al. 2016 (arXiv:1606.00709); all functions are elementwise.

    Attributes:
        name: Name in messages.
        f: Convex function on u > 0. D_f(P||Q) = int q f(p/q); f(1) = 0, except for ``gan``, where it is -log 4.
        conjugate: Conjugate f*(t), for t in ``domain``.
        activation: Activation g_f(v), increasing, with values in ``domain``.
        composed: Composition f*(g_f(v)), in a closed form that does not overflow before its value does.
        optimal: Ratio u = p/q -> the best T, f'(u).
        threshold: Value f'(1): x is called real where T(x) is above it.
        domain: Numbers (low, high), between which f* is finite; at an end it may be infinite.
        formula: Activation, as people write it.
    """

    name: str
    f: Function
    conjugate: Function
    activation: Function
    composed: Function
    optimal: Function
    threshold: float
    domain: tuple[float, float]
    formula: str

    def says_real(self, logits: Tensor) -> Tensor:
        """The decision of Nowozin et al. 2016 (arXiv:1606.00709): T(x) > f'(1), which for the best T means p > q.

        Args:
            logits: Logits, of any shape.

        Returns:
            Booleans of that shape.
        """
        return self.activation(wide(logits)) > self.threshold

    def with_activation(self, activation: Function) -> FDivergence:
        """The same divergence with another g_f; its composition with f* is taken as it is, overflow included.

        Args:
            activation: Elementwise function, for float64 as well, into the domain of f*.

        Raises:
            ValueError: A value on a grid of logits in [-30, 30] is outside the domain.
        """
        logits = torch.linspace(-_REACH, _REACH, 1201, dtype=torch.float64)
        values, (low, high) = activation(logits), self.domain
        at_end = ((values == low) | (values == high)) & self.conjugate(values).isfinite()
        outside = ~(((values > low) & (values < high)) | at_end)
        if outside.any():
            v, t = logits[outside][0].item(), values[outside][0].item()
            raise ValueError(
                f"the activation gives T = {t:.6g} for the logit {v:g}, but the conjugate of {self.name} is finite "
                f"only between {low:.6g} and {high:.6g}: use the divergence's own, g_f(v) = {self.formula}"
            )
        conjugate = self.conjugate
        return replace(
            self, activation=activation, composed=lambda v: conjugate(activation(v)), formula="given by the user"
        )


def f_gan(divergence: FDivergence, *, activation: Function | None = None) -> Objective:
    """The game of Algorithm 1, Nowozin et al. 2016 (arXiv:1606.00709): min_G max_T F = E_P[T] - E_Q[f*(T)].

    L_D = -F, whose least value is -D_f(P||Q); L_G = -E_Q[f*(T(G(z)))], the part of F that G moves. T = g_f(logit). With
    ``DIVERGENCES["gan"]`` it is the minimax objective.

    Args:
        divergence: Divergence of ``DIVERGENCES``, or from ``weighted_jensen_shannon`` or ``alpha_divergence``.
        activation: Activation in place of the divergence's own g_f.

    Raises:
        ValueError: The activation leaves the domain of f*.
    """
    row = divergence if activation is None else divergence.with_activation(activation)

    def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
        return -row.composed(wide(fake)).mean()

    return Objective(_critic_loss(row), generator_loss)


def f_gan_heuristic(divergence: FDivergence, *, activation: Function | None = None) -> Objective:
    """Section 3.2, Nowozin et al. 2016 (arXiv:1606.00709): as ``f_gan``, but G maximises E_Q[T(G(z))].

    L_G = -E_Q[g_f(logit)]: its slope does not vanish where D rejects. With ``DIVERGENCES["gan"]`` it is the
    non-saturating objective. G then no longer descends D_f.

    Args:
        divergence: Divergence of ``DIVERGENCES``, or from ``weighted_jensen_shannon`` or ``alpha_divergence``.
        activation: Activation in place of the divergence's own g_f.

    Raises:
        ValueError: The activation leaves the domain of f*.
    """
    row = divergence if activation is None else divergence.with_activation(activation)

    def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
        return -row.activation(wide(fake)).mean()

    return Objective(_critic_loss(row), generator_loss)


def _critic_loss(row: FDivergence) -> Callable[[Tensor, Tensor], Tensor]:
    def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
        return row.composed(wide(fake)).mean() - row.activation(wide(real)).mean()

    return critic_loss


def weighted_jensen_shannon(pi: float) -> FDivergence:
    """Table of f-divergences, Nowozin et al. 2016 (arXiv:1606.00709): pi KL(P||M) + (1 - pi) KL(Q||M).

    M = pi P + (1 - pi) Q, f(u) = pi u log u - (1 - pi + pi u) log(1 - pi + pi u), and
    f*(g_f(v)) = (1 - pi) (log(1 - pi) - log(1 - sigmoid(v)^(1/pi))).

    Args:
        pi: Weight of P, in (0, 1); 1/2 gives the Jensen-Shannon divergence itself, which is half of
            ``DIVERGENCES["jensen-shannon"]``.
    """
    if not 0 < pi < 1:
        raise ValueError(f"pi={pi}: must be above 0 and below 1; 0.5 weighs both distributions alike")
    rest, high = 1 - pi, -pi * math.log(pi)
    return FDivergence(
        f"weighted-jensen-shannon with pi={pi:g}",
        f=lambda u: pi * torch.xlogy(u, u) - torch.xlogy(rest + pi * u, rest + pi * u),
        conjugate=lambda t: rest * (math.log(rest) - torch.log1p(-pi * (t / pi).exp())),
        activation=lambda v: high - F.softplus(-v),
        composed=lambda v: rest * (math.log(rest) - _log_complement(v, 1 / pi)),
        optimal=lambda u: pi * (u / (rest + pi * u)).log(),
        threshold=0.0,
        domain=(-_INF, high),
        formula="-pi log(pi) - log(1 + exp(-v))",
    )


def alpha_divergence(alpha: float) -> FDivergence:
    """Table of f-divergences, Nowozin et al. 2016 (arXiv:1606.00709): (int p^a q^(1-a) - 1) / (a(a - 1)), a = alpha.

    f(u) = (u^a - 1 - a(u - 1)) / (a(a - 1)): a = 2, 1/2 and -1 give Pearson / 2, squared Hellinger * 2 and Neyman / 2;
    the limits at a = 1 and 0 are KL and reverse KL. For a < 1, with s = softplus(-v), f*(g_f(v)) is
    (((1 - a) s)^(a/(a-1)) - 1) / a; with a just below 1 it exceeds float32 at small logits (a = 0.9: from about 8).

    Args:
        alpha: Any number except 0 and 1.
    """
    if alpha in (0, 1) or not math.isfinite(alpha):
        limits = {0.0: ": the limit at 0 is 'reverse-kl'", 1.0: ": the limit at 1 is 'kl'"}
        raise ValueError(f"alpha={alpha:g}: must be a finite number other than 0 and 1{limits.get(alpha, '')}")
    a, power = alpha, alpha / (alpha - 1)

    def scaled_softplus(v: Tensor) -> Tensor:
        return torch.expm1(power * (math.log(1 - a) + _log_softplus(-v))) / a

    def from_base(t: Tensor) -> Tensor:
        return (_power(t * (a - 1) + 1, power) - 1) / a

    edge = 1 / (1 - a)
    below = (lambda v: edge - F.softplus(-v), scaled_softplus, (-_INF, edge), "1/(1 - alpha) - log(1 + exp(-v))")
    above = (_identity, from_base, (-_INF, _INF), "v")
    activation, composed, domain, formula = below if a < 1 else above
    return FDivergence(
        f"alpha with alpha={alpha:g}",
        f=lambda u: (u**a - 1 - a * (u - 1)) / (a * (a - 1)),
        conjugate=from_base,
        activation=activation,
        composed=composed,
        optimal=lambda u: (u ** (a - 1) - 1) / (a - 1),
        threshold=0.0,
        domain=domain,
        formula=formula,
    )


def _identity(v: Tensor) -> Tensor:
    return v


def _power(base: Tensor, power: float) -> Tensor:
    """max(base, 0)^power, whose derivatives where base < 0 are 0 and not NaN."""
    if power < 0:
        return base**power
    positive = base > 0
    return torch.where(positive, torch.where(positive, base, 1.0) ** power, 0.0)


def _log_softplus(x: Tensor) -> Tensor:
    """log log(1 + e^x), as its series where e^x is small: derivatives of the logarithm would overflow there."""
    tail = x < -18
    series = x - x.clamp_max(-18).exp() / 2
    return torch.where(tail, series, F.softplus(torch.where(tail, 0.0, x)).log())


def _log_complement(v: Tensor, power: float) -> Tensor:
    """log(1 - sigmoid(v)^power) = log(1 - e^-x), x = power softplus(-v); as its series where x is small."""
    log_x = math.log(power) + _log_softplus(-v)
    tail, x = log_x < -7, log_x.clamp_max(-7).exp()
    series = log_x - x / 2 + x.square() / 24
    return torch.where(tail, series, (-torch.expm1(-torch.where(tail, 0.0, log_x).exp())).log())


def _jeffrey_log_ratio(t: Tensor) -> Tensor:
    """The root m of m + 1 - e^-m = t: the log of the u at which ut - f(u) is greatest, -log W(e^(1-t)).

    Newton from below a concave function never leaves that side, and doubles the digits at each step. The steps that
    find the root need no derivative; each of the last two, which have one, doubles the orders that are exact (to 3).
    """
    fixed = t.detach()
    m = torch.where(fixed < 0, -torch.log1p((-fixed).clamp_min(0)), fixed - torch.tanh(fixed / 2))
    for target in (fixed, fixed, fixed, fixed, t, t):
        m = m - (m - torch.expm1(-m) - target) * torch.sigmoid(m)
    return m


def _jeffrey_conjugate(t: Tensor) -> Tensor:
    """W(e^(1-t)) + 1/W(e^(1-t)) + t - 2, which is e^m - 1 + m."""
    m = _jeffrey_log_ratio(t)
    return torch.expm1(m) + m


_ROWS = (
    FDivergence(  # half of the L1 distance
        "total-variation",
        f=lambda u: (u - 1).abs() / 2,
        conjugate=_identity,
        activation=lambda v: v.tanh() / 2,
        composed=lambda v: v.tanh() / 2,
        optimal=lambda u: (u - 1).sign() / 2,
        threshold=0.0,
        domain=(-0.5, 0.5),
        formula="tanh(v) / 2",
    ),
    FDivergence(
        "kl",
        f=lambda u: torch.xlogy(u, u),
        conjugate=lambda t: (t - 1).exp(),
        activation=_identity,
        composed=lambda v: (v - 1).exp(),
        optimal=lambda u: 1 + u.log(),
        threshold=1.0,
        domain=(-_INF, _INF),
        formula="v",
    ),
    FDivergence(
        "reverse-kl",
        f=lambda u: -u.log(),
        conjugate=lambda t: -1 - (-t).log(),
        activation=lambda v: -(-v).exp(),
        composed=lambda v: v - 1,
        optimal=lambda u: -1 / u,
        threshold=-1.0,
        domain=(-_INF, 0.0),
        formula="-exp(-v)",
    ),
    # The paper's table prints int (q - p)^2 / p, but its f gives int (p - q)^2 / q, which is Pearson's. This f* is
    # that of f on all of R; over u >= 0, f*(t) is -1 below t = -2, where the best T never is.
    FDivergence(
        "pearson",
        f=lambda u: (u - 1).square(),
        conjugate=lambda t: t.square() / 4 + t,
        activation=_identity,
        composed=lambda v: v.square() / 4 + v,
        optimal=lambda u: 2 * (u - 1),
        threshold=0.0,
        domain=(-_INF, _INF),
        formula="v",
    ),
    FDivergence(
        "neyman",
        f=lambda u: (1 - u).square() / u,
        conjugate=lambda t: 2 - 2 * (1 - t).sqrt(),
        activation=lambda v: -torch.expm1(-v),
        composed=lambda v: -2 * torch.expm1(-v / 2),
        optimal=lambda u: 1 - u**-2,
        threshold=0.0,
        domain=(-_INF, 1.0),
        formula="1 - exp(-v)",
    ),
    FDivergence(
        "squared-hellinger",
        f=lambda u: (u.sqrt() - 1).square(),
        conjugate=lambda t: t / (1 - t),
        activation=lambda v: -torch.expm1(-v),
        composed=torch.expm1,
        optimal=lambda u: 1 - u**-0.5,
        threshold=0.0,
        domain=(-_INF, 1.0),
        formula="1 - exp(-v)",
    ),
    FDivergence(  # KL(P||Q) + KL(Q||P)
        "jeffrey",
        f=lambda u: (u - 1) * u.log(),
        conjugate=_jeffrey_conjugate,
        activation=_identity,
        composed=_jeffrey_conjugate,
        optimal=lambda u: u.log() + 1 - 1 / u,
        threshold=0.0,
        domain=(-_INF, _INF),
        formula="v",
    ),
    # The paper's table prints a factor 1/2 before the integral, but its f gives KL(P||M) + KL(Q||M), twice the
    # Jensen-Shannon divergence (M = (P + Q) / 2).
    FDivergence(
        "jensen-shannon",
        f=lambda u: torch.xlogy(u, u) - torch.xlogy(1 + u, (1 + u) / 2),
        conjugate=lambda t: -_LOG2 - torch.log1p(-t.exp() / 2),
        activation=lambda v: _LOG2 - F.softplus(-v),
        composed=lambda v: F.softplus(v) - _LOG2,
        optimal=lambda u: (2 * u / (1 + u)).log(),
        threshold=0.0,
        domain=(-_INF, _LOG2),
        formula="log(2) - log(1 + exp(-v))",
    ),
    FDivergence(  # twice the Jensen-Shannon divergence, less log 4
        "gan",
        f=lambda u: torch.xlogy(u, u) - torch.xlogy(1 + u, 1 + u),
        conjugate=lambda t: -(-torch.expm1(t)).log(),
        activation=lambda v: -F.softplus(-v),
        composed=F.softplus,
        optimal=lambda u: (u / (1 + u)).log(),
        threshold=-_LOG2,
        domain=(-_INF, 0.0),
        formula="-log(1 + exp(-v))",
    ),
)

DIVERGENCES: dict[str, FDivergence] = {row.name: row for row in _ROWS}
OBJECTIVES = {f"f-{name}": f_gan(row) for name, row in DIVERGENCES.items()}
_FAMILIES = {"alpha": ("alpha", alpha_divergence), "weighted-jensen-shannon": ("pi", weighted_jensen_shannon)}


def named(name: str, **given: float | None) -> FDivergence:
    """The divergence called ``name``, with its parameter if it has one; refuses parameters that are not its own."""
    if name not in DIVERGENCES and name not in _FAMILIES:
        raise ValueError(f"there is no divergence {name!r}: choose one of {', '.join([*DIVERGENCES, *_FAMILIES])}")
    for family, (parameter, _) in _FAMILIES.items():
        if given[parameter] is not None and name != family:
            raise ValueError(f"{parameter}={given[parameter]}, but {name!r} has none: leave it out, or use {family!r}")
    if name in DIVERGENCES:
        return DIVERGENCES[name]
    parameter, build = _FAMILIES[name]
    value = given[parameter]
    if value is None:
        raise ValueError(f"the divergence {name!r} needs its {parameter}, for example {parameter}=0.5")
    return build(value)
