"""Modes of a 2-D mixture of Gaussians: how many a generator reaches, how precisely, how evenly."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

SIGMAS = 3.0
IDEAL_QUALITY = 1 - math.exp(-(SIGMAS**2) / 2)
"""Share of true samples within 3 sigma of their mode: the squared distance over sigma^2 is chi-square with 2 degrees of
freedom, whose distribution function is 1 - exp(-x / 2). Exact where modes lie more than 6 sigma apart."""


@dataclass(frozen=True)
class ModeReport:
    """Where samples lie relative to the modes.

    Attributes:
        samples: number of samples.
        covered: modes with at least one high-quality sample: one within 3 sigma (Euclidean) of its nearest mode.
        quality: share of samples that are of high quality.
        divergence: KL(histogram of all samples over their nearest modes || uniform), in nats; 0 .. log(modes).
        counts: high-quality samples of each mode.
    """

    samples: int
    covered: int
    quality: float
    divergence: float
    counts: tuple[int, ...]


def measure_modes(batches: Iterable[Tensor], modes: Tensor, std: float) -> ModeReport:
    """Modes covered and share of high-quality samples; Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, section 4.1.

    Args:
        batches: points (B, 2).
        modes: centres of the mixture (M, 2), equal weights.
        std: standard deviation of each component along each axis.

    Raises:
        ValueError: for no samples, for modes or points that are not in the plane, or for a std that is not positive.
    """
    if modes.ndim != 2 or modes.shape[1] != 2 or len(modes) == 0:
        raise ValueError(f"modes must be points (M, 2), M >= 1, not {tuple(modes.shape)}")
    if not (math.isfinite(std) and std > 0):
        raise ValueError(f"the std of the modes must be positive, not {std}")
    centres = modes.detach().to("cpu", torch.float64)
    good, nearest = torch.zeros(2, len(centres), dtype=torch.int64)
    for points in batches:
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"samples must be points (B, 2), not {tuple(points.shape)}")
        offsets = points.detach().to("cpu", torch.float64)[:, None] - centres
        distance, mode = offsets.square().sum(dim=2).sqrt().min(dim=1)
        nearest += torch.bincount(mode, minlength=len(centres))
        good += torch.bincount(mode[distance <= SIGMAS * std], minlength=len(centres))
    samples = int(nearest.sum())
    if samples == 0:
        raise ValueError("no samples: there is nothing to measure")
    histogram = nearest / samples
    return ModeReport(
        samples=samples,
        covered=int((good > 0).sum()),
        quality=int(good.sum()) / samples,
        # xlogy counts a mode without samples as 0 log 0 = 0.
        divergence=max(0.0, float(torch.xlogy(histogram, histogram * len(centres)).sum())),
        counts=tuple(good.tolist()),
    )
