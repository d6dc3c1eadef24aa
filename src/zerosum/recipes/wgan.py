"""WGAN. Arjovsky et al. 2017, arXiv:1701.07875, Algorithm 1.

``--schedule official`` is that of the authors' code: 100 critic updates before each of the first 25 generator updates
and before every 500th, n_critic otherwise. Departures from the paper: on points, MLPs.
"""

from typing import Literal

import torch
from torch import Tensor

from zerosum.constraints import clip
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import rmsprop
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives import wasserstein
from zerosum.recipe import Batch, Phase, Recipe


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 5e-5,
    c: float = 0.01,
    n_critic: int = 5,
    schedule: Literal["constant", "official"] = "constant",
    batch_size: int = 64,
    steps: int = 100_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ N(0, I).
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        lr: alpha, RMSprop's learning rate, of both players.
        c: every weight of the critic is clipped to [-c, c].
        n_critic: critic updates per generator update.
        schedule: n_critic throughout, as in Algorithm 1, or raised at times as in the authors' code.
        batch_size: m, real samples per update.
        steps: generator updates in all.
    """
    nets = points_pair(data.shape, latent) if data.is_points else dcgan_pair(data.shape, latent, width, kernel)

    def official(t: int) -> int:
        return 100 if t < 25 or t % 500 == 0 else n_critic

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.g(None, n.D(n.G(b.z)))}

    game = Game(
        nets,
        opts={"D": rmsprop(lr), "G": rmsprop(lr)},
        players={
            "D": Player(("D",), d_loss, steps=official if schedule == "official" else n_critic),
            "G": Player(("G",), g_loss),
        },
        project={"D": clip(c)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: normal(n, latent, rng))
