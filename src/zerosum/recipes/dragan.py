"""DRAGAN. Kodali et al. 2017, arXiv:1705.07215, Algorithm 1.

Departures from the paper: the perturbation is that of the authors' code, alpha 0.5 std(X) U[0, 1), which is one-
sided; the paper's text has Gaussian noise. On points, MLPs.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives import non_saturating
from zerosum.penalties.gradient import dragan
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """The random variables of Algorithm 1."""

    x: Tensor  # real samples
    z: Tensor  # latents, U[-1, 1]
    noise: Tensor  # U[0, 1) of x's shape
    alpha: Tensor  # U[0, 1] per sample


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 1e-4,
    beta1: float = 0.5,
    beta2: float = 0.9,
    penalty_weight: float = 10.0,
    slope: float = 1.0,
    batch_size: int = 64,
    steps: int = 100_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        penalty_weight: lambda.
        slope: k, the slope that the critic should have around real samples.
        batch_size: m, real samples per update.
        steps: generator updates in all.
    """
    nets = points_pair(data.shape, latent) if data.is_points else dcgan_pair(data.shape, latent, width, kernel)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {
            "adv": non_saturating.d(n.D(b.x), n.D(n.G(b.z))),
            "gp": penalty_weight * dragan(n.D, b.x, b.noise, b.alpha, target=slope),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    game = Game(
        nets,
        opts={"D": adam(lr, beta1=beta1, beta2=beta2), "G": adam(lr, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        noise = torch.rand(x.shape, generator=rng, device=x.device)
        alpha = torch.rand(len(x), generator=rng, device=x.device)
        return Batch(x, uniform(len(x), latent, rng), noise, alpha)

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
