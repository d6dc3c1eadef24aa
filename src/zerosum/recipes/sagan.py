"""SAGAN. Zhang et al. 2019, arXiv:1805.08318: self-attention and spectral norm in both players, two learning rates.

Departures from the paper: queries, keys and values as in the authors' code (its keys and values are max-pooled, its
values have C/2 channels); the critic's residual blocks are the wide ones of that code; batch-norm statistics are those
of one process's batch.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn

from zerosum.conditioning import projection
from zerosum.conditioning.batch_norm import ClassBatchNorm
from zerosum.constraints import power_iteration, spectral_norm
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.networks import resnet
from zerosum.networks.common import glorot_uniform
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.recompute import Run, directly, recomputed
from zerosum.objectives import hinge
from zerosum.parts.classes import drawing
from zerosum.recipe import ClassBatch, Phase, Recipe, labelled_images

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
    """Build the recipe.

    Args:
        data: what to learn; it must have labels, and 32, 48, 64 or 128 pixels a side.
        latent: dimension of z ~ N(0, I).
        g_width: the generator's unit of channels. None: 256 at 32 pixels, 64 at other sizes.
        d_width: the critic's unit of channels. None: 128 at 32 pixels, 64 at other sizes.
        attention: pixels a side at which both attend. None: 32 at 128 and 64 pixels, half the size below.
        g_lr: Adam's learning rate, of the generator.
        d_lr: Adam's learning rate, of the critic.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        n_critic: critic updates per generator update.
        recompute: keep less for the backward pass, and compute each block twice?
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    channels, size, classes = labelled_images(data, instead="sngan")
    at = (ATTENTION.get(size, size) if attention is None else attention,)
    run = recomputed if recompute else directly
    nets = networks(size, channels, classes, latent=latent, g_width=g_width, d_width=d_width, attention=at, run=run)

    def d_loss(n: Nets, b: ClassBatch, m: Memory) -> Terms:
        return {"hinge": hinge.d(n.D(b.x, b.y), n.D(n.G(b.z, b.c), b.c))}

    def g_loss(n: Nets, b: ClassBatch, m: Memory) -> Terms:
        return {"hinge": hinge.g(None, n.D(n.G(b.z, b.c), b.c))}

    game = Game(
        nets,
        opts={"D": adam(d_lr, beta1=beta1, beta2=beta2), "G": adam(g_lr, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
        project={name: power_iteration(net) for name, net in nets.items()},
    )

    return Recipe((Phase(game, steps),), batch_size, *drawing(latent, classes))


def networks(
    size: int, channels: int, classes: int, *, latent: int = 128, g_width: int | None = None,
    d_width: int | None = None, attention: Sequence[int] = (32,), run: Run = directly,
) -> dict[str, nn.Module]:  # fmt: skip
    """The networks of this size for so many classes."""
    norm = partial(ClassBatchNorm, classes=classes)
    both: dict[str, Any] = {"plans": resnet.SAGAN, "wrap": spectral_norm, "attention": attention, "run": run}
    critic = resnet.Critic(d_width, size, channels, **both)
    return {
        "G": resnet.Generator(latent, g_width, size, channels, norm=norm, last_norm=BatchNorm, **both),
        "D": projection.Critic(critic, classes, wrap=spectral_norm, init=glorot_uniform),
    }
