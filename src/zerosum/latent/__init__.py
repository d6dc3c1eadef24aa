"""Latents: priors, walks between them, directions, truncation, inversion."""

from zerosum.latent import arithmetic, directions, interpolate, invert, priors, truncation
from zerosum.latent.arithmetic import around, combine
from zerosum.latent.directions import Directions, first_layers, sefa
from zerosum.latent.interpolate import lerp, slerp, way_for
from zerosum.latent.invert import Inversion, psnr
from zerosum.latent.priors import each, labels, labels_like, normal, normal_like, per_sample, uniform, uniform_like
from zerosum.latent.truncation import truncated

__all__ = [
    "Directions",
    "Inversion",
    "arithmetic",
    "around",
    "combine",
    "directions",
    "each",
    "first_layers",
    "interpolate",
    "invert",
    "labels",
    "labels_like",
    "lerp",
    "normal",
    "normal_like",
    "per_sample",
    "priors",
    "psnr",
    "sefa",
    "slerp",
    "truncated",
    "truncation",
    "uniform",
    "uniform_like",
    "way_for",
]


def __dir__() -> list[str]:
    return __all__
