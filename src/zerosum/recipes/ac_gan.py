"""AC-GAN. Odena et al. 2017, arXiv:1610.09585, Section 3: the critic also names the class, and is not told it.

L_S is the log-likelihood of the right source, L_C that of the right class; D maximises L_S + L_C, G L_C - L_S.

Departures from the paper: DCGAN networks, the generator's with the label beside the latent, instead of its own with
dropout and noise in the critic; the generator's source loss is the non-saturating one (``--objective minimax`` is the
-L_S of the text). WGAN-GP's code (Gulrajani et al. 2017, arXiv:1704.00028) weighs the classes ``--class-weight-fake 0
--class-weight-g 0.1``.
"""

from typing import Literal

from zerosum.conditioning import auxiliary, concat
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import each, labels, uniform
from zerosum.networks import dcgan
from zerosum.objectives import minimax, non_saturating
from zerosum.objectives.classification import class_loss
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, labelled_shape, two_player

ABOUT = About("Odena et al.", 2017, "1610.09585", objective="minimax, non-saturating")


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
    """Play for the source of samples as usual, while both players want the critic to name the class.

    Args:
        objective: Objective of the generator for the source.
        class_weight: Weight of the critic's L_C on real images.
        class_weight_fake: Weight of the critic's L_C on generated images.
        class_weight_g: Weight of the generator's L_C.
    """
    source = {"non-saturating": non_saturating, "minimax": minimax}[objective]

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real, fake = n.D.judge(b.x), n.D.judge(n.G(b.z, b.c))
        return {
            "source": source.d(real.logits, fake.logits),
            "class": class_weight * class_loss(real.classes, b.y),
            "class_fake": class_weight_fake * class_loss(fake.classes, b.c),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.D.judge(n.G(b.z, b.c))
        return {"source": source.g(None, fake.logits), "class": class_weight_g * class_loss(fake.classes, b.c)}

    channels, size, classes = labelled_shape(data, instead="info-gan, which looks for classes itself")
    return two_player(
        concat.Generator(dcgan.Generator(latent + classes, width, size, channels, kernel), classes),
        auxiliary.Critic(dcgan.Critic(width, size, channels, kernel), classes),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        draws={"z": each(uniform(latent)), "c": each(labels(classes))},
        classes=classes,
        batch_size=batch_size,
        steps=steps,
    )
