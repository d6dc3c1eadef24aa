"""GAN-GP and DRAGAN-NS. Fedus et al. 2018, arXiv:1710.08446: the non-saturating game with a gradient penalty.

L_D = -E log D(x) - E log(1 - D(G(z))) + lambda E (|grad D(x^)| - 1)^2 and L_G = -E log D(G(z)). x^ lies between real
and generated samples as in WGAN-GP (GAN-GP), or around real samples as in DRAGAN (``--around data``, DRAGAN-NS).
Departures from the paper: the slope is that of the logit; networks are DCGAN's with layer norm in the critic; the noise
around data is that of DRAGAN's code, and Adam's settings are that code's too. On points, both networks are MLPs with
three hidden layers of 128 units and PyTorch's initial weights, whatever ``width`` and ``kernel`` are.
"""

from typing import Literal

from torch import Tensor

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import each, normal, per_sample, uniform_like
from zerosum.networks.layers import LayerNorm
from zerosum.networks.pairs import dcgan_pair
from zerosum.objectives import non_saturating
from zerosum.penalties.gradient import dragan, wgan_gp
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Fedus et al.", 2018, "1710.08446", objective="non-saturating", penalty="gradient")


def recipe(
    data: Data,
    *,
    around: Literal["between", "data"] = "between",
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 1e-4,
    beta1: float = 0.5,
    beta2: float = 0.9,
    penalty_weight: float = 10.0,
    batch_size: int = 64,
    steps: int = 100_000,
) -> Recipe:
    """Play the non-saturating game, the discriminator's slope held near 1 between or around the samples.

    Args:
        around: Place of the penalty: between real and generated samples, or around the real data.
        penalty_weight: Weight of the penalty: lambda.
    """

    def penalty(n: Nets, b: Batch, fake: Tensor) -> Tensor:
        if around == "data":
            return dragan(n.D, b.x, b.noise, b.eps)
        return wgan_gp(n.D, b.x, fake, b.eps)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        return {"adv": non_saturating.d(n.D(b.x), n.D(fake)), "gp": penalty_weight * penalty(n, b, fake)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    prior = normal(latent)
    return two_player(
        *dcgan_pair(data.shape, latent, width, kernel, norm=LayerNorm),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1, beta2=beta2),
        latent=prior,
        draws={"noise": uniform_like, "eps": per_sample, "z": each(prior)},
        batch_size=batch_size,
        steps=steps,
    )
