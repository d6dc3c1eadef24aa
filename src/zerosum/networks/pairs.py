"""A generator and a critic that fit the data: what most recipes start from."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from zerosum.networks import dcgan, mlp
from zerosum.networks.common import Norm, Wrap, keep
from zerosum.networks.layers import BatchNorm


def points_pair(shape: Sequence[int], latent: int, width: int = 128, *, wrap: Wrap = keep) -> dict[str, nn.Module]:
    """MLPs with three hidden layers of ``width``, as in the toy experiments of WGAN-GP, where it is 512."""
    hidden = (width,) * 3
    return {"G": mlp.Generator(latent, hidden, shape), "D": mlp.Critic(shape, hidden, wrap=wrap)}


def dcgan_pair(
    shape: Sequence[int], latent: int, width: int, kernel: int, *, norm: Norm = BatchNorm, wrap: Wrap = keep
) -> dict[str, nn.Module]:
    """A DCGAN generator with batch norm, and its mirror image as critic with ``norm``, for images of ``shape``."""
    channels, size, _ = shape
    generator = dcgan.Generator(latent, width, size, channels, kernel)
    return {"G": generator, "D": dcgan.Critic(width, size, channels, kernel, norm=norm, wrap=wrap)}
