"""Stacked GAN: a pair of players per level, then all levels together (Huang et al. 2017, arXiv:1612.04357)."""

import itertools
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.game import Game, Nets, Player, start
from zerosum.core.optim import adam
from zerosum.core.random import generator
from zerosum.core.train import train
from zerosum.runs.phases import carry

LEVELS, SIZE = 3, 16


class Batch(NamedTuple):
    h: tuple[Tensor, ...]  # the data, and its features level by level
    z: tuple[Tensor, ...]


def encoders() -> dict[str, nn.Module]:
    """Level i turns features i into features i + 1; nobody owns them."""
    nets = {f"E{i}": nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh()) for i in range(LEVELS)}
    for net in nets.values():
        nn.init.orthogonal_(net[0].weight, gain=2)  # features that differ from sample to sample
    return nets


def batches(fixed: dict[str, nn.Module]) -> Any:
    for k in itertools.count():
        rng = generator(0, "stacked", 0, k)
        h = [torch.randn(SIZE, 4, generator=rng)]
        with torch.no_grad():
            for encoder in fixed.values():
                h.append(encoder(h[-1]))
        yield Batch(tuple(h), tuple(torch.randn(SIZE, 2, generator=rng) for _ in range(LEVELS)))


def decode(n: Nets, i: int, above: Tensor, z: Tensor) -> Tensor:
    return getattr(n, f"G{i}")(torch.cat([above, z], 1))


def level(i: int, *, joint: bool) -> dict[str, Player]:
    """Critic and generator of a level; jointly, a generator is fed what the one above it made."""

    def made(n: Nets, b: Batch) -> tuple[Tensor, Tensor]:
        above = b.h[LEVELS]
        for j in reversed(range(i + 1, LEVELS)):
            above = decode(n, j, above, b.z[j])
        above = above if joint else b.h[i + 1]
        return above, decode(n, i, above, b.z[i])

    def d_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        critic = getattr(n, f"D{i}")
        return {"adv": F.softplus(-critic(b.h[i])).mean() + F.softplus(critic(made(n, b)[1])).mean()}

    def g_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
        above, fake = made(n, b)
        return {
            "adv": F.softplus(-getattr(n, f"D{i}")(fake)).mean(),
            "conditional": 5 * (getattr(n, f"E{i}")(fake) - above).square().mean(),
            "entropy": (getattr(n, f"Q{i}")(fake) - b.z[i]).square().mean(),
        }

    return {f"D{i}": Player((f"D{i}",), d_loss), f"G{i}": Player((f"G{i}", f"Q{i}"), g_loss)}


def stacked(*, joint: bool, fixed: dict[str, nn.Module]) -> Game:
    moving: dict[str, nn.Module] = {}
    for i in range(LEVELS):
        moving[f"G{i}"] = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))
        moving[f"D{i}"] = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
        moving[f"Q{i}"] = nn.Linear(4, 2)
    players = {who: p for i in reversed(range(LEVELS)) for who, p in level(i, joint=joint).items()}
    return Game(moving | fixed, {name: adam(1e-2, beta1=0.5) for name in moving}, players)


def test_levels_are_trained_one_by_one_and_then_together():
    fixed = encoders()
    game = stacked(joint=False, fixed=fixed)
    history = list(train(game, start(game), batches(fixed), 60))
    (_, _, first), (_, state, last) = history[0], history[-1]
    assert list(last) == ["D2", "G2", "D1", "G1", "D0", "G0"]
    for i in range(LEVELS):
        conditional = [said[f"G{i}"]["conditional"] for said in (first, last)]
        assert conditional[1] < 0.3 * conditional[0], f"level {i}"
        for key, weight in fixed[f"E{i}"].named_parameters():
            assert torch.equal(state.weights[f"E{i}"][key], weight), "a network that nobody owns has moved"

    together = stacked(joint=True, fixed=fixed)
    carried = carry(state, start(together))
    assert all(torch.equal(w, carried.weights[n][k]) for n, ws in state.weights.items() for k, w in ws.items())
    assert carried.opt["G0"]["t"].item() == 0
    _, end, said = next(train(together, carried, batches(fixed), 1))
    # On level 2 nothing differs: it is fed the data's features either way. Level 0 is now fed made ones.
    _, alone, apart = next(train(game, carried, batches(fixed), 1))
    torch.testing.assert_close(said["G2"]["conditional"], apart["G2"]["conditional"])
    assert abs(said["G0"]["conditional"] - apart["G0"]["conditional"]) > 1e-3
    assert said["G0"]["conditional"] < 0.5 * first["G0"]["conditional"], (
        "what was learnt alone is worth nothing together"
    )
    assert torch.equal(end.weights["G2"]["0.weight"], alone.weights["G2"]["0.weight"])
