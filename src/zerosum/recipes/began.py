"""BEGAN. Berthelot et al. 2017, arXiv:1703.10717, Section 3.4: equilibrium between two reconstruction errors.

Departures from the paper: networks, gamma, Adam's settings and a learning rate that is halved at fixed times are those
that carpedm20's code trains with (it reads a beta1 of 0.5 and leaves Adam at its default of 0.9); there are no skip
connections. Departures from that code: the players take turns, where it moves both at once from one batch, and each
turn draws its own latents: the measure of convergence that is logged takes the generated samples of the critic's turn,
k those of the generator's. On points, MLPs with PyTorch's initial weights.
"""

import torch

from zerosum.core.game import Memory, Nets, Said, Terms
from zerosum.core.optim import Schedule, adam
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks.autoencoder import began_pair
from zerosum.objectives.energy import balance, boundary_equilibrium, convergence
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Berthelot et al.", 2017, "1703.10717", objective="energy")


def recipe(
    data: Data,
    *,
    gamma: float = 0.5,
    k_rate: float = 1e-3,
    latent: int = 64,
    width: int = 128,
    lr: float = 8e-5,
    lr_halved_every: int = 100_000,
    lr_least: float = 2e-5,
    beta1: float = 0.9,
    batch_size: int = 16,
    steps: int = 500_000,
) -> Recipe:
    """Hold the reconstruction errors of generated and of real samples at a fixed ratio while both fall.

    Args:
        gamma: Diversity ratio E L(G(z)) / E L(x), in [0, 1]: lower gives less diverse samples.
        k_rate: Proportional gain of k: lambda_k.
        latent: Dimension of the latent z, and of the critic's codes.
        width: Unit of channels of the generator: n; not read on points.
        lr: Learning rate of both players, at first.
        lr_halved_every: Updates of a player after which its learning rate is halved, again and again.
        lr_least: Learning rate at which halving ends.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real, fake = n.D(b.x), n.D(n.G(b.z))
        n.note(k=m["k"], real=real.mean(), convergence=convergence(real.mean(), fake.mean(), gamma))
        return {"adv": boundary_equilibrium(m["k"]).d(real, fake)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"fake": boundary_equilibrium(m["k"]).g(None, n.D(n.G(b.z)))}

    def remember(m: Memory, said: Said) -> Memory:
        return {"k": balance(m["k"], said["D"]["real"], said["G"]["fake"], gamma, k_rate)}

    k = torch.zeros(())
    balance(k, k, k, gamma, k_rate)  # refuses now what it would refuse after the first iteration
    return two_player(
        *began_pair(data.shape, latent, width),
        d_loss,
        g_loss,
        opt=adam(halving(lr, lr_halved_every, lr_least), beta1=beta1),
        latent=uniform(latent),
        batch_size=batch_size,
        steps=steps,
        memory={"k": k},
        remember=remember,
    )


def halving(rate: float, every: int, least: float) -> Schedule:
    """``rate``, halved after each ``every`` updates, but never below ``least``."""
    if every < 1 or not 0 < least <= rate:
        raise ValueError(
            f"lr={rate}, lr_halved_every={every}, lr_least={least}: needs lr_halved_every >= 1 and "
            "0 < lr_least <= lr (lr_least = lr keeps the learning rate as it is)"
        )
    return lambda t: (rate * torch.exp2(-(t / every).floor())).clamp_min(least)
