"""LSGAN. Mao et al. 2017, arXiv:1611.04076, Eq. 2, with a = 0, b = c = 1 (Eq. 9).

Departures from the paper: DCGAN networks and optimizer settings instead of its own generator for 112x112 images. On
points, MLPs.
"""

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives import least_squares
from zerosum.recipe import Batch, Phase, Recipe


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 128,
    kernel: int = 5,
    a: float = 0.0,
    b: float = 1.0,
    c: float = 1.0,
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
        a: what the critic should say of generated samples.
        b: what the critic should say of real samples.
        c: what the generator wants it to say of generated samples.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    nets = points_pair(data.shape, latent) if data.is_points else dcgan_pair(data.shape, latent, width, kernel)
    objective = least_squares(a, b, c)

    def d_loss(n: Nets, s: Batch, m: Memory) -> Terms:
        return {"adv": objective.d(n.D(s.x), n.D(n.G(s.z)))}

    def g_loss(n: Nets, s: Batch, m: Memory) -> Terms:
        return {"adv": objective.g(None, n.D(n.G(s.z)))}

    game = Game(
        nets,
        opts={"D": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
