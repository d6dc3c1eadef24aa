"""SNGAN. Miyato et al. 2018, arXiv:1802.05957, Algorithm 1, with the hinge objective (Eq. 16-17) and residual
networks.

As in the authors' code, the generator's batch is twice the critic's, and the learning rate decays linearly to 0.
Departures from the paper: the critic moves before the generator in each iteration (the code starts with the
generator); residual networks exist for 32, 48, 64 and 128 pixels. On points, MLPs with the same normalisation.
"""

import torch
from torch import Tensor, nn

from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.networks import resnet
from zerosum.networks.pairs import points_pair
from zerosum.objectives import hinge
from zerosum.recipe import Batch, Phase, Recipe


def recipe(
    data: Data,
    *,
    latent: int = 128,
    g_width: int | None = None,
    d_width: int | None = None,
    lr: float = 2e-4,
    beta1: float = 0.0,
    beta2: float = 0.9,
    n_critic: int = 5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ N(0, I).
        g_width: the generator's unit of channels. None: 256 at 32 pixels, 64 at other sizes, 512 on points.
        d_width: the critic's unit of channels. None: 128 at 32 pixels, 64 at other sizes; on points, as g_width.
        lr: alpha, Adam's learning rate at the start, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        n_critic: n_dis, critic updates per generator update.
        batch_size: real samples per critic update; the generator's batch is twice that.
        steps: generator updates in all.
    """
    nets = networks(data.shape, latent, g_width, d_width)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.d(n.D(b.x), n.D(n.G(b.z[: len(b.x)])))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.g(None, n.D(n.G(b.z)))}

    d_rate, g_rate = linear_decay(lr, 0, n_critic * steps), linear_decay(lr, 0, steps)
    game = Game(
        nets,
        opts={"D": adam(d_rate, beta1=beta1, beta2=beta2), "G": adam(g_rate, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
        project={"D": power_iteration(nets["D"])},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(2 * len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: normal(n, latent, rng))


def networks(shape: tuple[int, ...], latent: int, g_width: int | None, d_width: int | None) -> dict[str, nn.Module]:
    """The paper's networks for this shape of data; spectral norm on every layer of the critic."""
    if len(shape) == 1:
        return points_pair(shape, latent, 512 if g_width is None else g_width, wrap=spectral_norm)
    channels, size, _ = shape
    return {
        "G": resnet.Generator(latent, g_width, size, channels),
        "D": resnet.Critic(d_width, size, channels, wrap=spectral_norm, head_bias=False),
    }
