"""A generator and a critic that fit the data, (G, D): what most recipes start from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from zerosum.networks import dcgan, mlp, resnet
from zerosum.networks.common import (
    Activation,
    Init,
    Norm,
    Wrap,
    dcgan_init,
    glorot_uniform,
    he_uniform,
    keep,
    uniform,
)
from zerosum.networks.layers import BatchNorm, LayerNorm, Maxout

Pair = tuple[nn.Module, nn.Module]  # generator, critic


def points_pair(shape: Sequence[int], latent: int, width: int = 128, *, wrap: Wrap = keep) -> Pair:
    """MLPs with three hidden layers of ``width`` and torch's own initial weights."""
    hidden = (width,) * 3
    return mlp.Generator(latent, hidden, shape), mlp.Critic(shape, hidden, wrap=wrap)


def toy_pair(shape: Sequence[int], latent: int, width: int | None = None, *, activation: Activation = F.relu) -> Pair:
    """The MLPs of WGAN-GP's toy experiments, which start from the weights of the authors' code.

    Hidden layers have uniform weights of variance 2 / fan_in, last layers Glorot's, and all biases are 0.

    Args:
        shape: Shape of a sample: (2,).
        latent: Dimension of z.
        width: Units of each of the three hidden layers; ``None`` for the published 512.
        activation: Applied after each hidden layer of the critic.
    """
    hidden = (512 if width is None else width,) * 3
    return (
        mlp.Generator(latent, hidden, shape, init=he_uniform, last_init=glorot_uniform),
        mlp.Critic(shape, hidden, activation=activation, init=he_uniform, last_init=glorot_uniform),
    )


def dcgan_pair(
    shape: Sequence[int],
    latent: int,
    width: int,
    kernel: int,
    *,
    norm: Norm = BatchNorm,
    wrap: Wrap = keep,
    init: Init = dcgan_init,
) -> Pair:
    """A DCGAN generator with batch norm, and its mirror image as critic with ``norm``. On points, :func:`points_pair`.

    Args:
        shape: Shape of a sample: (C, H, W), or (2,).
        latent: Dimension of z.
        width: Channels of the generator's last hidden layer and of the critic's first; not read on points.
        kernel: Side of the kernels, in pixels; not read on points.
        norm: Function from a number of channels to a normalisation layer of the critic; not read on points.
        wrap: Applied to each of the critic's layers.
        init: Function that sets the weights of one layer; not read on points.
    """
    if len(shape) == 1:
        return points_pair(shape, latent, wrap=wrap)
    channels, size, _ = shape
    generator = dcgan.Generator(latent, width, size, channels, kernel, init=init)
    return generator, dcgan.Critic(width, size, channels, kernel, norm=norm, wrap=wrap, init=init)


def penalised_pair(shape: Sequence[int], latent: int, width: int, kernel: int, penalty_weight: float) -> Pair:
    """:func:`dcgan_pair`; under a penalty the critic has layer norm, so that the slope at a sample is its own.

    Args:
        shape: Shape of a sample: (C, H, W), or (2,).
        latent: Dimension of z.
        width: Channels of the generator's last hidden layer and of the critic's first; not read on points.
        kernel: Side of the kernels, in pixels; not read on points.
        penalty_weight: Weight of a penalty on the slope of the critic; 0 where there is none.
    """
    return dcgan_pair(shape, latent, width, kernel, norm=LayerNorm if penalty_weight else BatchNorm)


def maxout_pair(shape: Sequence[int], latent: int, width: int) -> Pair:
    """The first GAN's: a rectifier generator and a maxout critic, as in its experiments on digits. MLPs on points.

    Args:
        shape: Of a sample: (C, H, W), or (2,).
        latent: Dimension of z.
        width: Units of each hidden layer on points; not read on images.
    """
    if len(shape) == 1:
        return points_pair(shape, latent, width)
    generator = mlp.Generator(latent, (1200, 1200), shape, output=torch.tanh)
    return generator, mlp.Critic(shape, (240, 240), layer=Maxout, activation=nn.Identity())


def wgan_gp_pair(shape: Sequence[int], latent: int, width: int | None) -> Pair:
    """WGAN-GP's networks and initial weights: residual at 32 and 64 pixels, DCGAN's at other sizes, MLPs on points."""
    if len(shape) == 1:
        return toy_pair(shape, latent, width)
    channels, size, _ = shape
    if size not in resnet.WGAN_GP:
        unit = 64 if width is None else width
        return dcgan_pair(shape, latent, unit, kernel=5, norm=LayerNorm, init=uniform(0.02))
    norm = nn.Identity if size == 32 else LayerNorm
    plans = resnet.WGAN_GP
    return (
        resnet.Generator(latent, width, size, channels, plans=plans, init=glorot_uniform),
        resnet.Critic(width, size, channels, plans=plans, norm=norm, init=glorot_uniform),
    )
