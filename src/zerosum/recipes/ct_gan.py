"""CT-GAN. Wei et al. 2018, arXiv:1803.01541: WGAN-GP with a consistency term on two dropout passes of the same data.

As in the authors' code (github.com/biuyq/CT-GAN): networks and initial weights, those of WGAN-GP's code at 32 and 64
pixels, DCGAN's with leaky ReLU and no norm in the critic at other sizes, and on points the MLPs of WGAN-GP's toy
experiment; dropout wherever the critic runs, after its last three residual blocks at 32 and 64 pixels (0.2, 0.5, 0.5),
after each layer of the others (0.5); G's batch is twice the critic's; lr decays to 0. Departures: no labels, no noise
U[0, 1/128] on real images, and the settings of 32 pixels throughout; the DCGAN generator has no biases, and its first
layer is normalised by channels instead of by units; samples are normalised by running statistics, not by those of their
own batch.
"""

from torch import nn

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.latent.priors import each, normal, per_sample
from zerosum.networks import dcgan, resnet
from zerosum.networks.common import glorot_uniform, strided_glorot_uniform
from zerosum.networks.layers import LayerNorm
from zerosum.networks.layers.dropout import Dropout
from zerosum.networks.pairs import Pair, toy_pair
from zerosum.objectives import wasserstein
from zerosum.penalties.consistency_term import consistency
from zerosum.penalties.gradient import wgan_gp
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Wei et al.", 2018, "1803.01541", objective="wasserstein", penalty="consistency, wgan-gp")
MOVED = {"F/net.": "D/"}


def recipe(
    data: Data,
    *,
    latent: int = 128,
    width: int | None = None,
    lr: float = 2e-4,
    beta1: float = 0.0,
    beta2: float = 0.9,
    n_critic: int = 5,
    penalty_weight: float = 10.0,
    consistency_weight: float = 2.0,
    margin: float = 0.0,
    batch_size: int = 64,
    steps: int = 100_000,
) -> Recipe:
    """Minimise the Wasserstein-1 distance with a critic that says the same twice of real samples under dropout.

    Args:
        width: Unit of channels of both networks. None: 128 at 32 pixels, 64 at other sizes, 512 units on points.
        lr: Learning rate of both players at the start.
        penalty_weight: Weight of the penalty: lambda_1.
        consistency_weight: Weight of the consistency term: lambda_2.
        margin: Difference between two passes that costs nothing: M'.
        batch_size: Real samples per update, of the critic; the generator's batch is twice that.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake, one, two = n.G(b.z[: len(b.x)]), n.D.judge(b.x), n.D.judge(b.x)
        return {
            "w": wasserstein.d(one.logits, n.D(fake)),
            "gp": penalty_weight * wgan_gp(n.D, b.x, fake, b.eps),
            "ct": consistency_weight * consistency(one, two, margin),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.g(None, n.D(n.G(b.z)))}

    prior = normal(latent)
    d_rate, g_rate = (linear_decay(lr, 0, updates) for updates in (n_critic * steps, steps))
    return two_player(
        *networks(data.shape, latent, width),
        d_loss,
        g_loss,
        d_opt=adam(d_rate, beta1=beta1, beta2=beta2),
        g_opt=adam(g_rate, beta1=beta1, beta2=beta2),
        latent=prior,
        draws={"z": each(prior, times=2), "eps": per_sample},
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
    )


def networks(shape: tuple[int, ...], latent: int, width: int | None) -> Pair:
    """WGAN-GP's networks, with dropout in the critic."""
    if len(shape) == 1:
        return toy_pair(shape, latent, width, activation=nn.Sequential(nn.ReLU(), Dropout(0.5)))
    channels, size, _ = shape
    rates = {32: (0.2, 0.5, 0.5), 64: (0.0, 0.2, 0.5, 0.5)}.get(size)
    if rates is None:
        unit, init = 64 if width is None else width, strided_glorot_uniform
        critic = dcgan.Critic(unit, size, channels, 5, norm=nn.Identity, bias=True, dropout=0.5, init=init)
        return dcgan.Generator(latent, unit, size, channels, 5, init=init), critic
    plans, norm = resnet.WGAN_GP, nn.Identity if size == 32 else LayerNorm
    residual = resnet.Critic(width, size, channels, plans=plans, norm=norm, dropout=rates, init=glorot_uniform)
    return resnet.Generator(latent, width, size, channels, plans=plans, init=glorot_uniform), residual
