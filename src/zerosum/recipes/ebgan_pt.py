"""EBGAN-PT. Zhao et al. 2017, arXiv:1609.03126, Section 2.4: EBGAN with a generator that spreads its samples' codes.

The generator also minimises the pulling-away term. Departures from the paper: the energy is the mean squared error
over pixels, so that the margin, in these units, does not depend on the size of images; networks are DCGAN's, on points
MLPs; margin and learning rate are ours, chosen on clothes (``results/recipes.md``).
"""

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks.autoencoder import ebgan_pair
from zerosum.objectives.energy import energy_based
from zerosum.penalties.pulling_away import pulling_away
from zerosum.recipe import Batch, Phase, Recipe


def recipe(
    data: Data,
    *,
    margin: float = 0.2,
    pt_weight: float = 0.1,
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
        pt_weight: of the pulling-away term in the generator's loss.
        code: numbers in a code, between encoder and decoder: what the pulling-away term compares.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the last hidden layer of generator and decoder and of the first of the encoder; unused on
            points.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: real samples per update, at least 2.
        steps: generator updates in all.
    """
    objective = energy_based(margin)
    if batch_size < 2:
        raise ValueError(f"batch_size={batch_size}: the pulling-away term compares samples of a batch, at least 2")

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real = n.D(b.x)
        n.note(real=real.mean())
        return {"energy": objective.d(real, n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        energies, codes = n.D(n.G(b.z), with_codes=True)
        return {"energy": objective.g(None, energies), "pt": pt_weight * pulling_away(codes)}

    game = Game(
        ebgan_pair(data.shape, latent, width, kernel, code),
        opts={"D": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
