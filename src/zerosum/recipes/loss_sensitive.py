"""Loss-sensitive GAN and its generalisation (LS-GAN, GLS-GAN). Qi 2017, arXiv:1701.06264, its two losses.

The critic L is a loss, large for generated samples. Defaults are the author's code (github.com/guojunq/glsgan: DCGAN's
networks with batch norm and a linear output, clipped weights, gamma = 0), with nu = 0, its LS-GAN. Departures from the
paper: the scale of the margin is for 3x64x64 numbers in [-1, 1], and for data of N numbers it is multiplied by 12288 /
N, so that the same mean difference makes the same margin; weight decay, when asked for, is Adam's decoupled one; the
generator's turn draws new samples, where the code takes those of the critic's. On points, MLPs with PyTorch's initial
weights.
"""

import math

from zerosum.constraints import clip
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adamw
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks.pairs import dcgan_pair
from zerosum.objectives.loss_sensitive import check_slope, critic_loss, distance_margin, generator_loss
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Qi", 2017, "1701.06264", objective="loss-sensitive", penalty="clip")
PUBLISHED = 3 * 64 * 64  # numbers in one sample of the author's code


def recipe(
    data: Data,
    *,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    nu: float = 0.0,
    tau: float = 0.0002,
    weight: float = 1.0,
    real_weight: float = 0.0,
    c: float | None = 0.08,
    weight_decay: float = 0.0,
    lr: float = 2e-4,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Make a real sample's loss smaller than a generated one's, by a margin that grows with their distance.

    Args:
        width: Unit of channels: of the generator's last hidden layer and of the critic's first; not read on points.
        nu: Slope of the cost below 0, at most 1: 0 is LS-GAN, 1 is WGAN, -1 is the absolute value.
        tau: Scale of the margin tau |x - G(z)|_1 for samples of 3x64x64 numbers, rescaled for others.
        weight: Weight of the cost of pairs: lambda.
        real_weight: Weight of E L(x): gamma; 1 in the paper's equation.
        c: Bound to which every weight of the critic is clipped: [-c, c]. None: not clipped.
        weight_decay: Weight decay of both networks.
        batch_size: Real samples per update, each paired with a generated one.
    """
    scale = tau * PUBLISHED / math.prod(data.shape)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        margin = distance_margin(b.x, fake, scale)
        n.note(margin=margin.mean())
        return {"adv": critic_loss(n.D(b.x), n.D(fake), margin, weight=weight, nu=nu, real_weight=real_weight)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": generator_loss(None, n.D(n.G(b.z)))}

    check_slope(nu)
    if not tau >= 0:
        raise ValueError(f"tau={tau}: a margin cannot be negative; 0 means no margin, the published scale is 0.0002")
    return two_player(
        *dcgan_pair(data.shape, latent, width, kernel),
        d_loss,
        g_loss,
        opt=adamw(lr, beta1=beta1, weight_decay=weight_decay),
        latent=uniform(latent),
        batch_size=batch_size,
        steps=steps,
        project={} if c is None else {"D": clip(c)},
    )
