"""``cmmd``: the maximum mean discrepancy of CLIP embeddings with a Gaussian kernel.

Jayasumana, Ramalingam, Veit, Glasner, Chakrabarti and Kumar 2024, "Rethinking FID: Towards a Better Evaluation Metric
for Image Generation" (arXiv:2401.09603). The number is that of the authors' code
(github.com/google-research/google-research, ``cmmd/distance.py``): the estimate with the diagonals, which is biased and
never below 0, times 1,000. Image by image: see ``features/clip.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from zerosum.metrics.measure import VECTORS, Context, Measure, Number
from zerosum.metrics.score import Plain
from zerosum.metrics.sides import Side

SIGMA = 10.0
SCALE = 1000.0
CONSTANTS: dict[str, Plain] = {"sigma": SIGMA, "scale": SCALE, "estimate": "biased"}
_LARGEST = 2048  # points on a side of a tile
_PAIR_BYTES = 32  # of a tile, per pair


def gaussian_mmd2(
    x: Tensor, y: Tensor, *, sigma: float = SIGMA, unbiased: bool = False, memory_mib: float = 512.0
) -> float:
    """Squared maximum mean discrepancy with the kernel exp(-|a - b|^2 / (2 sigma^2)), in float64.

    Gretton et al. 2012, JMLR 13: Eq. 5 is the biased estimate, which counts the kernel of each point with itself, and
    Eq. 3 the unbiased one. What is added up is 1 - kernel, whose digits survive where the kernel is nearly 1, as it is
    between points of unit length for sigma = 10.

    Args:
        x: Points of one set, (N, D).
        y: Points of the other, (M, D).
        sigma: Width of the kernel.
        unbiased: Whether to take the unbiased estimate, which can be below 0.
        memory_mib: Cap on the memory for pairs, in MiB.

    Raises:
        ValueError: The points do not fit together or are not finite, there are too few, or sigma is not positive.
    """
    _require_comparable(x, y, sigma, least=2 if unbiased else 1)
    centre = (x.double().mean(0) + y.double().mean(0)) / 2  # distances of centred points keep their digits
    a, b = ((points.double() - centre) / sigma for points in (x, y))
    side = max(1, min(_LARGEST, math.isqrt(int(memory_mib * 2**20) // _PAIR_BYTES)))
    n, m = len(a), len(b)
    within = [_sum_apart(one, one, side, symmetric=True) for one in (a, b)]
    pairs = [k * (k - 1) if unbiased else k * k for k in (n, m)]
    apart = _sum_apart(a, b, side) / (n * m)
    found = 2 * apart - within[0] / pairs[0] - within[1] / pairs[1]
    return found if unbiased else max(found, 0.0)


def _require_comparable(x: Tensor, y: Tensor, sigma: float, least: int) -> None:
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"points must be (N, D) and (M, D), not {tuple(x.shape)} and {tuple(y.shape)}")
    if min(len(x), len(y)) < least:
        raise ValueError(f"this estimate needs {least} or more points on each side, not {len(x)} and {len(y)}")
    if not bool(x.isfinite().all()) or not bool(y.isfinite().all()):
        raise ValueError("points hold NaN or infinity: they have no kernel")
    if not (math.isfinite(sigma) and sigma > 0):
        raise ValueError(f"sigma must be positive, not {sigma:g}")


def _sum_apart(a: Tensor, b: Tensor, side: int, *, symmetric: bool = False) -> float:
    """The sum of 1 - exp(-|x - y|^2 / 2) over all pairs; of one set with itself, over each pair twice."""
    norms = a.square().sum(1), b.square().sum(1)
    total = a.new_zeros(())
    for rows, columns in _tiles(len(a), len(b), side, symmetric):
        squared = (a[rows] @ b[columns].T).mul_(-2).add_(norms[0][rows, None]).add_(norms[1][columns])
        if symmetric and rows == columns:
            squared.fill_diagonal_(0)
        part = squared.clamp_(min=0).mul_(-0.5).expm1_().sum()
        total -= 2 * part if symmetric and rows != columns else part
    return float(total)


def _tiles(n: int, m: int, side: int, symmetric: bool) -> Iterator[tuple[slice, slice]]:
    for row in range(0, n, side):
        for column in range(row if symmetric else 0, m, side):
            yield slice(row, row + side), slice(column, column + side)


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    # In the order of the images' hashes, so that sums do not depend on the order in which they came.
    vectors = (side.ordered_vectors(context.device) for side in (fake, real))
    return [Number("cmmd", SCALE * gaussian_mmd2(*vectors, memory_mib=context.memory_mib))]


MEASURE = Measure(
    name="cmmd",
    summary="kernel distance of CLIP embeddings (Jayasumana 2024)",
    run=_measure,
    directions={"cmmd": "lower"},
    constants=CONSTANTS,
    reads=VECTORS,
    features="clip",
    published_on=None,
)
