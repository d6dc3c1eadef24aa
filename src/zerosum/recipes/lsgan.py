"""LSGAN. Mao et al. 2017, arXiv:1611.04076, Eq. 2, with a = 0, b = c = 1 (Eq. 9).

Departures from the paper: DCGAN networks and optimizer settings instead of its own generator for 112x112 images. On
points, both networks are MLPs with three hidden layers of 128 units and PyTorch's initial weights, whatever ``width``
and ``kernel`` are.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks.pairs import dcgan_pair
from zerosum.objectives import least_squares
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Mao et al.", 2017, "1611.04076", objective="least-squares")


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
    """Minimise squared distances between what the critic says of samples and fixed targets.

    Args:
        a: Target of the critic for generated samples.
        b: Target of the critic for real samples.
        c: Target of the generator for what the critic says of generated samples.
    """
    objective = least_squares(a, b, c)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.g(None, n.D(n.G(b.z)))}

    return two_player(
        *dcgan_pair(data.shape, latent, width, kernel),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        batch_size=batch_size,
        steps=steps,
    )
