"""Virtual batch normalisation: a reference batch in memory (Salimans et al. 2016, arXiv:1606.03498, Section 3.4)."""

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core import checkpoint
from zerosum.core.game import Game, Memory, Nets, Player, start
from zerosum.core.optim import adam
from zerosum.core.random import generator
from zerosum.core.train import train

EPS = 1e-5


class Critic(nn.Module):
    """Each sample is normalised by the statistics of the reference batch and itself, and by no other sample's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor, reference: Tensor) -> Tensor:
        h, r = self.first(x), self.first(reference)
        share = 1 / (len(r) + 1)
        mean = share * h + (1 - share) * r.mean(0)
        square = share * h.square() + (1 - share) * r.square().mean(0)
        return self.last(F.relu((h - mean) / (square - mean.square() + EPS).sqrt()))


class Batch(NamedTuple):
    x: Tensor
    z: Tensor


def batch(k: int) -> Batch:
    rng = generator(0, "vbn", 0, k)
    return Batch(torch.randn(8, 3, generator=rng) + 2, torch.randn(8, 2, generator=rng))


def vbn() -> Game:
    def d_loss(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
        real, fake = (n.D(x, m["reference"]) for x in (b.x, n.G(b.z)))
        return {"adv": F.softplus(-real).mean() + F.softplus(fake).mean()}

    def g_loss(n: Nets, b: Batch, m: Memory) -> dict[str, Tensor]:
        return {"adv": F.softplus(-n.D(n.G(b.z), m["reference"])).mean()}

    nets = {"G": nn.Linear(2, 3), "D": Critic()}
    players = {"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)}
    return Game(nets, {n: adam(1e-2) for n in nets}, players, {"reference": batch(10_000).x})


def by_hand(weights: dict[str, Tensor], x: Any, reference: Any) -> Any:
    w = {k: v.double().numpy() for k, v in weights.items()}
    h = np.concatenate([reference, x[None]]).astype(np.float64) @ w["first.weight"].T + w["first.bias"]
    normal = (h[-1] - h.mean(0)) / np.sqrt(h.var(0) + EPS)
    return np.maximum(normal, 0) @ w["last.weight"].T + w["last.bias"]


def test_the_reference_batch_persists_and_is_all_that_samples_are_compared_with(tmp_path: Path):
    game = vbn()
    *_, (_, trained, _) = train(game, start(game), map(batch, itertools.count()), 20)
    checkpoint.save(tmp_path / "state", trained, {})
    state, _ = checkpoint.load(tmp_path / "state", start(game))
    assert torch.equal(state.memory["reference"], batch(10_000).x)
    assert not torch.equal(state.weights["D"]["first.weight"], start(game).weights["D"]["first.weight"])
    x = batch(99).x
    logits = Nets(game, state, None).D(x, state.memory["reference"])
    expected = [by_hand(state.weights["D"], row, state.memory["reference"].numpy()) for row in x.numpy()]
    np.testing.assert_allclose(logits.numpy(), np.stack(expected), rtol=1e-4, atol=1e-5)
