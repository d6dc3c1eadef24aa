"""SNGAN. Miyato et al. 2018, arXiv:1802.05957, Algorithm 1, with the hinge objective (Eq. 16-17) and residual
networks.

As in the authors' code, by image size: how many updates there are and from which the learning rate falls to 0; a
generator's batch that is twice the critic's, but at 64 pixels as large; a critic whose last layer has a bias, but not
at 32 pixels; batch norm's eps. Departures from that code: the critic moves before the generator in each iteration, and
its rate falls with each of its own updates; statistics are those of the whole batch, where at 128 pixels four devices
had a quarter each. The code has no 48 pixels: those networks are the paper's, with the schedule of 32. On points, MLPs
with PyTorch's initial weights and the same normalisation of weights.
"""

from functools import partial

from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import each, normal
from zerosum.networks import resnet, sngan
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import Pair, points_pair
from zerosum.objectives import hinge
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Miyato et al.", 2018, "1802.05957", objective="hinge", penalty="spectral-norm")
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
    """Play with hinge losses against a critic whose layers all have spectral norm 1.

    Args:
        g_width: Unit of channels of the generator. None: 256 at 32 pixels, 64 at other sizes, 512 units on points.
        d_width: Unit of channels of the critic. None: 128 at 32 pixels, 64 at other sizes; on points, as g_width.
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
        return {"hinge": hinge.d(n.D(b.x), n.D(n.G(b.z[: len(b.x)])))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.g(None, n.D(n.G(b.z)))}

    at = sngan.settings_for(data.shape, steps=steps, decay_after=decay_after, g_batches=g_batches, head_bias=head_bias)
    g, d = networks(data.shape, latent, g_width, d_width, head_bias, norm_eps)
    d_rate, g_rate = at.rates(lr, n_critic)
    return two_player(
        g,
        d,
        d_loss,
        g_loss,
        d_opt=adam(d_rate, beta1=beta1, beta2=beta2),
        g_opt=adam(g_rate, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"z": each(normal(latent), times=at.g_batches)},
        n_critic=n_critic,
        batch_size=batch_size,
        steps=at.steps,
        project={"D": power_iteration(d)},
    )


def networks(
    shape: tuple[int, ...],
    latent: int,
    g_width: int | None,
    d_width: int | None,
    head_bias: bool | None = None,
    norm_eps: float = sngan.NORM_EPS,
) -> Pair:
    """The paper's networks for this shape of data; spectral norm on every layer of the critic."""
    if len(shape) == 1:
        return points_pair(shape, latent, 512 if g_width is None else g_width, wrap=spectral_norm)
    channels, size, _ = shape
    bias = sngan.settings_for(shape, head_bias=head_bias).head_bias
    generator = resnet.Generator(latent, g_width, size, channels, norm=partial(BatchNorm, eps=norm_eps))
    return generator, resnet.Critic(d_width, size, channels, wrap=spectral_norm, head_bias=bias)
