"""VAE. Kingma and Welling 2014, arXiv:1312.6114, Eq. 10, with one latent per sample.

Departures from the paper: networks and Adam's settings are those of the baseline of Lucic et al. 2018,
arXiv:1711.10337. Departures from the study's code: the reconstruction error is the sum over all pixels and channels,
as in the bound (the code takes the mean over channels: a third for RGB); it is computed from logits, where the code
clips probabilities. A sample is the mean of p(x|z). On points, MLPs and a Gaussian p(x|z).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.networks.autoencoder import vae_pair
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """The random variables of Eq. 10."""

    x: Tensor  # real samples
    eps: Tensor  # N(0, I) per sample


def recipe(
    data: Data,
    *,
    latent: int | None = None,
    width: int = 64,
    deviation: float | None = None,
    lr: float = 5e-5,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ N(0, I). None: 64, or 2 on points.
        width: channels of the decoder's last hidden layer and of the encoder's first; unused on points.
        deviation: of p(x|z) on points; None: learned. Unused on images, whose pixels are probabilities.
        lr: Adam's learning rate.
        beta1: Adam's momentum.
        batch_size: samples per update.
        steps: updates in all.
    """
    latent = (2 if data.is_points else 64) if latent is None else latent

    def loss(n: Nets, b: Batch, m: Memory) -> Terms:
        mu, sigma = n.E(b.x)
        z = mu + sigma * b.eps
        return {"reconstruction": -n.G(z, b.x).mean(), "kl": divergence(mu, sigma).mean()}

    game = Game(
        vae_pair(data.shape, latent, width, deviation),
        opts={"E": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"VAE": Player(("E", "G"), loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: normal(n, latent, rng))


def divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """Appendix B, Kingma and Welling 2014 (arXiv:1312.6114): KL(N(mean, diag(deviation^2)) || N(0, I)), (B, n) -> (B,).

    It is the sum of (mean^2 + deviation^2 - 1) / 2 - log deviation, at least 0.
    """
    return ((mean.square() + deviation.square() - 1) / 2 - deviation.log()).sum(1)
