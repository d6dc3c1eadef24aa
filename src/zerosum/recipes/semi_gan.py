"""Semi-supervised GAN. Salimans et al. 2016, arXiv:1606.03498, Section 5, with feature matching (Section 3.1).

The networks are those of the authors' code for CIFAR-10, at any size. Departures from that code: labelled images are
drawn with replacement; weight normalisation starts from He's initial weights instead of from a batch of data, and its
gains are trained; latents are U[-1, 1], not U[0, 1]; the generator has DCGAN's initial weights, N(0, 0.02^2) for
N(0, 0.05^2), gains in its batch norm, of which the first is by channels instead of by units, 1e-5 instead of 1e-6
added to variances, and no weight norm in its last layer; features are matched in squared L2 as in the paper, not in
L1; the unlabelled loss is that of the paper, not half of it; Adam's 1e-8 is added to the root of the mean of squares,
not under it, where it acts like 1e-4. The code makes 600,000 updates, with a learning rate that falls to 0 over the
last third (``--steps 600000 --decay-after 400000``), and classifies with averaged weights.

With ``--accumulate``, or on several processes, the mean features that are matched are those of each part of a batch.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.data.labelled import labelled_subset
from zerosum.latent.priors import uniform
from zerosum.networks import dcgan
from zerosum.networks.semi_supervised import Classifier
from zerosum.objectives.semi_supervised import supervised, unsupervised
from zerosum.penalties.matching import feature_matching
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, batch, labelled_shape, two_player

ABOUT = About("Salimans et al.", 2016, "1606.03498", objective="semi-supervised", penalty="feature-matching")
MOVED = {"D/net.": "D/"}


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
    """Learn to classify from a few labels, and to tell real samples from those of a generator that matches features.

    Args:
        labelled: Number of images that the critic is told the label of, as many of each class. The authors' code has
            100 on MNIST and 4,000 on CIFAR-10.
        labelled_seed: Seed by which they are chosen.
        g_width: Unit of channels of the generator: of its last hidden layer.
        d_width: Unit of channels of the critic: of its first layers.
        kernel: Side of the convolutions' kernels, in pixels, of the generator.
        unlabelled_weight: Weight of the unlabelled loss beside the labelled one.
        batch_size: Real samples per update: unlabelled ones, and as many generated and labelled ones.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real, fake = (n.D.judge(x).classes for x in (b.x, n.G(b.z)))
        return {
            "class": supervised(n.D.judge(b.labelled).classes, b.labels),
            "adv": unlabelled_weight * unsupervised(real, fake),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"match": feature_matching(n.D.judge(b.x).features, n.D.judge(n.G(b.z)).features)}

    channels, size, classes = labelled_shape(data, instead="improved-gan")
    subset = labelled_subset(data, labelled, labelled_seed)

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Any:
        images, labels = subset(x.device)
        chosen = torch.randint(len(images), (len(x),), generator=rng, device=x.device)
        z = uniform(latent)(len(x), rng)
        return batch(x=x, y=None, z=z, labelled=images[chosen], labels=labels[chosen])  # not told the labels of x

    played = two_player(
        dcgan.Generator(latent, g_width, size, channels, kernel),
        Classifier(d_width, size, channels, classes, dropout),
        d_loss,
        g_loss,
        opt=adam(lr if decay_after is None else linear_decay(lr, decay_after, steps), beta1=beta1),
        latent=uniform(latent),
        batch_size=batch_size,
        steps=steps,
    )
    return replace(played, draw=draw)
