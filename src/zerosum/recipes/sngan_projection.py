"""SNGAN with projection. Miyato and Koyama 2018, arXiv:1802.05637, Eq. 3 and Figure 1d: labels in the networks of SNGAN
(Miyato et al. 2018, arXiv:1802.05957, Algorithm 1), with the hinge objective.

The label chooses gain and bias of the generator's batch normalisation, and in the critic the direction in which
features count. Number of updates, learning rates, batches, batch norm's eps, and whether the critic's last layer has a
bias are those of the authors' code for the size of the images; at 48 pixels, which it does not have, as at 32 but for
the bias. Departures from that code are those of ``sngan``: the critic moves first, its rate falls with each of its own
updates, and statistics are those of the whole batch.
"""

from functools import partial

from zerosum.conditioning import projection
from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import each, labels, normal
from zerosum.networks import resnet, sngan
from zerosum.networks.common import glorot_uniform
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import Pair
from zerosum.objectives import hinge
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, labelled_shape, two_player

ABOUT = About("Miyato and Koyama", 2018, "1802.05637", objective="hinge", penalty="spectral-norm")
ADDED = {"norm_eps": 1e-5, "head_bias": False, "g_batches": 2, "decay_after": 0}


def recipe(
    data: Data,
    *,
    latent: int = 128,
    g_width: int | None = None,
    d_width: int | None = None,
    lr: float = 2e-4,
    beta1: float = 0.0,
    beta2: float = 0.9,
    norm_eps: float = 2e-5,
    head_bias: bool | None = None,
    n_critic: int = 5,
    batch_size: int = 64,
    g_batches: int | None = None,
    decay_after: int | None = None,
    steps: int | None = None,
) -> Recipe:
    """Play SNGAN's game with labels: samples of a class are judged by a direction that the critic has for it.

    Args:
        g_width: Unit of channels of the generator. None: 256 at 32 pixels, 64 at other sizes.
        d_width: Unit of channels of the critic. None: 128 at 32 pixels, 64 at other sizes.
        lr: Learning rate of both players at the start: alpha.
        norm_eps: Number that the generator's batch norm adds to variances.
        head_bias: Whether the critic's last layer has a bias. None: not at 32 pixels, but at all other sizes.
        n_critic: Critic updates per generator update: n_dis.
        batch_size: Real samples per update of the critic.
        g_batches: Size of the generator's batch over that of the critic's. None: 1 at 64 pixels, 2 at other sizes.
        decay_after: Update from which the learning rate falls in a straight line to 0 at the last one. None: it falls
            in the last fifth of them at 64 pixels, the last ninth at 128, from the first one at other sizes.
        steps: Generator updates in all. None: 250,000 at 64 pixels, 450,000 at 128, 50,000 at other sizes.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        z, c = b.z[: len(b.x)], b.c[: len(b.x)]
        return {"hinge": hinge.d(n.D(b.x, b.y), n.D(n.G(z, c), c))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.g(None, n.D(n.G(b.z, b.c), b.c))}

    channels, size, classes = labelled_shape(data, instead="sngan")
    at = sngan.settings_for(data.shape, steps=steps, decay_after=decay_after, g_batches=g_batches, head_bias=head_bias)
    nets = partial(networks, size, channels, classes, head_bias=head_bias, norm_eps=norm_eps)
    g, d = nets(latent=latent, g_width=g_width, d_width=d_width)
    d_rate, g_rate = at.rates(lr, n_critic)
    return two_player(
        g,
        d,
        d_loss,
        g_loss,
        d_opt=adam(d_rate, beta1=beta1, beta2=beta2),
        g_opt=adam(g_rate, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"z": each(normal(latent), times=at.g_batches), "c": each(labels(classes), times=at.g_batches)},
        classes=classes,
        n_critic=n_critic,
        batch_size=batch_size,
        steps=at.steps,
        project={"D": power_iteration(d)},
    )


def networks(
    size: int,
    channels: int,
    classes: int,
    *,
    latent: int = 128,
    g_width: int | None = None,
    d_width: int | None = None,
    head_bias: bool | None = None,
    norm_eps: float = sngan.NORM_EPS,
) -> Pair:
    """SNGAN's residual networks for this many classes."""
    bias = sngan.settings_for((channels, size, size), head_bias=head_bias).head_bias
    norm, last_norm = partial(ClassBatchNorm, classes=classes, eps=norm_eps), partial(BatchNorm, eps=norm_eps)
    critic = resnet.Critic(d_width, size, channels, wrap=spectral_norm, head_bias=bias)
    generator = resnet.Generator(latent, g_width, size, channels, norm=norm, last_norm=last_norm)
    return generator, projection.Critic(critic, classes, wrap=spectral_norm, init=glorot_uniform)
