"""WGAN. Arjovsky et al. 2017, arXiv:1701.07875, Algorithm 1.

``--schedule official`` is that of the authors' code: 100 critic updates before each of the first 25 generator updates
and before every 500th, n_critic otherwise. Departures from the paper: on points, both networks are MLPs with three
hidden layers of 128 units and PyTorch's initial weights, whatever ``width`` and ``kernel`` are.
"""

from typing import Literal

from zerosum.constraints import clip
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import rmsprop
from zerosum.data.base import Data
from zerosum.latent.priors import normal
from zerosum.networks.pairs import dcgan_pair
from zerosum.objectives import wasserstein
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Arjovsky et al.", 2017, "1701.07875", objective="wasserstein", penalty="clip")


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 5e-5,
    c: float = 0.01,
    n_critic: int = 5,
    schedule: Literal["constant", "official"] = "constant",
    batch_size: int = 64,
    steps: int = 100_000,
) -> Recipe:
    """Minimise the Wasserstein-1 distance, up to a factor, with a critic whose weights are clipped.

    Args:
        lr: Learning rate of both players: alpha, of RMSprop.
        schedule: Schedule of critic updates: n_critic throughout, as in Algorithm 1, or raised at times as in the
            authors' code.
        batch_size: Real samples per update: m.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.g(None, n.D(n.G(b.z)))}

    def official(t: int) -> int:
        return 100 if t < 25 or t % 500 == 0 else n_critic

    return two_player(
        *dcgan_pair(data.shape, latent, width, kernel),
        d_loss,
        g_loss,
        opt=rmsprop(lr),
        latent=normal(latent),
        n_critic=official if schedule == "official" else n_critic,
        batch_size=batch_size,
        steps=steps,
        project={"D": clip(c)},
    )
