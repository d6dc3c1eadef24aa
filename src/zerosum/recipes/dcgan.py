"""DCGAN. Radford et al. 2016, arXiv:1511.06434, with the non-saturating objective of Goodfellow et al. 2014.

Defaults are the authors' layout (5x5 kernels, 128 channels at the image end); ``--kernel 4 --width 64`` is the layout
of most PyTorch ports, with a sixth of the parameters. Departures from the authors' code (github.com/Newmu/dcgan_code):
the generator's first layer is normalised by channels, as in the ports, where that code has a gain and a bias for each
of the 16,384 units; 1e-5 is added to variances, not 1e-8; samples are made with running statistics, not with those of
their own batch; there is no L2 penalty of 1e-5; the critic moves before the generator. At other sizes than 64 pixels,
layers of stride 2 are added or left out. On points, both networks are MLPs with three hidden layers of 128 units and
PyTorch's initial weights, whatever ``width`` and ``kernel`` are.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks.pairs import dcgan_pair
from zerosum.objectives import non_saturating
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Radford et al.", 2016, "1511.06434", objective="non-saturating")


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
    """Play the non-saturating game with convolutional networks and batch normalisation in both players.

    Args:
        decay_after: Update from which the learning rate falls in a straight line to 0 at the last one. None: it stays,
            as published.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    rate = lr if decay_after is None else linear_decay(lr, decay_after, steps)
    return two_player(
        *dcgan_pair(data.shape, latent, width, kernel),
        d_loss,
        g_loss,
        opt=adam(rate, beta1=beta1, beta2=beta2),
        latent=uniform(latent),
        batch_size=batch_size,
        steps=steps,
    )
