"""CycleGAN: one player owns two generators, critics see pools of earlier fakes (Zhu et al. 2017, arXiv:1703.10593)."""

import copy
import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zerosum.core.game import Game, Memory, Nets, Player, Said, gradient, start
from zerosum.core.optim import adam
from zerosum.core.random import generator
from zerosum.core.train import train

POOL, SIZE = 50, 16


class Pair(NamedTuple):
    x: Tensor
    y: Tensor


def batch(k: int) -> Pair:
    rng = generator(0, "pair", 0, k)
    return Pair(torch.randn(SIZE, 3, generator=rng), 0.5 * torch.randn(SIZE, 3, generator=rng) + 1)


def to(logits: Tensor, target: float) -> Tensor:
    return (logits - target).square().mean()


def g_loss(n: Nets, b: Pair, m: Memory) -> dict[str, Tensor]:
    y, x = n.G(b.x), n.F(b.y)
    n.note(x=x, y=y)
    cycle = (n.F(y) - b.x).abs().mean() + (n.G(x) - b.y).abs().mean()
    return {"adv": to(n.Dx(x), 1) + to(n.Dy(y), 1), "cycle": 10 * cycle}


def d_loss(domain: str) -> Any:
    def loss(n: Nets, b: Pair, m: Memory) -> dict[str, Tensor]:
        critic = getattr(n, f"D{domain}")
        return {"adv": (to(critic(getattr(b, domain)), 1) + to(critic(m[domain]), 0)) / 2}

    return loss


def remember(memory: Memory, said: Said) -> Memory:
    return {k: torch.cat([said["G"][k], pool])[:POOL] for k, pool in memory.items()}


def cyclegan() -> Game:
    def mlp(out: int) -> nn.Module:
        return nn.Sequential(nn.Linear(3, 16), nn.LeakyReLU(0.2), nn.Linear(16, out))

    nets = {"G": mlp(3), "F": mlp(3), "Dx": mlp(1), "Dy": mlp(1)}
    players = {
        "G": Player(("G", "F"), g_loss),
        "Dx": Player(("Dx",), d_loss("x")),
        "Dy": Player(("Dy",), d_loss("y")),
    }
    pools = {"x": torch.randn(POOL, 3), "y": torch.randn(POOL, 3)}
    return Game(nets, {name: adam(5e-3, beta1=0.5) for name in nets}, players, pools, remember)


def test_pools_hold_the_newest_fakes_first():
    game = cyclegan()
    generators = copy.deepcopy(game.nets)
    fakes = []
    for t, state, _ in train(game, start(game), map(batch, itertools.count()), 5):
        with torch.no_grad():  # the fakes of a turn are those of the weights before it
            fakes.insert(0, generators["G"](batch(3 * t).x))
        generators["G"].load_state_dict(state.weights["G"])
        pool = state.memory["y"]
        assert pool.shape == (POOL, 3)
        expected = torch.cat([*fakes, game.memory["y"]])[:POOL]
        torch.testing.assert_close(pool, expected)


def test_critics_learn_from_the_pool():
    game, b = cyclegan(), batch(0)
    grads, _, _ = gradient(game, "Dx", start(game), b)
    critic = game.nets["Dx"]
    (to(critic(b.x), 1) / 2 + to(critic(game.memory["x"]), 0) / 2).backward()
    for name, weight in critic.named_parameters():
        torch.testing.assert_close(grads["Dx"][name], weight.grad)


def test_there_and_back_again_comes_closer():
    game = cyclegan()
    cycle = [said["G"]["cycle"].item() for _, _, said in train(game, start(game), map(batch, itertools.count()), 150)]
    assert sum(cycle[-10:]) < 0.3 * sum(cycle[:10])
