"""Lazy regularisation: players that share a network and come rarely (Karras et al. 2020, arXiv:1912.04958, App. B)."""

import itertools
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad

from zerosum.core.game import Game, Memory, Nets, Player, Said, start
from zerosum.core.optim import adam
from zerosum.core.random import generator
from zerosum.core.train import train
from zerosum.penalties import r1

D_EVERY, G_EVERY, DECAY = 16, 4, 0.1


class Batch(NamedTuple):
    x: Tensor
    z: Tensor
    noise: Tensor


def batch(k: int) -> Batch:
    rng = generator(0, "style", 0, k)
    return Batch(*(torch.randn(8, d, generator=rng) for d in (4, 2, 4)))


def d_loss(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
    return {"adv": F.softplus(-n.D(b.x)).mean() + F.softplus(n.D(n.G(b.z))).mean()}


def d_reg(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
    return {"r1": D_EVERY * 5 * r1(n.D, b.x)}


def g_loss(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
    return {"adv": F.softplus(-n.D(n.G(b.z))).mean()}


def g_reg(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
    """Lengths of paths in latent space: |J^T y|, pulled to their running mean."""
    lengths = grad(lambda z: (n.G.frozen(z) * b.noise).sum())(b.z).norm(dim=1)
    n.note(length=lengths.mean())
    return {"path": G_EVERY * (lengths - m["length"]).square().mean()}


def remember(m: Memory, said: Said) -> Memory:
    return {"length": m["length"].lerp(said["G_reg"]["length"], DECAY)} if "G_reg" in said else m


def style() -> Game:
    nets = {
        "G": nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4)),
        "D": nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)),
    }
    players = {
        "D": Player(("D",), d_loss),
        "D_reg": Player(("D",), d_reg, every=D_EVERY),
        "G": Player(("G",), g_loss),
        "G_reg": Player(("G",), g_reg, every=G_EVERY),
    }
    # beta2 as in the paper, corrected for the turns that the regularisers take: 0.99^(16/17), 0.99^(4/5).
    opts = {"D": adam(2e-3, beta1=0.0, beta2=0.99 ** (16 / 17)), "G": adam(2e-3, beta1=0.0, beta2=0.99**0.8)}
    return Game(nets, opts, players, {"length": torch.tensor(0.5)}, remember)


def run(game: Game, steps: int) -> list[Any]:
    return list(train(game, start(game), map(batch, itertools.count()), steps))


def test_regularisers_come_when_it_is_their_turn_and_share_moments():
    history = run(style(), 33)
    assert [t for t, _, said in history if "D_reg" in said] == [0, 16, 32]
    assert [t for t, _, said in history if "G_reg" in said] == list(range(0, 33, 4))
    assert history[-1][1].opt["D"]["t"].item() == 33 + 3
    assert history[-1][1].opt["G"]["t"].item() == 33 + 9


def test_the_mean_length_is_remembered_by_its_rule():
    length = 0.5
    for _, state, said in run(style(), 9):
        if "G_reg" in said:
            length += DECAY * (said["G_reg"]["length"].item() - length)
        assert state.memory["length"].item() == pytest.approx(length, rel=1e-5)


def test_the_first_length_is_that_of_the_jacobian():
    game = style()
    ((_, _, said),) = run(game, 1)
    # The batches of iteration 0 go to D, D_reg, G, G_reg; G has moved once, by its first step.
    b = batch(3)
    begin = start(game)
    _, state, _ = run(Game(game.nets, game.opts, {k: v for k, v in game.players.items() if k != "G_reg"}), 1)[0]
    assert not torch.equal(begin.weights["G"]["0.weight"], state.weights["G"]["0.weight"])
    game.nets["G"].load_state_dict(state.weights["G"])
    jacobians = [torch.autograd.functional.jacobian(game.nets["G"], z) for z in b.z]
    lengths = torch.stack([(y @ j).norm() for y, j in zip(b.noise, jacobians, strict=True)])
    assert said["G_reg"]["length"].item() == pytest.approx(lengths.mean().item(), rel=1e-5)
