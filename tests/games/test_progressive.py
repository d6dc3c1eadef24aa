"""Progressive growing: phases of games, weights carried by name, fading in (Karras et al. 2018, arXiv:1710.10196)."""

import itertools
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter

from zerosum.core.ema import Average
from zerosum.core.game import Game, Memory, Nets, Player, State, start
from zerosum.core.optim import adam
from zerosum.core.random import generator
from zerosum.core.train import train
from zerosum.runs.phases import carry

FADE = 5  # iterations


class Generator(nn.Module):
    """A base and a block per level; the new block's output fades in over the old one's."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.base = nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (4, 2, 2)), nn.BatchNorm2d(4))
        self.blocks = nn.ModuleDict({f"{i}": nn.Conv2d(4, 4, 3, padding=1) for i in range(level)})
        self.to_rgb = nn.ModuleDict({f"{i}": nn.Conv2d(4, 1, 1) for i in range(level + 1)})

    def forward(self, z: Tensor, alpha: Tensor) -> Tensor:
        h = before = self.base(z)
        for block in self.blocks.values():
            before = F.interpolate(h, scale_factor=2)
            h = F.leaky_relu(block(before), 0.2)
        heads = list(self.to_rgb.values())
        new = heads[-1](h)
        return new if len(heads) == 1 else alpha * new + (1 - alpha) * heads[-2](before)


class Batch(NamedTuple):
    x: Tensor
    z: Tensor


def batches(size: int) -> Any:
    for k in itertools.count():
        rng = generator(0, "progressive", size, k)
        yield Batch(torch.randn(8, 1, size, size, generator=rng), torch.randn(8, 2, generator=rng))


def d_loss(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
    return {"adv": F.softplus(-n.D(b.x)).mean() + F.softplus(n.D(n.G(b.z, m["alpha"]))).mean()}


def g_loss(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
    return {"adv": F.softplus(-n.D(n.G(b.z, m["alpha"]))).mean()}


def phase(level: int) -> Game:
    size = 2 * 2**level
    return Game(
        {"G": Generator(level), "D": nn.Sequential(nn.Flatten(), nn.Linear(size * size, 1))},
        {"G": adam(1e-2), "D": adam(1e-2)},
        {"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
        memory={"alpha": torch.tensor(0.0 if level else 1.0)},
        remember=lambda m, said: {"alpha": (m["alpha"] + 1 / FADE).clamp(max=1)},
        average={"G": Average(0.9)},
    )


def played(game: Game, state: State, size: int, steps: int, **options: Any) -> State:
    *_, (_, end, _) = train(game, state, batches(size), steps, **options)
    return end


def test_a_grown_generator_begins_as_the_old_one():
    small, large = phase(0), phase(1)
    old, fresh = played(small, start(small), 2, 3), start(large)
    new = carry(old, fresh)
    z = torch.randn(5, 2)
    before = Nets(small, old, None).G.frozen(z, old.memory["alpha"])
    after = Nets(large, new, None).G.frozen(z, torch.tensor(0.0))
    assert torch.equal(after, F.interpolate(before, scale_factor=2))
    assert not torch.allclose(Nets(large, new, None).G.frozen(z, torch.tensor(1.0)), after, atol=1e-3)

    assert new.memory["alpha"].item() == 0
    assert new.opt["G"]["t"].item() == 0
    assert torch.equal(new.weights["G"]["blocks.0.weight"], fresh.weights["G"]["blocks.0.weight"])
    assert torch.equal(new.weights["D"]["1.weight"], fresh.weights["D"]["1.weight"]), "another shape: it starts anew"
    assert torch.equal(new.weights["D"]["1.bias"], old.weights["D"]["1.bias"])
    assert new.buffers["G"]["base.2.num_batches_tracked"].item() == 6
    assert not torch.equal(old.average["G"]["base.0.weight"], old.weights["G"]["base.0.weight"])
    assert torch.equal(new.average["G"]["base.0.weight"], old.average["G"]["base.0.weight"])
    assert torch.equal(new.average["G"]["blocks.0.weight"], fresh.weights["G"]["blocks.0.weight"])


def test_carrying_copies():
    small, large = phase(0), phase(1)
    old, fresh = start(small), start(large)
    new = carry(old, fresh)
    for part in (new.weights, new.buffers, new.average):
        for tensors in part.values():
            for tensor in tensors.values():
                tensor.fill_(9)
    assert not any((w == 9).any() for s in (old, fresh) for ws in s.weights.values() for w in ws.values())


def test_averages_begin_at_carried_weights_where_none_was_kept():
    small, large = phase(0), phase(1)
    old = played(small, start(small), 2, 2)._replace(average={})
    new = carry(old, start(large))
    assert torch.equal(new.average["G"]["base.0.weight"], old.weights["G"]["base.0.weight"])


def test_fading_compiles_once():
    torch._dynamo.reset()
    counter, game = CompileCounter(), phase(1)
    game = replace(game, players={"G": game.players["G"]})
    alphas = [s.memory["alpha"].item() for _, s, _ in train(game, start(game), batches(4), FADE + 2, backend=counter)]
    assert alphas == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0])
    assert counter.frame_count == 1
