"""A GAN of two small networks, for tests of the engine, and its step as it is written by hand."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.game import Game, Nets, Player
from zerosum.core.optim import sgd


class Batch(NamedTuple):
    x: Tensor
    z: Tensor


def batch(size: int = 8) -> Batch:
    return Batch(torch.randn(size, 3) + 1, torch.randn(size, 2))


def networks(norm: Any = None) -> dict[str, nn.Module]:
    def mlp(a: int, b: int) -> nn.Module:
        return nn.Sequential(nn.Linear(a, 5), *[norm(5)] if norm else [], nn.Tanh(), nn.Linear(5, b))

    return {"G": mlp(2, 3), "D": mlp(3, 1)}


def d_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    return {"real": F.softplus(-n.D(b.x)).mean(), "fake": F.softplus(n.D(n.G(b.z))).mean()}


def g_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    return {"adv": F.softplus(-n.D(n.G(b.z))).mean()}


def gan(nets: dict[str, nn.Module], d: Any = d_loss, g: Any = g_loss, **options: Any) -> Game:
    players = {"D": Player(("D",), d), "G": Player(("G",), g)}
    return Game(nets, {name: sgd(0.1) for name in nets}, players, **options)


def by_hand(nets: dict[str, nn.Module], b: Batch, who: str) -> Tensor:
    """The step of ``who`` as GANs are usually written: stateful modules and ``backward``."""
    zeros, ones = torch.zeros(len(b.x), 1), torch.ones(len(b.x), 1)
    bce = F.binary_cross_entropy_with_logits
    if who == "D":
        loss = bce(nets["D"](b.x), ones) + bce(nets["D"](nets["G"](b.z).detach()), zeros)
    else:
        loss = bce(nets["D"](nets["G"](b.z)), ones)
    for net in nets.values():
        net.zero_grad()
    loss.backward()
    return loss.detach()


def differs(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return any(not torch.equal(a[k], b[k]) for k in a)
