"""Likelihood against samples: models that have one without the other, and Parzen windows.

Theis et al. 2016 (arXiv:1511.01844): a mixture of narrow Gaussians at the training points makes great samples, and is
surprised by every new point. A hundredth of the true density in noise makes samples that are nearly all noise, and
loses at most log 100 nats of likelihood, however many dimensions there are.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_BLOCK = 1 << 22  # pairs of points at a time: 32 MB


def parzen(x: npt.ArrayLike, centres: npt.ArrayLike, bandwidth: float) -> Array:
    """log (1/n sum_i N(x | x_i, bandwidth^2 I)): the log density of a Parzen window with a Gaussian kernel.

    Args:
        x: where, (N, d).
        centres: the x_i, (n, d).
        bandwidth: standard deviation of each Gaussian, in units of the points, above 0.

    Returns:
        (N,), in nats.

    Raises:
        ValueError: the points do not fit together, or the bandwidth is not a positive number.
    """
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    at, middle = _points("x", x), _points("centres", centres)
    if at.shape[1] != middle.shape[1]:
        raise ValueError(f"x has {at.shape[1]} dimensions and centres {middle.shape[1]}: they must be the same")
    _positive("bandwidth", bandwidth)
    scale = math.log(len(middle)) + middle.shape[1] * (math.log(bandwidth) + math.log(2 * math.pi) / 2)
    size = max(_BLOCK // len(middle), 1)
    blocks = (at[i : i + size] / bandwidth for i in range(0, len(at), size))
    # Squares of differences, and not differences of squares: those lose the digits of points that are near.
    sums = [logsumexp(-cdist(block, middle / bandwidth, "sqeuclidean") / 2, axis=1) for block in blocks]
    return np.asarray(np.concatenate(sums) - scale)


def great_samples(x: npt.ArrayLike, train: npt.ArrayLike, epsilon: float) -> Array:
    """log p_1 = log (1/n sum_i N(x | x_i, epsilon I)): great samples, poor likelihood. Theis et al. 2016.

    Theis et al. 2016 (arXiv:1511.01844). It is a Parzen window of bandwidth sqrt(epsilon).

    Args:
        x: where, (N, d).
        train: the points x_i that the model has learned by heart, (n, d).
        epsilon: variance around each, in squared units of the points, above 0.

    Returns:
        (N,), in nats.

    Raises:
        ValueError: the points do not fit together, or epsilon is not a positive number.
    """
    _positive("epsilon", epsilon)
    return parzen(x, train, math.sqrt(epsilon))


def sample_great_samples(train: npt.ArrayLike, epsilon: float, count: int, rng: np.random.Generator) -> Array:
    """Samples of p_1: training points, each with noise of variance epsilon.

    Args:
        train: the x_i, (n, d).
        epsilon: variance, in squared units of the points, above 0.
        count: how many samples.
        rng: of the choice and the noise.

    Returns:
        (count, d).

    Raises:
        ValueError: train are no points, or epsilon is not a positive number.
    """
    points = _points("train", train)
    _positive("epsilon", epsilon)
    chosen = points[rng.integers(len(points), size=count)]
    return np.asarray(chosen + math.sqrt(epsilon) * rng.normal(size=chosen.shape))


def great_likelihood(log_p: npt.ArrayLike, log_noise: npt.ArrayLike, *, share: float = 0.01) -> Array:
    """log p_2 = log (share p + (1 - share) noise) >= log p + log share: great likelihood, poor samples.

    Theis et al. 2016 (arXiv:1511.01844), with a share of 0.01: at most log 100 below log p.

    Args:
        log_p: log density of a good model at some points, of any shape, nats.
        log_noise: log density of the noise at the same points.
        share: of samples that are good, above 0 and below 1.

    Returns:
        Of that shape, in nats.

    Raises:
        ValueError: the share is out of range.
    """
    _fraction(share)
    good, bad = np.asarray(log_p, dtype=np.float64), np.asarray(log_noise, dtype=np.float64)
    return np.asarray(np.logaddexp(good + math.log(share), bad + math.log1p(-share)))


def sample_great_likelihood(
    good: npt.ArrayLike, noise: npt.ArrayLike, rng: np.random.Generator, *, share: float = 0.01
) -> Array:
    """Samples of p_2: each is the good one with probability ``share``, otherwise the noise.

    Args:
        good: samples of the good model, (N, d).
        noise: samples of the noise, (N, d).
        rng: of the choice.
        share: above 0 and below 1.

    Returns:
        (N, d).

    Raises:
        ValueError: the samples do not fit together, or the share is out of range.
    """
    _fraction(share)
    first, second = _points("good", good), _points("noise", noise)
    if first.shape != second.shape:
        raise ValueError(f"good is {first.shape} and noise {second.shape}: give as many of either")
    return np.where(rng.random(len(first))[:, None] < share, first, second)


def best_bandwidth(
    train: npt.ArrayLike, validation: npt.ArrayLike, candidates: npt.ArrayLike
) -> tuple[float, dict[float, float]]:
    """The bandwidth under which a Parzen window of ``train`` gives ``validation`` the greatest likelihood.

    This is how Parzen windows were used to score samples of GANs (Goodfellow et al. 2014, arXiv:1406.2661, Section 5).
    Theis et al. 2016 (arXiv:1511.01844) advise against it: in many dimensions the score is far from the likelihood.

    Args:
        train: centres of the window, (n, d): for a score of a generator, its samples.
        validation: (m, d), none of which is in train; the test set must be a third one.
        candidates: bandwidths to try, each above 0.

    Returns:
        The best, and the mean log likelihood of validation under each, in nats.

    Raises:
        ValueError: points or candidates are out of range.
    """
    tried = np.atleast_1d(np.asarray(candidates, dtype=np.float64))
    if tried.ndim != 1 or not tried.size:
        raise ValueError("candidates must hold at least one bandwidth")
    scores = {float(h): float(parzen(validation, train, float(h)).mean()) for h in tried}
    return max(scores, key=lambda h: scores[h]), scores


def _points(name: str, x: npt.ArrayLike) -> Array:
    points = np.asarray(x, dtype=np.float64)
    if points.ndim != 2 or not points.size or not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite points (N, d) with N, d >= 1, not of shape {points.shape}")
    return points


def _positive(name: str, number: float) -> None:
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name}={number}: must be a number above 0")


def _fraction(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share={share}: must be above 0 and below 1; published: 0.01")
