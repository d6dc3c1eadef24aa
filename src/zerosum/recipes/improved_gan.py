"""Improved GAN. Salimans et al. 2016, arXiv:1606.03498, Section 3: five ways to steady the game, without labels.

One-sided label smoothing, minibatch discrimination, feature matching, historical averaging and virtual batch norm. The
paper gives no strength for historical averaging, which is off unless asked for. Departures from the authors' code:
DCGAN's networks, the critic with weight norm from He's initial weights and no dropout; one generator update per critic
update, where its CIFAR-10 script with minibatch discrimination makes three; the generator has plain batch norm unless a
``reference`` is asked for, as in its CIFAR-10 scripts. On points, MLPs.
"""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.core.random import generator as random
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks import dcgan
from zerosum.networks.common import he_normal
from zerosum.networks.layers.virtual_batch_norm import Referenced, VirtualBatchNorm
from zerosum.networks.minibatch_critic import MinibatchCritic, Open
from zerosum.networks.pairs import points_pair
from zerosum.objectives.smoothed import smoothed
from zerosum.penalties.matching import feature_matching, historical
from zerosum.recipe import Batch, Phase, Recipe


def recipe(
    data: Data,
    *,
    generator: Literal["non-saturating", "feature-matching"] = "non-saturating",
    smoothing: float = 0.1,
    kernels: int = 100,
    dims: int = 5,
    averaging: float = 0.0,
    reference: int = 0,
    latent: int = 100,
    width: int = 64,
    kernel: int = 5,
    lr: float = 3e-4,
    beta1: float = 0.5,
    batch_size: int = 100,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        generator: what it minimises: -log D(G(z)), or the distance between mean features of real and of its samples.
        smoothing: how far the critic's target for real samples is below 1.
        kernels: of minibatch discrimination; 0: without it.
        dims: of the space in which each kernel compares samples.
        averaging: strength of historical averaging, of both players; 0: without it.
        reference: samples in the reference batch of the generator's virtual batch norm; 0: plain batch norm.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    objective = smoothed(smoothing)
    nets = networks(data.shape, latent, width, kernel, reference)
    if kernels:
        nets["D"] = MinibatchCritic(nets["D"], kernels, dims, wrap=weight_norm)
    nets["D"] = Open(nets["D"])
    opt = historical(adam(lr, beta1=beta1), averaging) if averaging else adam(lr, beta1=beta1)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.d(n.D(b.x).logits, n.D(n.G(b.z)).logits)}

    def fooling(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.g(None, n.D(n.G(b.z)).logits)}

    def matching(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"match": feature_matching(n.D(b.x).features, n.D(n.G(b.z)).features)}

    g_loss = {"non-saturating": fooling, "feature-matching": matching}[generator]
    players = {"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)}
    game = Game(nets, opts={"D": opt, "G": opt}, players=players)

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))


def networks(shape: tuple[int, ...], latent: int, width: int, kernel: int, reference: int) -> dict[str, nn.Module]:
    """A generator, and a critic without batch norm, which would hide from it how mean features differ."""
    if len(shape) == 1:
        if reference:
            raise ValueError("virtual batch norm needs images; on points the generator has no batch norm: reference=0")
        return points_pair(shape, latent)
    channels, size, _ = shape
    critic = dcgan.Critic(width, size, channels, kernel, norm=nn.Identity, wrap=weight_norm, bias=True, init=he_normal)
    if not reference:
        return {"G": dcgan.Generator(latent, width, size, channels, kernel), "D": critic}
    norm = partial(VirtualBatchNorm, reference=reference)
    net = dcgan.Generator(latent, width, size, channels, kernel, norm=norm)
    return {"G": Referenced(net, uniform(reference, latent, random("reference"))), "D": critic}
