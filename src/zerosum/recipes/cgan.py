"""Conditional GAN. Mirza and Osindero 2014, arXiv:1411.1784: both players see the label.

``--critic projection`` is the projection discriminator of Miyato and Koyama 2018, arXiv:1802.05637, Eq. 3. Departures
from both papers: DCGAN networks, Adam, and the non-saturating objective, in place of MLPs with dropout and maxout
(Mirza) and of SNGAN's residual networks with conditional batch norm and the hinge loss (Miyato). G is trained on the
labels of the real samples, and so sampled with the classes as frequent as they are there.
"""

from typing import Literal

from torch import nn

from zerosum.conditioning import concat, projection
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.latent.priors import labels_like, uniform
from zerosum.networks import dcgan
from zerosum.networks.pairs import Pair
from zerosum.objectives import non_saturating
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, labelled_shape, two_player

ABOUT = About("Mirza and Osindero", 2014, "1411.1784", objective="non-saturating")


def recipe(
    data: Data,
    *,
    critic: Literal["concat", "projection"] = "concat",
    latent: int = 100,
    width: int = 128,
    kernel: int = 5,
    lr: float = 2e-4,
    beta1: float = 0.5,
    beta2: float = 0.999,
    decay_after: int | None = None,
    batch_size: int = 100,
    steps: int = 50_000,
) -> Recipe:
    """Play the non-saturating game for each class, whose label both players are told.

    Args:
        critic: Place where the critic sees the label: further planes of the image, or a direction of its features.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.d(n.D(b.x, b.y), n.D(n.G(b.z, b.y), b.y))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z, b.y), b.y))}

    channels, size, classes = labelled_shape(data, instead="dcgan")
    rate = lr if decay_after is None else linear_decay(lr, decay_after, steps)
    return two_player(
        *networks((channels, size, classes), latent, width, kernel, planes=critic == "concat"),
        d_loss,
        g_loss,
        opt=adam(rate, beta1=beta1, beta2=beta2),
        latent=uniform(latent),
        classes=labels_like(data),
        batch_size=batch_size,
        steps=steps,
    )


def networks(shape: tuple[int, int, int], latent: int, width: int, kernel: int, *, planes: bool) -> Pair:
    """DCGAN's networks with labels: beside the latent; and in the critic as ``planes``, or by projection.

    Args:
        shape: (channels, pixels a side, classes).
        latent: Dimension of z.
        width: Channels of the generator's last hidden layer and of the critic's first.
        kernel: Side of the kernels, in pixels.
        planes: Whether the critic sees labels as further planes of the image.
    """
    channels, size, classes = shape
    generator = concat.Generator(dcgan.Generator(latent + classes, width, size, channels, kernel), classes)
    seen = dcgan.Critic(width, size, channels + classes if planes else channels, kernel)
    critic: nn.Module = concat.Critic(seen, classes) if planes else projection.Critic(seen, classes)
    return generator, critic
