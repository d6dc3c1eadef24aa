"""A generator and a critic that fit the data: what most recipes start from."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from zerosum.networks import dcgan, mlp, resnet
from zerosum.networks.common import Norm, Wrap, he_normal, keep
from zerosum.networks.layers import BatchNorm, LayerNorm


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


def wgan_gp_pair(shape: Sequence[int], latent: int, width: int | None) -> dict[str, nn.Module]:
    """WGAN-GP's networks: residual at 32 and 64 pixels, DCGAN's at other sizes, MLPs on points."""
    if len(shape) == 1:
        return points_pair(shape, latent, 512 if width is None else width)
    channels, size, _ = shape
    if size not in resnet.WGAN_GP:
        return dcgan_pair(shape, latent, 64 if width is None else width, kernel=5, norm=LayerNorm)
    norm = nn.Identity if size == 32 else LayerNorm
    plans = resnet.WGAN_GP
    return {
        "G": resnet.Generator(latent, width, size, channels, plans=plans, init=he_normal),
        "D": resnet.Critic(width, size, channels, plans=plans, norm=norm, init=he_normal),
    }
