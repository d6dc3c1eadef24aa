"""RaLSGAN. Jolicoeur-Martineau 2018, arXiv:1807.00734: the relativistic average least squares GAN.

L_D = (E (C(x) - E C(G(z)) - 1)^2 + E (C(G(z)) - E C(x) + 1)^2) / 2, and L_G with real and generated exchanged; the
1/2 is the authors' code's.
Both players see real and generated samples. Each turn is a batch of its own, so the generator's real samples are
fresh, as in the authors' code. Departures from the paper: DCGAN networks at every size (the authors use them for
images of 64 pixels and more, and SNGAN's CNN with spectral norm for CIFAR-10); with a penalty the critic has layer
norm in place of batch norm, so that the slope at a sample is its own. On points, MLPs.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives.relativistic import average_least_squares
from zerosum.penalties.gradient import wgan_gp
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """The random variables of one update, of either player."""

    x: Tensor  # real samples
    z: Tensor  # latents, N(0, I)
    eps: Tensor  # U[0, 1] per sample: where the penalty, if any, is taken


def recipe(
    data: Data,
    *,
    latent: int = 128,
    width: int = 128,
    kernel: int = 4,
    lr: float = 2e-4,
    beta1: float = 0.5,
    beta2: float = 0.999,
    n_critic: int = 1,
    penalty_weight: float = 0.0,
    batch_size: int = 32,
    steps: int = 100_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ N(0, I).
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        n_critic: critic updates per generator update.
        penalty_weight: lambda of WGAN-GP's penalty; 10 for RaLSGAN-GP, 0 for none.
        batch_size: real samples per update, and as many generated ones.
        steps: generator updates in all.
    """
    norm = LayerNorm if penalty_weight else BatchNorm
    shape = data.shape
    nets = points_pair(shape, latent) if data.is_points else dcgan_pair(shape, latent, width, kernel, norm=norm)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        terms = {"adv": average_least_squares.d(n.D(b.x), n.D(fake))}
        if penalty_weight:
            terms["gp"] = penalty_weight * wgan_gp(n.D, b.x, fake, b.eps)
        return terms

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": average_least_squares.g(n.D(b.x), n.D(n.G(b.z)))}

    game = Game(
        nets,
        opts={"D": adam(lr, beta1=beta1, beta2=beta2), "G": adam(lr, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(len(x), latent, rng), torch.rand(len(x), generator=rng, device=x.device))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: normal(n, latent, rng))
