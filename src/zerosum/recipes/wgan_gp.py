"""WGAN-GP. Gulrajani et al. 2017, arXiv:1704.00028, Algorithm 1.

Networks and initial weights are those of the authors' code (github.com/igul222/improved_wgan_training): residual at 32
and 64 pixels; at other sizes its DCGAN, with layer norm in the critic; on points the MLPs of its toy experiment, whose
settings are the defaults there (penalty_weight 0.1, beta1 0.5, batch_size 256), by the arguments that are left at None.

Departures from that code: on images of 32 pixels it has a learning rate of 2e-4 that decays linearly to 0, twice the
batch for the generator, classes unless told otherwise, and noise U[0, 1/128] on real images; here Algorithm 1's
settings hold throughout. At 64 pixels it makes 200,000 iterations. Its DCGAN has biases in all layers. Its samples are
normalised by the statistics of their own batch, these by running ones.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import normal, per_sample
from zerosum.networks.pairs import wgan_gp_pair
from zerosum.objectives import wasserstein
from zerosum.penalties.gradient import wgan_gp
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Gulrajani et al.", 2017, "1704.00028", objective="wasserstein", penalty="wgan-gp")


def recipe(
    data: Data,
    *,
    latent: int | None = None,
    width: int | None = None,
    lr: float = 1e-4,
    beta1: float | None = None,
    beta2: float = 0.9,
    n_critic: int = 5,
    penalty_weight: float | None = None,
    batch_size: int | None = None,
    steps: int = 100_000,
) -> Recipe:
    """Minimise the Wasserstein-1 distance, the critic's slope held near 1 between real and generated samples.

    Args:
        latent: Dimension of the latent z. None: 128, or 2 on points.
        width: Unit of channels of both networks. None: 128 at 32 pixels, 64 at other sizes, 512 units on points.
        lr: Learning rate of both players: alpha.
        beta1: Momentum of Adam. None: 0, or 0.5 on points.
        penalty_weight: Weight of the penalty: lambda. None: 10, or 0.1 on points.
        batch_size: Real samples per update: m. None: 64, or 256 on points.
    """
    toy = data.is_points
    latent = (2 if toy else 128) if latent is None else latent
    beta1 = (0.5 if toy else 0.0) if beta1 is None else beta1
    weight = (0.1 if toy else 10.0) if penalty_weight is None else penalty_weight

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        return {
            "w": wasserstein.d(n.D(b.x), n.D(fake)),
            "gp": weight * wgan_gp(n.D, b.x, fake, b.eps),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.g(None, n.D(n.G(b.z)))}

    return two_player(
        *wgan_gp_pair(data.shape, latent, width),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"eps": per_sample},
        n_critic=n_critic,
        batch_size=(256 if toy else 64) if batch_size is None else batch_size,
        steps=steps,
    )
