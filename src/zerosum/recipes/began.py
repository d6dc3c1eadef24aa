"""BEGAN. Berthelot et al. 2017, arXiv:1703.10717, Section 3.4: equilibrium between two reconstruction errors.

Departures from the paper: networks, optimizer settings, gamma, and a learning rate that is halved at fixed times are
those of carpedm20's code; there are no skip connections. The measure of convergence that is logged takes the generated
samples of the critic's turn; k follows those of the generator's. On points, MLPs.
"""

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Said, Terms
from zerosum.core.optim import Schedule, adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks.autoencoder import began_pair
from zerosum.objectives.energy import balance, boundary_equilibrium, convergence
from zerosum.recipe import Batch, Phase, Recipe


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
    beta1: float = 0.5,
    batch_size: int = 16,
    steps: int = 500_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        gamma: the diversity ratio E L(G(z)) / E L(x), in [0, 1]: lower gives less diverse samples.
        k_rate: lambda_k, the proportional gain of k.
        latent: dimension of z ~ U[-1, 1], and of the critic's codes.
        width: n, channels of the generator; unused on points.
        lr: Adam's learning rate at first, of both players.
        lr_halved_every: after so many updates each.
        lr_least: where halving ends.
        beta1: Adam's momentum.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    rate = halving(lr, lr_halved_every, lr_least)

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
    game = Game(
        began_pair(data.shape, latent, width),
        opts={"D": adam(rate, beta1=beta1), "G": adam(rate, beta1=beta1)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
        memory={"k": k},
        remember=remember,
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))


def halving(rate: float, every: int, least: float) -> Schedule:
    """``rate``, halved after each ``every`` updates, but never below ``least``."""
    if every < 1 or not 0 < least <= rate:
        raise ValueError(
            f"lr={rate}, lr_halved_every={every}, lr_least={least}: needs lr_halved_every >= 1 and "
            "0 < lr_least <= lr (lr_least = lr keeps the learning rate as it is)"
        )
    return lambda t: (rate * torch.exp2(-(t / every).floor())).clamp_min(least)
