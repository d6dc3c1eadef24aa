"""Bootstrap intervals of measures that stand resampling with replacement.

About 37% of a set are missing from a resampled one, and duplicates stand in for them. A mean over samples does not
mind. A Fréchet distance does: drawing N from N samples adds the bias of N samples to values that have it already, so
the interval lies above the value that it is for, often without holding it. Its uncertainty comes from repeated
sampling. So does an MMD's: k(x, x) of a duplicate with itself raises it.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.random import generator

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
        measure: Function from indices of samples, int64 (n,) with repeats, to a value, such as
            ``lambda chosen: inception_score(logits[chosen]).mean``. Never a Fréchet distance; see above.
        n: Number of samples.
        resamples: Number of sets to draw.
        confidence: Share of the resampled values within the interval.
        seed: Seed of the draws.

    Raises:
        ValueError: There are fewer than 2 samples or no resamples, or the confidence is not between 0 and 1.
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

    Args:
        samples: Values, one per sample, (N,).
        resamples: Number of sets to draw.
        confidence: Share of the resampled means within the interval.
        seed: Seed of the draws.

    Raises:
        ValueError: The values are not a vector of finite numbers, or :func:`bootstrap_interval` refuses the arguments.
    """
    if samples.ndim != 1 or not bool(samples.isfinite().all()):
        raise ValueError(f"a bootstrap needs a vector of finite values, not shape {tuple(samples.shape)}")
    values = samples.detach().to("cpu", torch.float64)
    return bootstrap_interval(
        lambda i: float(values[i].mean()), len(values), resamples=resamples, confidence=confidence, seed=seed
    )


def _require(n: int, resamples: int, confidence: float) -> None:
    if n < 2 or resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"a bootstrap needs at least 2 samples, 1 resample and a confidence between 0 and 1, "
            f"not {n}, {resamples}, {confidence}"
        )


def _interval(value: float, drawn: Tensor, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = drawn.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return Interval(value, low, high, float(drawn.mean()) - value)
