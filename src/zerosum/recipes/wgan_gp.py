"""WGAN-GP. Gulrajani et al. 2017, arXiv:1704.00028, Algorithm 1.

At 32 and 64 pixels, the residual networks of the authors' code; at other sizes DCGAN's, with layer norm in the
critic. Departures from the paper: on images of 32 pixels the authors' code uses a learning rate of 2e-4 that decays
linearly to 0, and twice the batch for the generator; here Algorithm 1's settings hold throughout. On points the
defaults are those of the authors' toy experiment (penalty_weight 0.1, beta1 0.5, batch_size 256), by the arguments
that are left at None.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.networks.pairs import wgan_gp_pair
from zerosum.objectives import wasserstein
from zerosum.penalties.gradient import wgan_gp
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """The random variables of Algorithm 1."""

    x: Tensor  # real samples
    z: Tensor  # latents, N(0, I)
    eps: Tensor  # U[0, 1] per sample


def recipe(
    data: Data,
    *,
    latent: int | None = None,
    width: int | None = None,
    lr: float = 1e-4,
    beta1: float | None = None,
    beta2: float = 0.9,
    n_critic: int = 5,
    penalty_weight: float | None = None,
    batch_size: int | None = None,
    steps: int = 100_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ N(0, I). None: 128, or 2 on points.
        width: channels of the networks. None: 128 at 32 pixels, 64 at other sizes, 512 on points.
        lr: alpha, Adam's learning rate, of both players.
        beta1: Adam's momentum. None: 0, or 0.5 on points.
        beta2: Adam's decay of squares.
        n_critic: critic updates per generator update.
        penalty_weight: lambda. None: 10, or 0.1 on points.
        batch_size: m, real samples per update. None: 64, or 256 on points.
        steps: generator updates in all.
    """
    toy = data.is_points
    latent = (2 if toy else 128) if latent is None else latent
    beta1 = (0.5 if toy else 0.0) if beta1 is None else beta1
    weight = (0.1 if toy else 10.0) if penalty_weight is None else penalty_weight

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        return {
            "w": wasserstein.d(n.D(b.x), n.D(fake)),
            "gp": weight * wgan_gp(n.D, b.x, fake, b.eps),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.g(None, n.D(n.G(b.z)))}

    game = Game(
        wgan_gp_pair(data.shape, latent, width),
        opts={"D": adam(lr, beta1=beta1, beta2=beta2), "G": adam(lr, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(len(x), latent, rng), torch.rand(len(x), generator=rng, device=x.device))

    size = (256 if toy else 64) if batch_size is None else batch_size
    return Recipe((Phase(game, steps),), size, draw, prior=lambda n, rng: normal(n, latent, rng))
