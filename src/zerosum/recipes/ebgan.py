"""EBGAN. Zhao et al. 2017, arXiv:1609.03126, Section 2: the critic is an autoencoder, its output an energy.

Departures from the paper: the energy is the mean squared error over pixels, so that the margin, in these units, does
not depend on the size of images; networks are DCGAN's, on points MLPs; margin and learning rate are ours, chosen on
clothes (``results/recipes.md``). ``ebgan-pt`` adds the pulling-away term.
"""

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks.autoencoder import ebgan_pair
from zerosum.objectives.energy import energy_based
from zerosum.recipe import Batch, Phase, Recipe


def recipe(
    data: Data,
    *,
    margin: float = 0.2,
    code: int = 32,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 1e-3,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        margin: m, the energy up to which that of generated samples is raised: a squared error per pixel, of images in
            [-1, 1].
        code: numbers in a code, between encoder and decoder.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the last hidden layer of generator and decoder and of the first of the encoder; unused on
            points.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    objective = energy_based(margin)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real = n.D(b.x)
        n.note(real=real.mean())
        return {"energy": objective.d(real, n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"energy": objective.g(None, n.D(n.G(b.z)))}

    game = Game(
        ebgan_pair(data.shape, latent, width, kernel, code),
        opts={"D": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
