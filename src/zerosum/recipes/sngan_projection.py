"""SNGAN with projection. Miyato and Koyama 2018, arXiv:1802.05637, Eq. 3 and Figure 1d: labels in the networks of SNGAN
(Miyato et al. 2018, arXiv:1802.05957, Algorithm 1), with the hinge objective.

The label chooses gain and bias of the generator's batch normalisation, and in the critic the direction in which
features count. Departures from the paper: the critic moves before the generator in each iteration (the authors' code
starts with the generator).
"""

from functools import partial

from torch import nn

from zerosum.conditioning import projection
from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.networks import resnet
from zerosum.networks.common import glorot_uniform
from zerosum.networks.layers import BatchNorm
from zerosum.objectives import hinge
from zerosum.parts.classes import drawing
from zerosum.recipe import ClassBatch, Phase, Recipe, labelled_images


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
        data: what to learn; it must have labels, and 32, 48, 64 or 128 pixels a side.
        latent: dimension of z ~ N(0, I).
        g_width: the generator's unit of channels. None: 256 at 32 pixels, 64 at other sizes.
        d_width: the critic's unit of channels. None: 128 at 32 pixels, 64 at other sizes.
        lr: alpha, Adam's learning rate at the start, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        n_critic: n_dis, critic updates per generator update.
        batch_size: real samples per critic update; the generator's batch is twice that.
        steps: generator updates in all.
    """
    channels, size, classes = labelled_images(data, instead="sngan")
    nets = networks(size, channels, classes, latent=latent, g_width=g_width, d_width=d_width)

    def d_loss(n: Nets, b: ClassBatch, m: Memory) -> Terms:
        z, c = b.z[: len(b.x)], b.c[: len(b.x)]
        return {"hinge": hinge.d(n.D(b.x, b.y), n.D(n.G(z, c), c))}

    def g_loss(n: Nets, b: ClassBatch, m: Memory) -> Terms:
        return {"hinge": hinge.g(None, n.D(n.G(b.z, b.c), b.c))}

    d_rate, g_rate = linear_decay(lr, 0, n_critic * steps), linear_decay(lr, 0, steps)
    game = Game(
        nets,
        opts={"D": adam(d_rate, beta1=beta1, beta2=beta2), "G": adam(g_rate, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
        project={"D": power_iteration(nets["D"])},
    )

    return Recipe((Phase(game, steps),), batch_size, *drawing(latent, classes, times=2))


def networks(
    size: int, channels: int, classes: int, *, latent: int = 128, g_width: int | None = None, d_width: int | None = None
) -> dict[str, nn.Module]:
    """SNGAN's residual networks for this many classes."""
    norm = partial(ClassBatchNorm, classes=classes)
    critic = resnet.Critic(d_width, size, channels, wrap=spectral_norm, head_bias=False)
    return {
        "G": resnet.Generator(latent, g_width, size, channels, norm=norm, last_norm=BatchNorm),
        "D": projection.Critic(critic, classes, wrap=spectral_norm, init=glorot_uniform),
    }
