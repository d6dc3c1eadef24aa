"""Instance noise. Arjovsky and Bottou 2017, arXiv:1701.04862, Section 3: noise on all that the discriminator sees.

Gaussian noise on real and generated samples, with the non-saturating objective, gives both distributions densities that
overlap; it is annealed to nothing, as Sonderby et al. 2016 (arXiv:1610.04490) do. Departures from the papers, which set
no defaults for this: DCGAN's networks and optimizer, and a standard deviation that falls in a straight line. Images are
in [-1, 1], so noise 0.1 is 5% of their range. On points, both networks are MLPs with three hidden layers of 128 units
and PyTorch's initial weights, whatever ``width`` and ``kernel`` are.
"""

import torch

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.augment.noise import annealed, count, instance_noise
from zerosum.data.base import Data
from zerosum.latent.priors import normal_like, uniform
from zerosum.networks.pairs import dcgan_pair
from zerosum.objectives import non_saturating
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Arjovsky and Bottou", 2017, "1701.04862", objective="non-saturating", penalty="noise")


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
    """Play the non-saturating game on samples with noise, which fades away.

    Args:
        noise: Standard deviation of the noise at the start.
        noise_steps: Iterations until there is no noise. None: all of them.
    """
    if noise < 0 or (noise_steps is not None and noise_steps < 1):
        wrong = f"noise={noise}: must be at least 0" if noise < 0 else f"noise_steps={noise_steps}: must be at least 1"
        raise ValueError(f"{wrong}; without noise it is ns-gan")
    strength = annealed(noise, steps if noise_steps is None else noise_steps)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        std = strength(m["t"])
        n.note(noise=std)
        real, fake = instance_noise(b.x, b.real_noise, std), instance_noise(n.G(b.z), b.fake_noise, std)
        return {"adv": non_saturating.d(n.D(real), n.D(fake))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(instance_noise(n.G(b.z), b.fake_noise, strength(m["t"]))))}

    return two_player(
        *dcgan_pair(data.shape, latent, width, kernel),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        draws={"real_noise": normal_like, "fake_noise": normal_like},
        batch_size=batch_size,
        steps=steps,
        memory={"t": torch.zeros((), dtype=torch.int64)},
        remember=count,
    )
