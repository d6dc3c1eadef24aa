"""Unrolled GAN: the generator looks through the critic's own optimizer (Metz et al. 2017, arXiv:1611.02163)."""

from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.game import Game, Nets, Player, gradient, play, start
from zerosum.core.optim import Optimizer, adam, rmsprop, sgd


class Batch(NamedTuple):
    x: Tensor
    z: Tensor


def batch() -> Batch:
    return Batch(torch.randn(6, 3).double() + 1, torch.randn(6, 2).double())


def d_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    return {"adv": F.softplus(-n.D(b.x)).mean() + F.softplus(n.D(n.G(b.z))).mean()}


def unrolled(steps: int, opt: Optimizer, norm: Any = nn.Identity) -> Game:
    def g_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        return {"adv": F.softplus(-n.after("D", steps).D(n.G(b.z))).mean()}

    nets = {
        "G": nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3)).double(),
        "D": nn.Sequential(nn.Linear(3, 4), norm(4), nn.Tanh(), nn.Linear(4, 1)).double(),
    }
    players = {"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)}
    return Game(nets, {"G": sgd(0.1), "D": opt}, players)


def flat(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([t.flatten() for t in tensors.values()])


def surrogate(game: Game, state: Any, b: Batch, weights: Tensor) -> float:
    """The generator's loss with these weights: f_K of Eq. 8."""
    shapes = state.weights["G"]
    parts = torch.split(weights, [w.numel() for w in shapes.values()])
    moved = {k: p.view(w.shape) for (k, w), p in zip(shapes.items(), parts, strict=True)}
    at = Nets(game, state._replace(weights=state.weights | {"G": moved}), b)
    return game.players["G"].loss(at, b, state.memory)["adv"].item()


def differences(game: Game, state: Any, b: Batch, h: float = 1e-5) -> Tensor:
    here = flat(state.weights["G"])
    steps = h * torch.eye(len(here), dtype=torch.float64)
    return torch.tensor(
        [(surrogate(game, state, b, here + s) - surrogate(game, state, b, here - s)) / (2 * h) for s in steps],
        dtype=torch.float64,
    )


# Adam's first step is lr sign(g) but for eps, so eps is what makes the response differentiable: take it large.
@pytest.mark.parametrize("opt", [adam(0.05, beta1=0.5, eps=1e-2), rmsprop(0.05, eps=1e-1), sgd(0.5, momentum=0.5)])
def test_the_gradient_through_the_response_is_that_of_finite_differences(opt: Optimizer):
    game, b = unrolled(3, opt), batch()
    state, _ = play(game, "D", start(game), batch())  # moments that are not all 0
    found = flat(gradient(game, "G", state, b)[0]["G"])
    expected = differences(game, state, b)
    assert (found - expected).norm() < 1e-6 * expected.norm()

    # What Goodfellow et al. would descend: the critic after its response, taken as a constant.
    responded = state
    for _ in range(3):
        responded, _ = play(game, "D", responded, b)
    plain = unrolled(0, opt)
    constant = flat(gradient(plain, "G", responded, b)[0]["G"])
    assert (constant - expected).norm() > 1e-2 * expected.norm()
    assert surrogate(game, state, b, flat(state.weights["G"])) == pytest.approx(
        gradient(plain, "G", responded, b)[1]["adv"].item(), rel=1e-6
    )


def test_without_steps_it_is_the_usual_gan():
    game, b = unrolled(0, adam(0.05)), batch()
    state = start(game)
    found = flat(gradient(game, "G", state, b)[0]["G"])
    F.softplus(-game.nets["D"](game.nets["G"](b.z))).mean().backward()
    expected = torch.cat([w.grad.flatten() for w in game.nets["G"].parameters()])
    torch.testing.assert_close(found, expected)
    ahead = unrolled(3, adam(0.05))
    assert (flat(gradient(ahead, "G", state, b)[0]["G"]) - expected).norm() > 1e-2 * expected.norm()


def test_what_is_imagined_leaves_no_trace():
    game, b = unrolled(3, adam(0.05, eps=1e-2), nn.BatchNorm1d), batch()
    state = start(game)
    after, said = play(game, "G", state, b)
    assert all(torch.equal(w, after.weights["D"][k]) for k, w in state.weights["D"].items())
    assert after.opt["D"]["t"].item() == 0
    assert all(torch.equal(v, after.buffers["D"][k]) for k, v in state.buffers["D"].items())
    assert list(said) == ["G"]
    assert list(said["G"]) == ["adv"]
    assert not torch.equal(after.weights["G"]["0.weight"], state.weights["G"]["0.weight"])
