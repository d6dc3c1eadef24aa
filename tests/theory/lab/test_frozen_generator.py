"""A new critic against a frozen generator: one objective's gradient vanishes, the other's grows and gets noisy."""

import pytest
import torch

from zerosum.core.game import Nets
from zerosum.objectives import minimax
from zerosum.theory.lab import unstable_gradient, vanishing_gradient
from zerosum.theory.lab.base import Lab
from zerosum.theory.lab.frozen import judged, trained

SMALL = {"epochs": (0,), "width": 4, "critic_steps": 60, "looks": 6, "repeats": 5}


def test_the_saturating_gradient_vanishes() -> None:
    rows = vanishing_gradient.experiment(Lab(), **SMALL | {"critic_steps": 140}).numbers["rows"][0]  # type: ignore[arg-type]
    first, last = rows[0], rows[-1]
    assert (first["step"], last["step"]) == (0, 140)
    assert last["minimax_mean"] < first["minimax_mean"] / 5
    assert last["accuracy"] > 0.99
    assert last["critic_loss"] < first["critic_loss"]


def test_the_gradient_of_minus_log_d_grows_in_mean_and_variance() -> None:
    rows = unstable_gradient.experiment(Lab(seed=1), **SMALL).numbers["rows"][0]  # type: ignore[arg-type]
    first, last = rows[0], rows[-1]
    assert last["ns_mean"] > 2 * first["ns_mean"]
    assert last["ns_variance"] > 4 * first["ns_variance"]


def test_the_norm_is_that_of_autograd_and_the_generator_stays() -> None:
    from zerosum.core.game import gradient
    from zerosum.runs.setup import Batches
    from zerosum.theory.lab.frozen import _norm

    ((setup, state),) = trained(Lab(), data="fashion-mini", epochs=(0,), width=4).values()
    game, batch = judged(setup), next(Batches(setup))
    leaves = {k: w.clone().requires_grad_() for k, w in state.weights["G"].items()}
    n = Nets(game, state._replace(weights=state.weights | {"G": leaves}), batch)
    grads = torch.autograd.grad(minimax.g(None, n.D(n.G(batch.z))), list(leaves.values()))
    by_hand = sum(float(g.square().sum()) for g in grads) ** 0.5
    asked = gradient(game, "minimax", state, batch)[0]["G"].values()
    assert _norm(asked) == pytest.approx(by_hand, rel=1e-5)
