"""WGAN-div. Wu et al. 2018, arXiv:1712.01026, with k = 2 and p = 6, which the paper finds best.

L_D = E D(G(z)) - E D(x) + k E |grad D(x^)|^p and L_G = -E D(G(z)), x^ between real and generated samples. The critic's
loss at its best is minus the Wasserstein divergence, without any Lipschitz constraint. At 32 and 64 pixels, WGAN-GP's
residual networks (the authors' code has the latter); at other sizes DCGAN's, with layer norm in the critic. Adam's
settings and n_critic are those of the authors' code. Departures: that code has k = 10, and a critic of opposite sign,
which is the same game. On points, MLPs.
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
from zerosum.penalties.gradient import wgan_div
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """The random variables of one update."""

    x: Tensor  # real samples
    z: Tensor  # latents, N(0, I)
    eps: Tensor  # U[0, 1] per sample


def recipe(
    data: Data,
    *,
    latent: int = 128,
    width: int | None = None,
    lr: float = 2e-4,
    beta1: float = 0.0,
    beta2: float = 0.9,
    n_critic: int = 4,
    k: float = 2.0,
    p: float = 6.0,
    batch_size: int = 64,
    steps: int = 200_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ N(0, I).
        width: channels of the networks. None: 128 at 32 pixels, 64 at other sizes, 512 on points.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        n_critic: critic updates per generator update.
        k: weight of the penalty.
        p: power of the slope, above 1.
        batch_size: m, real samples per update.
        steps: generator updates in all.
    """
    if k <= 0 or p <= 1:
        raise ValueError(f"k={k}, p={p}: the Wasserstein divergence needs k > 0 and p > 1 (the paper: 2 and 6)")

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        return {"w": wasserstein.d(n.D(b.x), n.D(fake)), "gp": k * wgan_div(n.D, b.x, fake, b.eps, power=p)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.g(None, n.D(n.G(b.z)))}

    game = Game(
        wgan_gp_pair(data.shape, latent, width),
        opts={"D": adam(lr, beta1=beta1, beta2=beta2), "G": adam(lr, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(len(x), latent, rng), torch.rand(len(x), generator=rng, device=x.device))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: normal(n, latent, rng))
