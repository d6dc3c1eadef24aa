"""Kernel distance: squared maximum mean discrepancy with a cubic kernel, by subsets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.measure import VECTORS, Context, Measure, Number, Option, smaller
from zerosum.metrics.shared.kernels import polynomial_kernel, unbiased_mmd2
from zerosum.metrics.shared.ordering import DRAWN
from zerosum.metrics.sides import Side

SUBSETS = 100
SUBSET_SIZE = 1000


class KernelDistance(NamedTuple):
    """Mean and standard deviation (``ddof=0``) of MMD^2 over subsets; the mean can be slightly below 0."""

    mean: float
    std: float


def kernel_distance(
    x: Tensor, y: Tensor, *, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = 0
) -> KernelDistance:
    """Mean of the unbiased MMD^2 over random subsets: KID where the features are Inception's.

    Binkowski et al. 2018, arXiv:1801.01401, Section 4, with 100 subsets of 1000. The subsets overlap, so the standard
    deviation says how much one subset's value varies, and is not a standard error of the mean.

    Args:
        x: Features of one set, (N, D).
        y: Features of the other, (M, D).
        subsets: Number of pairs of subsets.
        subset_size: Samples of each set in a subset, drawn without replacement.
        seed: Seed of the subsets.

    Raises:
        ValueError: A set has fewer samples than a subset, or the features do not fit together, are not finite, or so
            large that their kernel is not.
    """
    _require_alike(x, y)
    fewest = min(len(x), len(y))
    if fewest < subset_size:
        raise ValueError(
            f"subsets of {subset_size} cannot be drawn from {fewest} samples: take more samples, or a subset size of "
            f"at most {fewest} (which is to be reported with the value)"
        )
    if subset_size < 2 or subsets < 1:
        raise ValueError(
            f"a kernel distance needs at least 1 subset of at least 2 samples, not {subsets} of {subset_size}"
        )
    rng = generator(seed, "kernel distance")
    values = torch.empty(subsets, dtype=torch.float64)
    for i in range(subsets):
        a, b = (f[torch.randperm(len(f), generator=rng)[:subset_size].to(f.device)].double() for f in (x, y))
        values[i] = unbiased_mmd2(polynomial_kernel(a, a), polynomial_kernel(b, b), polynomial_kernel(a, b))
    if not bool(values.isfinite().all()):
        raise ValueError("the features are so large that their cubic kernel does not fit into float64: rescale them")
    return KernelDistance(float(values.mean()), float(values.std(correction=0)))


def _require_alike(x: Tensor, y: Tensor) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"features must be (N, D) and (M, D), not {tuple(x.shape)} and {tuple(y.shape)}")
    if not bool(x.isfinite().all()) or not bool(y.isfinite().all()):
        raise ValueError("features hold NaN or infinity: they have no kernel")


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    subsets = context.options.get("subsets", SUBSETS)
    size = context.options.get("subset_size") or min(SUBSET_SIZE, fake.images.count, real.images.count)
    vectors = (side.ordered_vectors(context.device) for side in (fake, real))
    found = kernel_distance(*vectors, subsets=subsets, subset_size=size, seed=context.seed)
    return [Number("kid", found.mean, {"deviation": found.std}, {"subset_size": size})]


MEASURE = Measure(
    name="kid",
    summary=f"kernel distance, {SUBSETS} subsets of {SUBSET_SIZE:,} (Binkowski 2018)",
    run=_measure,
    directions={"kid": "lower"},
    constants={"subsets": SUBSETS, **DRAWN},
    options={
        "subsets": Option(
            default=SUBSETS, text="pairs of subsets that the mean is over", source="Bińkowski et al. 2018"
        ),
        "subset_size": Option(
            default=SUBSET_SIZE,
            text="images in a subset (by default fewer where a set has fewer)",
            source="Bińkowski et al. 2018",
            least=2,
            most=smaller,
            gives_way=True,
        ),
    },
    reads=VECTORS,
)
