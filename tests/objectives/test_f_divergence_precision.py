"""The rows of f-GAN's table where floating point is at its limits, against 60 digits and Lambert's W."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import special
from torch import Tensor

from zerosum.objectives.f_divergence import DIVERGENCES, alpha_divergence, weighted_jensen_shannon

mp = pytest.importorskip("mpmath")  # torch depends on it, through sympy

ALPHAS = (0.5, -1, 1.5, 3)
ROWS = {
    **DIVERGENCES,
    "weighted 0.3": weighted_jensen_shannon(0.3),
    **{f"alpha {a:g}": alpha_divergence(a) for a in ALPHAS},
}


def one(function: Callable[[Tensor], Tensor], x: float) -> float:
    return function(torch.tensor([x], dtype=torch.float64)).item()


def derivative(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    slope: Callable[[Tensor], Tensor] = torch.func.grad(lambda x: function(x).sum())
    return slope


def test_jeffrey_is_lambert_w_to_the_third_derivative() -> None:
    functions = [DIVERGENCES["jeffrey"].composed]
    for _ in range(3):
        functions.append(derivative(functions[-1]))
    for t in (-40.0, -3.0, -0.2, 0.0, 0.4, 2.0, 30.0):
        w = special.lambertw(math.exp(1 - t)).real  # dw/dt = -w / (1 + w)
        known = (w + 1 / w + t - 2, 1 / w, 1 / (w * (1 + w)), (1 + 2 * w) / (w * (1 + w) ** 3))
        assert [one(f, t) for f in functions] == pytest.approx(known, rel=1e-9, abs=1e-10)


# v -> (T, f*(T)), as the table has them, for 60 digits: name -> (g_f, f*).
Exact = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def log_sigmoid(v: Any) -> Any:
    return -mp.log(1 + mp.exp(-v))


def lambert(t: Any) -> Any:
    w = mp.lambertw(mp.exp(1 - t))
    return w + 1 / w + t - 2


def weighted(pi: Any) -> Exact:
    return (
        lambda v: -pi * mp.log(pi) + log_sigmoid(v),
        lambda t: (1 - pi) * mp.log((1 - pi) / (1 - pi * mp.exp(t / pi))),
    )


def alpha(a: Any) -> Exact:
    def conjugate(t: Any) -> Any:
        return (max(t * (a - 1) + 1, 0) ** (a / (a - 1)) - 1) / a

    return (lambda v: v if a > 1 else 1 / (1 - a) + log_sigmoid(v)), conjugate


EXACT: dict[str, Exact] = {
    "total-variation": (lambda v: mp.tanh(v) / 2, lambda t: t),
    "kl": (lambda v: v, lambda t: mp.exp(t - 1)),
    "reverse-kl": (lambda v: -mp.exp(-v), lambda t: -1 - mp.log(-t)),
    "pearson": (lambda v: v, lambda t: t**2 / 4 + t),
    "neyman": (lambda v: 1 - mp.exp(-v), lambda t: 2 - 2 * mp.sqrt(1 - t)),
    "squared-hellinger": (lambda v: 1 - mp.exp(-v), lambda t: t / (1 - t)),
    "jeffrey": (lambda v: v, lambert),
    "jensen-shannon": (lambda v: mp.log(2) + log_sigmoid(v), lambda t: -mp.log(2 - mp.exp(t))),
    "gan": (log_sigmoid, lambda t: -mp.log(1 - mp.exp(t))),
    "weighted 0.3": weighted(mp.mpf(0.3)),
    **{f"alpha {a:g}": alpha(mp.mpf(a)) for a in ALPHAS},
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_against_60_digits(name: str, dtype: torch.dtype) -> None:
    row, (activation, conjugate) = ROWS[name], EXACT[name]
    # torch's softplus drops e^-x above x = 20; -0.5 is where f* of alpha = 3 bends, with an infinite second derivative
    rel = 3e-6 if dtype == torch.float32 else 2e-9
    for v in (-50.0, -20.5, -18.5, -9.0, -0.5, -1e-3, 0.0, 0.3, 6.5, 7.5, 18.5, 30.0, 50.0):
        logit = torch.tensor([v], dtype=dtype, requires_grad=True)
        with mp.workdps(60):
            known = [activation(mp.mpf(logit.item())), conjugate(activation(mp.mpf(logit.item())))]
            u = mp.diff(lambda x: conjugate(activation(x)), mp.mpf(logit.item())) if v != 0 else None
        t, composed = row.activation(logit), row.composed(logit)
        assert [t.item(), composed.item()] == pytest.approx([float(x) for x in known], rel=rel, abs=rel)
        slope = torch.autograd.grad(composed, logit, create_graph=True)[0]
        if u is not None:
            assert slope.item() == pytest.approx(float(u), rel=5 * rel, abs=rel)
        if slope.requires_grad:
            assert torch.autograd.grad(slope, logit)[0].isfinite()
