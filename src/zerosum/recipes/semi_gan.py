"""Semi-supervised GAN. Salimans et al. 2016, arXiv:1606.03498, Section 5, with feature matching (Section 3.1).

The networks are those of the authors' code for CIFAR-10, at any size. Departures from that code: labelled images are
drawn with replacement; weight normalisation starts from He's initial weights instead of from a batch of data; latents
are U[-1, 1], not U[0, 1]; the generator's batch norm has gains and its last layer no weight norm; features are matched
in squared L2 as in the paper, not in L1; the unlabelled loss is that of the paper, not half of it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.data.labelled import labelled_images
from zerosum.data.priors import uniform
from zerosum.networks import dcgan
from zerosum.networks.minibatch_critic import Open
from zerosum.networks.semi_supervised import Classifier
from zerosum.objectives import semi_supervised
from zerosum.penalties.matching import feature_matching
from zerosum.recipe import Phase, Recipe


class SemiBatch(NamedTuple):
    """Unlabelled real samples, latents, and as many labelled samples with their labels."""

    x: Tensor
    z: Tensor
    labelled: Tensor
    y: Tensor


def recipe(
    data: Data,
    *,
    labelled: int = 100,
    labelled_seed: int = 0,
    latent: int = 100,
    g_width: int = 128,
    d_width: int = 96,
    kernel: int = 5,
    dropout: float = 0.5,
    unlabelled_weight: float = 1.0,
    lr: float = 3e-4,
    beta1: float = 0.5,
    batch_size: int = 100,
    decay_after: int | None = None,
    steps: int = 100_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn; it must have labels, of which ``labelled`` are looked at.
        labelled: how many images the critic is told the label of, the same number of each class. The authors' code
            has 100 on MNIST and 4,000 on CIFAR-10.
        labelled_seed: chooses them.
        latent: dimension of z ~ U[-1, 1].
        g_width: channels of the generator's last hidden layer.
        d_width: channels of the critic's first layers.
        kernel: of the generator's convolutions, pixels a side.
        dropout: in the critic.
        unlabelled_weight: of the unlabelled loss beside the labelled one.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: of unlabelled, of generated, and of labelled samples per update.
        decay_after: from this update on, lr falls in a straight line to 0 at the last. None: it stays.
        steps: generator updates in all.
    """
    classes = len(data.classes)
    if classes < 2 or data.is_points:
        raise ValueError("needs labelled images, such as a folder with a subfolder for each class; try improved-gan")
    channels, size, _ = data.shape
    pool = labelled_images(data, labelled, labelled_seed)
    rate = lr if decay_after is None else linear_decay(lr, decay_after, steps)

    def d_loss(n: Nets, b: SemiBatch, m: Memory) -> Terms:
        real, fake = n.D(b.x), n.D(n.G(b.z))
        return {
            "class": semi_supervised.supervised(n.D(b.labelled).logits, b.y),
            "adv": unlabelled_weight * semi_supervised.unsupervised(real.logits, fake.logits),
        }

    def g_loss(n: Nets, b: SemiBatch, m: Memory) -> Terms:
        return {"match": feature_matching(n.D(b.x).features, n.D(n.G(b.z)).features)}

    game = Game(
        {
            "G": dcgan.Generator(latent, g_width, size, channels, kernel),
            "D": Open(Classifier(d_width, size, channels, classes, dropout)),
        },
        opts={"D": adam(rate, beta1=beta1), "G": adam(rate, beta1=beta1)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> SemiBatch:
        images, labels = pool(x.device)
        chosen = torch.randint(len(images), (len(x),), generator=rng, device=x.device)
        return SemiBatch(x, uniform(len(x), latent, rng), images[chosen], labels[chosen])

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
