"""SAGAN. Zhang et al. 2019, arXiv:1805.08318: self-attention and spectral norm in both players, two learning rates.

Departures from the paper: queries, keys and values as in the authors' code (its keys and values are max-pooled, its
values have C/2 channels); the critic's residual blocks are the wide ones of that code, and initial weights are its
own: Glorot uniform with gain 1 throughout. Departures from that code: running statistics of batch norm keep 0.9 of
what they were at each update; there they keep 0.999 in blocks and 0.9999 after them, and after 1,000 updates would
still be 37% and 90% what they began with. Adam's beta2 is 0.9, not 0.999; the statistics of a batch are those of one
process, there of each device's 64 images. That code has 128 pixels alone.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn

from zerosum.conditioning import projection
from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import each, labels, normal
from zerosum.networks import resnet
from zerosum.networks.common import glorot_uniform
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.recompute import Caller, directly, recomputed
from zerosum.networks.pairs import Pair
from zerosum.objectives import hinge
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, labelled_shape, two_player

ABOUT = About("Zhang et al.", 2019, "1805.08318", objective="hinge", penalty="spectral-norm")
ATTENTION = {32: 16, 48: 24, 64: 32, 128: 32}  # pixels a side at which to attend; published: 128 pixels


def recipe(
    data: Data,
    *,
    latent: int = 128,
    g_width: int | None = None,
    d_width: int | None = None,
    attention: int | None = None,
    g_lr: float = 1e-4,
    d_lr: float = 4e-4,
    beta1: float = 0.0,
    beta2: float = 0.9,
    n_critic: int = 1,
    recompute: bool = False,
    batch_size: int = 256,
    steps: int = 1_000_000,
) -> Recipe:
    """Play SNGAN's game with labels, both players attending to the whole image at one size.

    Args:
        g_width: Unit of channels of the generator. None: 256 at 32 pixels, 64 at other sizes.
        d_width: Unit of channels of the critic. None: 128 at 32 pixels, 64 at other sizes.
        attention: Pixels a side at which both attend. None: 32 at 128 and 64 pixels, half the size below.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.d(n.D(b.x, b.y), n.D(n.G(b.z, b.c), b.c))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.g(None, n.D(n.G(b.z, b.c), b.c))}

    channels, size, classes = labelled_shape(data, instead="sngan")
    at = (ATTENTION.get(size, size) if attention is None else attention,)
    run = recomputed if recompute else directly
    g, d = networks(size, channels, classes, latent=latent, g_width=g_width, d_width=d_width, attention=at, run=run)
    return two_player(
        g,
        d,
        d_loss,
        g_loss,
        d_opt=adam(d_lr, beta1=beta1, beta2=beta2),
        g_opt=adam(g_lr, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"z": each(normal(latent)), "c": each(labels(classes))},
        classes=classes,
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
        project={"G": power_iteration(g), "D": power_iteration(d)},
    )


def networks(
    size: int,
    channels: int,
    classes: int,
    *,
    latent: int = 128,
    g_width: int | None = None,
    d_width: int | None = None,
    attention: Sequence[int] = (32,),
    run: Caller = directly,
) -> Pair:
    """The networks of this size for this many classes."""
    norm = partial(ClassBatchNorm, classes=classes)
    both: dict[str, Any] = {"plans": resnet.SAGAN, "wrap": spectral_norm, "attention": attention, "run": run}
    both["init"] = glorot_without_gain
    critic = resnet.Critic(d_width, size, channels, **both)
    generator = resnet.Generator(latent, g_width, size, channels, norm=norm, last_norm=BatchNorm, **both)
    return generator, projection.Critic(critic, classes, wrap=spectral_norm, init=glorot_uniform)


def glorot_without_gain(layer: nn.Module, gain: float) -> None:
    """Glorot uniform weights of gain 1, also where residual networks of other papers have sqrt(2)."""
    glorot_uniform(layer, 1.0)
