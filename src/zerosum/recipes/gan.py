"""GAN. Goodfellow et al. 2014, arXiv:1406.2661, Algorithm 1, with the minimax objective of Eq. 1.

Departures from the paper: Adam instead of SGD with momentum; no dropout in the discriminator; tanh output on images
in [-1, 1] instead of a sigmoid. The paper does not print its layer sizes: ours are 1200-1200 ReLU against 240-240
maxout. On points, three hidden layers on both sides.
"""

import torch
from torch import Tensor, nn

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks import mlp
from zerosum.networks.layers import Maxout
from zerosum.networks.pairs import points_pair
from zerosum.objectives import minimax
from zerosum.recipe import Batch, Phase, Recipe


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 128,
    lr: float = 2e-4,
    beta1: float = 0.5,
    k: int = 1,
    batch_size: int = 100,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ U[-1, 1].
        width: units of each hidden layer on points; unused on images.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        k: discriminator updates per generator update.
        batch_size: m, real samples per update.
        steps: generator updates in all.
    """
    nets = points_pair(data.shape, latent, width) if data.is_points else image_nets(data.shape, latent)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": minimax.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": minimax.g(None, n.D(n.G(b.z)))}

    game = Game(
        nets,
        opts={"D": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"D": Player(("D",), d_loss, steps=k), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))


def image_nets(shape: tuple[int, ...], latent: int) -> dict[str, nn.Module]:
    """A rectifier generator and a maxout discriminator, as in the paper's experiments on digits."""
    return {
        "G": mlp.Generator(latent, (1200, 1200), shape, output=torch.tanh),
        "D": mlp.Critic(shape, (240, 240), layer=Maxout, activation=nn.Identity()),
    }
