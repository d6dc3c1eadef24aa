"""SNGAN with projection. Miyato and Koyama 2018, arXiv:1802.05637, Eq. 3 and Figure 1d: labels in the networks of SNGAN
(Miyato et al. 2018, arXiv:1802.05957, Algorithm 1), with the hinge objective.

The label chooses gain and bias of the generator's batch normalisation, and in the critic the direction in which
features count. Departures from the paper: the critic moves before the generator in each iteration (the authors' code
starts with the generator).
"""

from functools import partial

from zerosum.conditioning import projection
from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.latent.priors import each, labels, normal
from zerosum.networks import resnet
from zerosum.networks.common import glorot_uniform
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import Pair
from zerosum.objectives import hinge
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, labelled_shape, two_player

ABOUT = About("Miyato and Koyama", 2018, "1802.05637", objective="hinge", penalty="spectral-norm")


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
    """Play SNGAN's game with labels: samples of a class are judged by a direction that the critic has for it.

    Args:
        g_width: Unit of channels of the generator. None: 256 at 32 pixels, 64 at other sizes.
        d_width: Unit of channels of the critic. None: 128 at 32 pixels, 64 at other sizes.
        lr: Learning rate of both players at the start: alpha.
        n_critic: Critic updates per generator update: n_dis.
        batch_size: Real samples per update of the critic; the generator's batch is twice that.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        z, c = b.z[: len(b.x)], b.c[: len(b.x)]
        return {"hinge": hinge.d(n.D(b.x, b.y), n.D(n.G(z, c), c))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.g(None, n.D(n.G(b.z, b.c), b.c))}

    channels, size, classes = labelled_shape(data, instead="sngan")
    g, d = networks(size, channels, classes, latent=latent, g_width=g_width, d_width=d_width)
    d_rate, g_rate = linear_decay(lr, 0, n_critic * steps), linear_decay(lr, 0, steps)
    return two_player(
        g,
        d,
        d_loss,
        g_loss,
        d_opt=adam(d_rate, beta1=beta1, beta2=beta2),
        g_opt=adam(g_rate, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"z": each(normal(latent), times=2), "c": each(labels(classes), times=2)},
        classes=classes,
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
        project={"D": power_iteration(d)},
    )


def networks(
    size: int, channels: int, classes: int, *, latent: int = 128, g_width: int | None = None, d_width: int | None = None
) -> Pair:
    """SNGAN's residual networks for this many classes."""
    norm = partial(ClassBatchNorm, classes=classes)
    critic = resnet.Critic(d_width, size, channels, wrap=spectral_norm, head_bias=False)
    generator = resnet.Generator(latent, g_width, size, channels, norm=norm, last_norm=BatchNorm)
    return generator, projection.Critic(critic, classes, wrap=spectral_norm, init=glorot_uniform)
