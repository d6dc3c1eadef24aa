"""WGAN-div. Wu et al. 2018, arXiv:1712.01026, with k = 2 and p = 6, which the paper finds best.

L_D = E D(G(z)) - E D(x) + k E |grad D(x^)|^p and L_G = -E D(G(z)), x^ between real and generated samples. The critic's
loss at its best is minus the Wasserstein divergence, without any Lipschitz constraint. Networks and initial weights are
those of WGAN-GP's code: residual at 32 and 64 pixels (the authors' code has the latter, with the same weights); at
other sizes DCGAN's, with layer norm in the critic. Adam's settings, n_critic, batches and steps are those of the
authors' code (musikisomorphie/wgan-div, ``wgan_div.py``), whose rates are constant. Departures from it: it has k = 10,
and a critic of opposite sign, which is the same game; its DCGAN has biases in all layers; its samples are normalised by
the statistics of their own batch, these by running ones. On points, which it does not have, MLPs with PyTorch's initial
weights: from those of WGAN-GP's MLPs the power of the slope starts large.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import normal, per_sample
from zerosum.networks.pairs import points_pair, wgan_gp_pair
from zerosum.objectives import wasserstein
from zerosum.penalties.gradient import wgan_div
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Wu et al.", 2018, "1712.01026", objective="wasserstein", penalty="wgan-div")
RENAMED = {"k": "penalty_weight"}


def recipe(
    data: Data,
    *,
    latent: int = 128,
    width: int | None = None,
    lr: float = 2e-4,
    beta1: float = 0.0,
    beta2: float = 0.9,
    n_critic: int = 4,
    penalty_weight: float = 2.0,
    p: float = 6.0,
    batch_size: int = 64,
    steps: int = 200_000,
) -> Recipe:
    """Minimise the Wasserstein divergence, in which a power of the critic's slope is a part of the distance.

    Args:
        width: Unit of channels of both networks. None: 128 at 32 pixels, 64 at other sizes, 512 units on points.
        penalty_weight: Weight of the penalty: k.
        p: Power of the slope, above 1.
        batch_size: Real samples per update: m.

    Raises:
        ValueError: With this weight and power it is not a divergence.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        return {
            "w": wasserstein.d(n.D(b.x), n.D(fake)),
            "gp": penalty_weight * wgan_div(n.D, b.x, fake, b.eps, power=p),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.g(None, n.D(n.G(b.z)))}

    if penalty_weight <= 0 or p <= 1:
        raise ValueError(
            f"penalty_weight={penalty_weight}, p={p}: the Wasserstein divergence needs k > 0 and p > 1 (the paper: 2 "
            "and 6), where k is the weight"
        )
    if len(data.shape) == 1:
        networks = points_pair(data.shape, latent, 512 if width is None else width)
    else:
        networks = wgan_gp_pair(data.shape, latent, width)
    return two_player(
        *networks,
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"eps": per_sample},
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
    )
