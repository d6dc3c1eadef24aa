"""GAN. Goodfellow et al. 2014, arXiv:1406.2661, Algorithm 1, with the minimax objective of Eq. 1.

Departures from the paper: Adam instead of SGD with momentum; no dropout in the discriminator; tanh output on images in
[-1, 1] instead of a sigmoid; PyTorch's initial weights, where the authors' code (github.com/goodfeli/adversarial) draws
those of the generator from U[-0.05, 0.05] and those of the discriminator from U[-0.005, 0.005]. The paper does not
print its layer sizes: 1200-1200 ReLU against 240-240 maxout are those of that code for digits. On points, both networks
have three hidden layers.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks.pairs import maxout_pair
from zerosum.objectives import minimax
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Goodfellow et al.", 2014, "1406.2661", objective="minimax")


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 128,
    lr: float = 2e-4,
    beta1: float = 0.5,
    n_critic: int = 1,
    batch_size: int = 100,
    steps: int = 50_000,
) -> Recipe:
    """Minimise the Jensen-Shannon divergence, as long as the discriminator is optimal.

    Args:
        width: Units of each hidden layer on points; not read on images.
        n_critic: Critic updates per generator update: k.
        batch_size: Real samples per update: m.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": minimax.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": minimax.g(None, n.D(n.G(b.z)))}

    return two_player(
        *maxout_pair(data.shape, latent, width),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
    )
