"""Bootstrap intervals of measures that stand resampling with replacement.

About 37 % of a set are missing from a resampled one, and duplicates stand in for them. A mean over samples does not
mind. A Fréchet distance does: drawing N from N samples adds the bias of N samples to values that have it already, so
the interval lies above the value that it is for, often without holding it. Its uncertainty comes from repeated
sampling. MMD minds unless pairs of one and the same sample are left out, which :func:`bootstrap_mmd2` does.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.kernel import unbiased_mmd2

RESAMPLES = 1000
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A value with its percentile interval (Efron 1979).

    ``bias`` is the mean of the resampled values less the value. Where it is not small against ``high - low``, as for
    an Inception Score of few images, resampling changes the measure itself and the interval is not to be trusted.
    """

    value: float
    low: float
    high: float
    bias: float


def bootstrap_interval(
    measure: Callable[[Tensor], float],
    n: int,
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a measure of n samples.

    Args:
        measure: indices (n,) int64 of samples, with repeats -> value, such as
            ``lambda chosen: inception_score(logits[chosen]).mean``. Never a Fréchet distance; see above.
        n: number of samples.
        resamples: how many sets to draw.
        confidence: share of the resampled values within the interval.
        seed: of the draws.

    Raises:
        ValueError: if there are fewer than 2 samples, no resamples, or the confidence is not between 0 and 1.
    """
    _require(n, resamples, confidence)
    rng = generator(seed, "bootstrap")
    drawn = [measure(torch.randint(n, (n,), generator=rng)) for _ in range(resamples)]
    return _interval(measure(torch.arange(n)), torch.tensor(drawn, dtype=torch.float64), confidence)


def bootstrap_mean(
    samples: Tensor, *, resamples: int = RESAMPLES, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """Percentile interval of the mean of per-sample values (N,): of a precision, recall, density, coverage, accuracy.

    Resampling the samples with all else fixed leaves out the uncertainty of what they are compared with.

    Raises:
        ValueError: as :func:`bootstrap_interval`, or if the values are not a vector of finite numbers.
    """
    if samples.ndim != 1 or not bool(samples.isfinite().all()):
        raise ValueError(f"needs a vector of finite values, one per sample, not shape {tuple(samples.shape)}")
    values = samples.detach().to("cpu", torch.float64)
    return bootstrap_interval(
        lambda i: float(values[i].mean()), len(values), resamples=resamples, confidence=confidence, seed=seed
    )


def bootstrap_mmd2(
    kxx: Tensor,
    kyy: Tensor,
    kxy: Tensor,
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """Percentile interval of the unbiased MMD^2 from kernel matrices (N, N), (M, M), (N, M); both sides resampled.

    A sample drawn w times counts with weight w, and pairs (i, j) with i != j only: k(x, x) of a duplicate with itself
    would raise the value.

    Raises:
        ValueError: as :func:`bootstrap_interval` and :func:`zerosum.metrics.kernel.unbiased_mmd2`.
    """
    n, m = kxy.shape
    value = unbiased_mmd2(kxx, kyy, kxy)
    _require(min(n, m), resamples, confidence)
    rng = generator(seed, "bootstrap mmd")
    a, b = (_weights(size, resamples, rng).to(kxy) for size in (n, m))
    across = ((a @ kxy) * b).sum(dim=1) / (n * m)
    drawn = _weighted_pairs(kxx, a) + _weighted_pairs(kyy, b) - 2 * across
    return _interval(value, drawn.to("cpu", torch.float64), confidence)


def _weights(n: int, resamples: int, rng: torch.Generator) -> Tensor:
    """How often each of n samples is drawn in n draws with replacement: (resamples, n)."""
    drawn = (torch.bincount(torch.randint(n, (n,), generator=rng), minlength=n) for _ in range(resamples))
    return torch.stack(list(drawn))


def _weighted_pairs(kernel: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of a kernel matrix off its diagonal, by each row of weights."""
    squares = weights.square()
    total = weights.sum(dim=1).square() - squares.sum(dim=1)
    if not bool((total > 0).all()):
        raise ValueError("a resampled set holds one sample only: take more samples")
    return (((weights @ kernel) * weights).sum(dim=1) - squares @ kernel.diagonal()) / total


def _require(n: int, resamples: int, confidence: float) -> None:
    if n < 2 or resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"needs at least 2 samples, 1 resample and a confidence between 0 and 1, not {n}, {resamples}, {confidence}"
        )


def _interval(value: float, drawn: Tensor, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = drawn.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return Interval(value, low, high, float(drawn.mean()) - value)
