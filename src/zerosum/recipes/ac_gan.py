"""AC-GAN. Odena et al. 2017, arXiv:1610.09585, Section 3: the critic also names the class, and is not told it.

L_S is the log-likelihood of the right source, L_C that of the right class; D maximises L_S + L_C, G L_C - L_S.

Departures from the paper: DCGAN networks, the generator's with the label beside the latent, instead of its own with
dropout and noise in the critic; the generator's source loss is the non-saturating one (``--objective minimax`` is the
-L_S of the text). WGAN-GP's code (Gulrajani et al. 2017, arXiv:1704.00028) weighs the classes ``--class-weight-fake 0
--class-weight-g 0.1``.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.conditioning import auxiliary, concat
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import labels, uniform
from zerosum.networks import dcgan
from zerosum.objectives import minimax, non_saturating
from zerosum.objectives.logits import wide
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """Real samples with their labels; latents with the classes that are asked of the generator."""

    x: Tensor
    y: Tensor
    z: Tensor
    c: Tensor


def class_loss(logits: Tensor, y: Tensor) -> Tensor:
    """-E log P(C = y | x): L_C has one such part of real images and one of generated ones."""
    return F.cross_entropy(wide(logits), y)


def recipe(
    data: Data,
    *,
    objective: Literal["non-saturating", "minimax"] = "non-saturating",
    class_weight: float = 1.0,
    class_weight_fake: float = 1.0,
    class_weight_g: float = 1.0,
    latent: int = 100,
    width: int = 64,
    kernel: int = 5,
    lr: float = 2e-4,
    beta1: float = 0.5,
    batch_size: int = 100,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn; it must have labels.
        objective: of the generator, about the source.
        class_weight: of the critic's L_C, on real images.
        class_weight_fake: of the critic's L_C, on generated images.
        class_weight_g: of the generator's L_C.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the generator's last hidden layer and of the critic's first.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    classes = len(data.classes)
    if classes < 2 or data.is_points:
        raise ValueError(
            "needs labelled images, such as a folder with a subfolder for each class; info-gan looks for classes itself"
        )
    channels, size, _ = data.shape
    source = {"non-saturating": non_saturating, "minimax": minimax}[objective]
    nets: dict[str, nn.Module] = {
        "G": concat.Generator(dcgan.Generator(latent + classes, width, size, channels, kernel), classes),
        "D": auxiliary.Critic(dcgan.Critic(width, size, channels, kernel), classes),
    }

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        (real, real_class), (fake, fake_class) = n.D(b.x), n.D(n.G(b.z, b.c))
        return {
            "source": source.d(real, fake),
            "class": class_weight * class_loss(real_class, b.y),
            "class_fake": class_weight_fake * class_loss(fake_class, b.c),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake, fake_class = n.D(n.G(b.z, b.c))
        return {"source": source.g(None, fake), "class": class_weight_g * class_loss(fake_class, b.c)}

    players = {"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)}
    game = Game(nets, {name: adam(lr, beta1=beta1) for name in nets}, players)

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        assert y is not None  # the data have labels
        return Batch(x, y, uniform(len(x), latent, rng), labels(len(x), classes, rng))

    def prior(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return uniform(n, latent, rng), labels(n, classes, rng)

    return Recipe((Phase(game, steps),), batch_size, draw, prior)
