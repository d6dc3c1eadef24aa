"""Instance noise. Arjovsky and Bottou 2017, arXiv:1701.04862, Section 3: noise on all that the discriminator sees.

Gaussian noise on real and generated samples, with the non-saturating objective, gives both distributions densities
that overlap; it is annealed to nothing, as Sonderby et al. 2016 (arXiv:1610.04490) do. Departures from the papers,
which set no defaults for this: DCGAN's networks and optimizer, and a standard deviation that falls in a straight
line. Images are in [-1, 1], so noise 0.1 is 5% of their range. On points, MLPs.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.noise import annealed, count, instance_noise
from zerosum.data.priors import uniform
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives import non_saturating
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """The random variables of one update."""

    x: Tensor  # real samples
    z: Tensor  # latents, U[-1, 1]
    real_noise: Tensor  # N(0, I) of x's shape
    fake_noise: Tensor  # N(0, I) of x's shape


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    noise: float = 0.1,
    noise_steps: int | None = None,
    lr: float = 2e-4,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        noise: its standard deviation at the start.
        noise_steps: iterations until there is none. None: all of them.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    nets = points_pair(data.shape, latent) if data.is_points else dcgan_pair(data.shape, latent, width, kernel)
    strength = annealed(noise, steps if noise_steps is None else noise_steps)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        std = strength(m["t"])
        n.note(noise=std)
        real, fake = instance_noise(b.x, b.real_noise, std), instance_noise(n.G(b.z), b.fake_noise, std)
        return {"adv": non_saturating.d(n.D(real), n.D(fake))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(instance_noise(n.G(b.z), b.fake_noise, strength(m["t"]))))}

    game = Game(
        nets,
        opts={"D": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
        memory={"t": torch.zeros((), dtype=torch.int64)},
        remember=count,
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        noises = (torch.randn(x.shape, generator=rng, device=x.device) for _ in range(2))
        return Batch(x, uniform(len(x), latent, rng), *noises)

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
