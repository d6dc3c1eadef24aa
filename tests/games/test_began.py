"""BEGAN: a control variable in memory (Berthelot et al. 2017, arXiv:1703.10717, Section 3.4)."""

import copy
import itertools
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from zerosum.core.game import Game, Memory, Nets, Player, Said, start
from zerosum.core.optim import sgd
from zerosum.core.random import generator
from zerosum.core.train import train

GAMMA = 0.5


class Batch(NamedTuple):
    x: Tensor
    z: Tensor


def batch(k: int) -> Batch:
    rng = generator(0, "began", 0, k)
    return Batch(torch.randn(8, 4, generator=rng), torch.randn(8, 2, generator=rng))


def error(autoencoder: Any, x: Tensor) -> Tensor:
    return (autoencoder(x) - x).abs().mean()


def began(rate: float, k: float) -> Game:
    def d_loss(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
        return {"real": error(n.D, b.x), "fake": -m["k"] * error(n.D, n.G(b.z))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
        return {"fake": error(n.D, n.G(b.z))}

    def remember(m: Memory, said: Said) -> Memory:
        k = m["k"] + rate * (GAMMA * said["D"]["real"] - said["G"]["fake"])
        return {"k": k.clamp(0, 1)}

    nets = {"G": nn.Linear(2, 4), "D": nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 4))}
    players = {"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)}
    return Game(nets, {"G": sgd(0.05), "D": sgd(0.05)}, players, {"k": torch.tensor(k)}, remember)


@pytest.mark.parametrize(("rate", "first"), [(0.01, 0.3), (3.0, 0.9), (-3.0, 0.1)])
def test_k_follows_its_rule(rate: float, first: float):
    game = began(rate, first)
    nets = copy.deepcopy(game.nets)  # stateful twins, moved by hand
    k, seen = first, []
    for t, state, said in train(game, start(game), map(batch, itertools.count()), 12):
        ours, theirs = batch(2 * t), batch(2 * t + 1)
        real, fake = error(nets["D"], ours.x), error(nets["D"], nets["G"](ours.z))
        assert said["D"]["fake"].item() == pytest.approx(-k * fake.item(), abs=1e-6)
        move(nets["D"], real - k * fake)
        made = error(nets["D"], nets["G"](theirs.z))
        move(nets["G"], made)
        k = min(1.0, max(0.0, k + rate * (GAMMA * real.item() - made.item())))
        assert state.memory["k"].item() == pytest.approx(k, abs=1e-5)
        seen.append(k)
    if rate == 0.01:
        assert len(set(seen)) == 12, "k stood still"
    else:
        assert min(seen) == 0 or max(seen) == 1, "neither end was reached: clipping was not tried"


def move(net: nn.Module, loss: Tensor) -> None:
    grads = torch.autograd.grad(loss, list(net.parameters()))
    with torch.no_grad():
        for weight, grad in zip(net.parameters(), grads, strict=True):
            weight -= 0.05 * grad
