"""SNGAN. Miyato et al. 2018, arXiv:1802.05957, Algorithm 1, with the hinge objective (Eq. 16-17) and residual
networks.

As in the authors' code, the generator's batch is twice the critic's, and the learning rate decays linearly to 0.
Departures from the paper: the critic moves before the generator in each iteration (the code starts with the
generator); residual networks exist for 32, 48, 64 and 128 pixels. On points, MLPs with the same normalisation.
"""

from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.latent.priors import each, normal
from zerosum.networks import resnet
from zerosum.networks.pairs import Pair, points_pair
from zerosum.objectives import hinge
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Miyato et al.", 2018, "1802.05957", objective="hinge", penalty="spectral-norm")


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
    """Play with hinge losses against a critic whose layers all have spectral norm 1.

    Args:
        g_width: Unit of channels of the generator. None: 256 at 32 pixels, 64 at other sizes, 512 units on points.
        d_width: Unit of channels of the critic. None: 128 at 32 pixels, 64 at other sizes; on points, as g_width.
        lr: Learning rate of both players at the start: alpha.
        n_critic: Critic updates per generator update: n_dis.
        batch_size: Real samples per update of the critic; the generator's batch is twice that.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.d(n.D(b.x), n.D(n.G(b.z[: len(b.x)])))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.g(None, n.D(n.G(b.z)))}

    g, d = networks(data.shape, latent, g_width, d_width)
    d_rate, g_rate = linear_decay(lr, 0, n_critic * steps), linear_decay(lr, 0, steps)
    return two_player(
        g,
        d,
        d_loss,
        g_loss,
        d_opt=adam(d_rate, beta1=beta1, beta2=beta2),
        g_opt=adam(g_rate, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"z": each(normal(latent), times=2)},
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
        project={"D": power_iteration(d)},
    )


def networks(shape: tuple[int, ...], latent: int, g_width: int | None, d_width: int | None) -> Pair:
    """The paper's networks for this shape of data; spectral norm on every layer of the critic."""
    if len(shape) == 1:
        return points_pair(shape, latent, 512 if g_width is None else g_width, wrap=spectral_norm)
    channels, size, _ = shape
    generator = resnet.Generator(latent, g_width, size, channels)
    return generator, resnet.Critic(d_width, size, channels, wrap=spectral_norm, head_bias=False)
