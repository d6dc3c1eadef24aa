"""Conditional GAN. Mirza and Osindero 2014, arXiv:1411.1784: both players see the label.

``--critic projection`` is the projection discriminator of Miyato and Koyama 2018, arXiv:1802.05637, Eq. 3. Departures
from both papers: DCGAN networks, Adam, and the non-saturating objective, in place of MLPs with dropout and maxout
(Mirza) and of SNGAN's residual networks with conditional batch norm and the hinge loss (Miyato).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from zerosum.conditioning import concat, projection
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.data.priors import labels, uniform
from zerosum.networks import dcgan
from zerosum.objectives import non_saturating
from zerosum.recipe import Phase, Recipe


class LabelledBatch(NamedTuple):
    """Real samples with their labels, which the generated ones have as well, and latents."""

    x: Tensor
    y: Tensor
    z: Tensor


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
    """Build the recipe.

    Args:
        data: what to learn; it must have labels.
        critic: how it sees the label: as further planes of the image, or as a direction of its features.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the generator's last hidden layer and of the critic's first.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        decay_after: from this update on, lr falls in a straight line to 0 at the last. None: it stays.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    classes = len(data.classes)
    if classes < 2 or data.is_points:
        raise ValueError("needs labelled images, such as a folder with a subfolder for each class; try ns-gan or dcgan")
    channels, size, _ = data.shape
    critics: dict[str, Callable[[], nn.Module]] = {
        "concat": lambda: concat.Critic(dcgan.Critic(width, size, channels + classes, kernel), classes),
        "projection": lambda: projection.Critic(dcgan.Critic(width, size, channels, kernel), classes),
    }
    generator = concat.Generator(dcgan.Generator(latent + classes, width, size, channels, kernel), classes)
    rate = lr if decay_after is None else linear_decay(lr, decay_after, steps)

    def d_loss(n: Nets, b: LabelledBatch, m: Memory) -> Terms:
        return {"adv": non_saturating.d(n.D(b.x, b.y), n.D(n.G(b.z, b.y), b.y))}

    def g_loss(n: Nets, b: LabelledBatch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z, b.y), b.y))}

    game = Game(
        {"G": generator, "D": critics[critic]()},
        opts={"D": adam(rate, beta1=beta1, beta2=beta2), "G": adam(rate, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> LabelledBatch:
        assert y is not None  # the data have labels
        return LabelledBatch(x, y, uniform(len(x), latent, rng))

    def prior(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return uniform(n, latent, rng), labels(n, classes, rng)

    return Recipe((Phase(game, steps),), batch_size, draw, prior)
