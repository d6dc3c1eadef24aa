"""Loss-sensitive GAN and its generalisation (LS-GAN, GLS-GAN). Qi 2017, arXiv:1701.06264, its two losses.

The critic L is a loss, large for generated samples. Defaults are the author's code (github.com/guojunq/glsgan: DCGAN's
networks with batch norm and a linear output, clipped weights, gamma = 0), with nu = 0, its LS-GAN. Departures from the
paper: the scale of the margin is for 3x64x64 numbers in [-1, 1], and for data of N numbers it is multiplied by
12288 / N, so that the same mean difference makes the same margin; weight decay, when asked for, is Adam's decoupled
one; the generator's turn draws new samples, where the code takes those of the critic's. On points, MLPs.
"""

import math

import torch
from torch import Tensor

from zerosum.constraints import clip
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adamw
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives.loss_sensitive import check_slope, critic_loss, distance_margin, generator_loss
from zerosum.recipe import Batch, Phase, Recipe

PUBLISHED = 3 * 64 * 64  # numbers in one sample of the author's code


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    nu: float = 0.0,
    tau: float = 0.0002,
    weight: float = 1.0,
    real_weight: float = 0.0,
    c: float | None = 0.08,
    weight_decay: float = 0.0,
    lr: float = 2e-4,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        nu: slope of the cost below 0, at most 1: 0 is LS-GAN, 1 is WGAN, -1 is the absolute value.
        tau: scale of the margin tau |x - G(z)|_1 for samples of 3x64x64 numbers, rescaled for others.
        weight: lambda, of the pairs' cost.
        real_weight: gamma, of E L(x); 1 in the paper's equation.
        c: every weight of the critic is clipped to [-c, c]. None: not clipped.
        weight_decay: of both networks.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: pairs per update.
        steps: generator updates in all.
    """
    nets = points_pair(data.shape, latent) if data.is_points else dcgan_pair(data.shape, latent, width, kernel)
    scale = tau * PUBLISHED / math.prod(data.shape)
    check_slope(nu)
    if not tau >= 0:
        raise ValueError(f"tau={tau}: a margin cannot be negative; 0 is no margin, the published scale is 0.0002")

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        margin = distance_margin(b.x, fake, scale)
        n.note(margin=margin.mean())
        return {"adv": critic_loss(n.D(b.x), n.D(fake), margin, weight=weight, nu=nu, real_weight=real_weight)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": generator_loss(None, n.D(n.G(b.z)))}

    optimizer = adamw(lr, beta1=beta1, weight_decay=weight_decay)
    game = Game(
        nets,
        opts={"D": optimizer, "G": optimizer},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
        project={} if c is None else {"D": clip(c)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
