"""Likelihood against samples: models that have one without the other, and Parzen windows.

Theis et al. 2016 (arXiv:1511.01844): a mixture of narrow Gaussians at the training points makes great samples, and is
surprised by every new point. A hundredth of the true density mixed with noise makes samples that are nearly all noise,
and loses at most log 100 nats of likelihood, however many dimensions there are.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from zerosum.theory.arrays import Array, check_points

_BLOCK = 1 << 22  # pairs of points at a time: 32 MB


def parzen(x: npt.ArrayLike, centres: npt.ArrayLike, bandwidth: float) -> Array:
    """log (1/n sum_i N(x | x_i, bandwidth^2 I)): the log density of a Parzen window with a Gaussian kernel.

    Args:
        x: Points at which to evaluate it, (N, d).
        centres: Centres x_i, (n, d).
        bandwidth: Standard deviation of each Gaussian, in units of the points, above 0.

    Returns:
        Log densities, (N,), in nats.

    Raises:
        ValueError: The points do not fit together, or the bandwidth is not a positive number.
    """
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    at, middle = check_points("x", x), check_points("centres", centres)
    if at.shape[1] != middle.shape[1]:
        raise ValueError(f"x has {at.shape[1]} dimensions and centres {middle.shape[1]}, but they must have the same")
    _check_positive("bandwidth", bandwidth)
    scale = math.log(len(middle)) + middle.shape[1] * (math.log(bandwidth) + math.log(2 * math.pi) / 2)
    size = max(_BLOCK // len(middle), 1)
    blocks = (at[i : i + size] / bandwidth for i in range(0, len(at), size))
    # Squares of differences, not differences of squares, which lose the digits of points that are near.
    sums = [logsumexp(-cdist(block, middle / bandwidth, "sqeuclidean") / 2, axis=1) for block in blocks]
    return np.asarray(np.concatenate(sums) - scale)


def great_samples(x: npt.ArrayLike, train: npt.ArrayLike, epsilon: float) -> Array:
    """log p_1 = log (1/n sum_i N(x | x_i, epsilon I)): great samples, poor likelihood. Theis et al. 2016.

    Theis et al. 2016 (arXiv:1511.01844). It is a Parzen window of bandwidth sqrt(epsilon).

    Args:
        x: Points at which to evaluate it, (N, d).
        train: Points x_i that the model has learnt by heart, (n, d).
        epsilon: Variance around each, in squared units of the points, above 0.

    Returns:
        Log densities, (N,), in nats.

    Raises:
        ValueError: The points do not fit together, or epsilon is not a positive number.
    """
    _check_positive("epsilon", epsilon)
    return parzen(x, train, math.sqrt(epsilon))


def sample_great_samples(train: npt.ArrayLike, epsilon: float, count: int, rng: np.random.Generator) -> Array:
    """Samples of p_1: training points, each with noise of variance epsilon.

    Args:
        train: Training points x_i, (n, d).
        epsilon: Variance of the noise, in squared units of the points, above 0.
        count: Number of samples.
        rng: Source of the choice and the noise.

    Returns:
        Samples, (count, d).

    Raises:
        ValueError: ``train`` does not hold points, or epsilon is not a positive number.
    """
    points = check_points("train", train)
    _check_positive("epsilon", epsilon)
    chosen = points[rng.integers(len(points), size=count)]
    return np.asarray(chosen + math.sqrt(epsilon) * rng.normal(size=chosen.shape))


def great_likelihood(log_p: npt.ArrayLike, log_noise: npt.ArrayLike, *, share: float = 0.01) -> Array:
    """log p_2 = log (share p + (1 - share) noise) >= log p + log share: great likelihood, poor samples.

    Theis et al. 2016 (arXiv:1511.01844), with a share of 0.01: at most log 100 below log p.

    Args:
        log_p: Log density of a good model at some points, of any shape, in nats.
        log_noise: Log density of the noise at the same points.
        share: Share of the samples that are good, above 0 and below 1.

    Returns:
        Log densities at the points, in nats.

    Raises:
        ValueError: The share is out of range.
    """
    _check_fraction(share)
    good, bad = np.asarray(log_p, dtype=np.float64), np.asarray(log_noise, dtype=np.float64)
    return np.asarray(np.logaddexp(good + math.log(share), bad + math.log1p(-share)))


def sample_great_likelihood(
    good: npt.ArrayLike, noise: npt.ArrayLike, rng: np.random.Generator, *, share: float = 0.01
) -> Array:
    """Samples of p_2: each is the good one with probability ``share``, otherwise the noise.

    Args:
        good: Samples of the good model, (N, d).
        noise: Samples of the noise, (N, d).
        rng: Source of the choice.
        share: Share of the samples that are good, above 0 and below 1.

    Returns:
        Samples, (N, d).

    Raises:
        ValueError: The samples do not fit together, or the share is out of range.
    """
    _check_fraction(share)
    first, second = check_points("good", good), check_points("noise", noise)
    if first.shape != second.shape:
        raise ValueError(f"good is {first.shape} and noise {second.shape}; give as many of one as of the other")
    return np.where(rng.random(len(first))[:, None] < share, first, second)


def best_bandwidth(
    train: npt.ArrayLike, validation: npt.ArrayLike, candidates: npt.ArrayLike
) -> tuple[float, dict[float, float]]:
    """The bandwidth under which a Parzen window of ``train`` gives ``validation`` the greatest likelihood.

    This is how Parzen windows were used to score samples of GANs (Goodfellow et al. 2014, arXiv:1406.2661, Section 5).
    Theis et al. 2016 (arXiv:1511.01844) advise against it: in many dimensions the score is far from the likelihood.

    Args:
        train: Centres of the window, (n, d): the generator's samples, where a generator is scored.
        validation: Points, (m, d), none of which is in ``train``; the test set must be a third one.
        candidates: Bandwidths to try, each above 0.

    Returns:
        The best bandwidth, and the mean log likelihood of ``validation`` under each, in nats.

    Raises:
        ValueError: Points or candidates are out of range.
    """
    tried = np.atleast_1d(np.asarray(candidates, dtype=np.float64))
    if tried.ndim != 1 or not tried.size:
        raise ValueError("candidates must hold at least one bandwidth")
    scores = {float(h): float(parzen(validation, train, float(h)).mean()) for h in tried}
    return max(scores, key=lambda h: scores[h]), scores


def _check_positive(name: str, number: float) -> None:
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name}={number}: must be a number above 0")


def _check_fraction(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share={share}: must be above 0 and below 1 (published: 0.01)")
