"""InfoGAN: two players own parts of what the critic's trunk feeds (Chen et al. 2016, arXiv:1606.03657)."""

import itertools
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.game import Game, Nets, Player, play, start
from zerosum.core.optim import adam
from zerosum.core.random import generator
from zerosum.core.train import train

CODES = 3


class Batch(NamedTuple):
    x: Tensor
    z: Tensor
    c: Tensor


def batch(k: int, size: int = 32) -> Batch:
    """Three round clusters; codes to tell them apart by."""
    rng = generator(0, "info", 0, k)
    angle = torch.randint(CODES, (size,), generator=rng) * 2 * torch.pi / CODES
    centre = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    x = centre + 0.1 * torch.randn(size, 2, generator=rng)
    return Batch(x, torch.randn(size, 2, generator=rng), torch.randint(CODES, (size,), generator=rng))


def make(n: Nets, b: Batch) -> Tensor:
    return n.G(torch.cat([b.z, F.one_hot(b.c, CODES)], 1))


def d_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    real, fake = (n.D(n.trunk(x)) for x in (b.x, make(n, b)))
    return {"adv": F.softplus(-real).mean() + F.softplus(fake).mean()}


def g_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    h = n.trunk(make(n, b))
    return {"adv": F.softplus(-n.D(h)).mean(), "info": F.cross_entropy(n.Q(h), b.c)}


def infogan() -> Game:
    nets = {
        "G": nn.Sequential(nn.Linear(2 + CODES, 16), nn.ReLU(), nn.Linear(16, 2)),
        "trunk": nn.Sequential(nn.Linear(2, 16), nn.ReLU()),
        "D": nn.Linear(16, 1),
        "Q": nn.Linear(16, CODES),
    }
    players = {"D": Player(("D", "trunk"), d_loss), "G": Player(("G", "Q"), g_loss)}
    return Game(nets, {name: adam(1e-2, beta1=0.5) for name in nets}, players)


def test_who_moves_what_is_what_was_declared():
    game = infogan()
    state = start(game)
    for who, player in game.players.items():
        after, _ = play(game, who, state, batch(0))
        moved = {n for n in game.nets if any((after.weights[n][k] != w).any() for k, w in state.weights[n].items())}
        assert moved == set(player.owns)


def test_codes_can_be_recovered_from_samples():
    game = infogan()
    *_, (_, state, said) = train(game, start(game), map(batch, itertools.count()), 200)
    test = batch(10_000, 300)
    n = Nets(game, state, test)
    samples = make(n, test)
    found = n.Q(n.trunk(samples)).argmax(1)
    assert (found == test.c).float().mean() > 0.95
    # And without asking Q: the samples of a code lie together.
    centres = torch.stack([samples[test.c == c].mean(0) for c in range(CODES)])
    nearest = torch.cdist(samples, centres).argmin(1)
    assert (nearest == test.c).float().mean() > 0.95
    assert said["G"]["info"] < 0.2
