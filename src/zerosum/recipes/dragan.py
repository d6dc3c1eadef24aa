"""DRAGAN. Kodali et al. 2017, arXiv:1705.07215, Algorithm 1.

Departures from the paper: the perturbation is that of the authors' code, alpha 0.5 std(X) U[0, 1), which is one-sided;
the paper's text has Gaussian noise. Latents, batch, penalty and Adam's settings are that code's as well. Departures
from it: its networks, for digits, are MLPs with one hidden layer of 128 units, a sigmoid at the end and no
normalisation, where these are DCGAN's with batch norm in the generator and layer norm in the critic, so that the slope
at a sample is its own. On points, both networks are MLPs with three hidden layers of 128 units and PyTorch's initial
weights, whatever ``width`` and ``kernel`` are.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import each, per_sample, uniform, uniform_like
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.networks.pairs import dcgan_pair
from zerosum.objectives import non_saturating
from zerosum.penalties.gradient import dragan
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Kodali et al.", 2017, "1705.07215", objective="non-saturating", penalty="dragan")
ADDED = {"batch_norm": True}


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    batch_norm: bool = False,
    lr: float = 1e-4,
    beta1: float = 0.5,
    beta2: float = 0.9,
    penalty_weight: float = 10.0,
    slope: float = 1.0,
    batch_size: int = 128,
    steps: int = 200_000,
) -> Recipe:
    """Play the non-saturating game, the critic's slope held near a target around real samples.

    Args:
        batch_norm: Whether the critic has batch norm instead, under which the slope at a sample depends on the others.
        penalty_weight: Weight of the penalty: lambda.
        slope: Target of the critic's slope around real samples: k.
        batch_size: Real samples per update: m.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {
            "adv": non_saturating.d(n.D(b.x), n.D(n.G(b.z))),
            "gp": penalty_weight * dragan(n.D, b.x, b.noise, b.alpha, target=slope),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    prior = uniform(latent)
    return two_player(
        *dcgan_pair(data.shape, latent, width, kernel, norm=BatchNorm if batch_norm else LayerNorm),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1, beta2=beta2),
        latent=prior,
        draws={"noise": uniform_like, "alpha": per_sample, "z": each(prior)},
        batch_size=batch_size,
        steps=steps,
    )
