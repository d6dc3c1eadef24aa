"""DCGAN. Radford et al. 2016, arXiv:1511.06434, with the non-saturating objective of Goodfellow et al. 2014.

Defaults are the authors' layout (5x5 kernels, 128 channels at the image end); ``--kernel 4 --width 64`` is the
layout of most PyTorch ports, with a fifth of the parameters. Departures from the paper: none on images of 64
pixels, where the authors' code has the same networks; at other sizes, layers of stride 2 are added or left out. The
L2 penalty of 1e-5 of that code, which the paper does not mention, is left out. On points, MLPs.
"""

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives import non_saturating
from zerosum.recipe import Batch, Phase, Recipe


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 128,
    kernel: int = 5,
    lr: float = 2e-4,
    beta1: float = 0.5,
    beta2: float = 0.999,
    decay_after: int | None = None,
    batch_size: int = 128,
    steps: int = 50_000,
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
        decay_after: from this update on, lr falls in a straight line to 0 at the last. None: it stays, as published.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    nets = points_pair(data.shape, latent) if data.is_points else dcgan_pair(data.shape, latent, width, kernel)
    rate = lr if decay_after is None else linear_decay(lr, decay_after, steps)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    game = Game(
        nets,
        opts={"D": adam(rate, beta1=beta1, beta2=beta2), "G": adam(rate, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
