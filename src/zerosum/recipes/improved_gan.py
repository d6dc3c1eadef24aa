"""Improved GAN. Salimans et al. 2016, arXiv:1606.03498, Section 3: five ways to steady the game, without labels.

One-sided label smoothing, minibatch discrimination, feature matching, historical averaging (off unless asked for: the
paper gives no strength) and virtual batch norm (for ``--reference``; without it batch norm, as in the authors' code).

Minibatch discrimination and feature matching compare the samples of a batch: with ``--accumulate``, or on several
processes, those of each part, of at least 2. (A kernel's sum over a part is multiplied up to that over a batch.)

Departures from the authors' code for CIFAR-10 (openai/improved-gan), which learns classes, too: DCGAN's networks, with
gains in batch norm, eps 1e-5 and running statistics for samples (there none, 1e-6, the batch's); no dropout or noise in
the critic, whose initial weights are He's, of learned lengths (there N(0, 0.05^2), of lengths set from data). Kernels
are set from a batch, not 500 samples. G minimises -log D(G(z)) once per critic update, not log(1 - D(G(z))) three
times, or matches features in squared L2, as in the paper, not in L1. Smoothing is the paper's; that code has none.
Latents are U[-1, 1], not U[0, 1]. The learning rate stays; theirs falls to 0 over the last third of 600,000 updates.
Adam's eps is added to the root: at gradients of 1e-4 its steps are 1.41 times theirs. On points, MLPs.
"""

from functools import partial
from typing import Literal

from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.core.random import generator as random
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks import dcgan
from zerosum.networks.common import he_normal
from zerosum.networks.layers.virtual_batch_norm import Referenced, VirtualBatchNorm
from zerosum.networks.minibatch_critic import MinibatchCritic
from zerosum.networks.pairs import Pair, points_pair
from zerosum.objectives.smoothed_loss import smoothed
from zerosum.parts.first_batch import drawn_seed, first_batch
from zerosum.penalties.matching import feature_matching, historical
from zerosum.registry import About
from zerosum.systems import Batch, Coupling, Recipe, two_player

ABOUT = About("Salimans et al.", 2016, "1606.03498", objective="smoothed", penalty="matching")
MOVED = {"D/net.": "D/"}
ADDED = {"calibrated": False}


def recipe(
    data: Data,
    *,
    generator: Literal["non-saturating", "feature-matching"] = "non-saturating",
    smoothing: float = 0.1,
    kernels: int = 100,
    dims: int = 5,
    calibrated: bool = True,
    averaging: float = 0.0,
    reference: int = 0,
    latent: int = 100,
    width: int = 64,
    kernel: int = 5,
    lr: float = 3e-4,
    beta1: float = 0.5,
    batch_size: int = 100,
    steps: int = 50_000,
) -> Recipe:
    """Play against a critic with smoothed targets that compares the samples of a batch, or match its mean features.

    Args:
        generator: What G minimises: -log D(G(z)), or the distance between mean features of real and of its samples.
        smoothing: Distance of the critic's target for real samples from 1.
        kernels: Kernels of minibatch discrimination. 0: without it.
        dims: Dimension of the space in which each kernel compares samples.
        calibrated: Whether each kernel has a trained scale and bias, set from a batch of data, as in the authors' code.
        averaging: Strength of historical averaging, of both players. 0: without it.
        reference: Samples in the reference batch of the generator's virtual batch norm. 0: plain batch norm.
        batch_size: Real samples per update; they are compared with each other, within each process and part.
    """
    objective = smoothed(smoothing)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.d(n.D(b.x), n.D(n.G(b.z)))}

    def fooling(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.g(None, n.D(n.G(b.z)))}

    def matching(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"match": feature_matching(n.D.judge(b.x).features, n.D.judge(n.G(b.z)).features)}

    g, d = networks(data.shape, latent, width, kernel, reference)
    if kernels:
        batch, samples = (batch_size, first_batch(data, batch_size)) if calibrated else (None, None)
        d = MinibatchCritic(d, kernels, dims, wrap=weight_norm, scaled=calibrated, batch=batch, samples=samples)
    coupled = (Coupling("minibatch discrimination", least=2),) if kernels else ()
    g_loss = {"non-saturating": fooling, "feature-matching": matching}[generator]
    opt = historical(adam(lr, beta1=beta1), averaging) if averaging else adam(lr, beta1=beta1)
    return two_player(
        g, d, d_loss, g_loss, opt=opt, latent=uniform(latent), batch_size=batch_size, steps=steps, coupled=coupled
    )


def networks(shape: tuple[int, ...], latent: int, width: int, kernel: int, reference: int) -> Pair:
    """A generator, and a critic without batch norm, which would hide from it how mean features differ."""
    if len(shape) == 1:
        if reference:
            raise ValueError("virtual batch norm needs images; on points the generator has no batch norm: reference=0")
        return points_pair(shape, latent)
    channels, size, _ = shape
    critic = dcgan.Critic(width, size, channels, kernel, norm=nn.Identity, wrap=weight_norm, bias=True, init=he_normal)
    if not reference:
        return dcgan.Generator(latent, width, size, channels, kernel), critic
    norm = partial(VirtualBatchNorm, reference=reference)
    net = dcgan.Generator(latent, width, size, channels, kernel, norm=norm)
    return Referenced(net, uniform(latent)(reference, random(drawn_seed(), "reference"))), critic
