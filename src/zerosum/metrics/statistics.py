"""Mean and covariance of features, gathered in batches without keeping the features."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Count, mean and scatter of feature vectors seen so far; float64 on the CPU.

    Merging follows Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances": with delta = mean_b - mean_a and n = n_a + n_b,

        mean = mean_a + delta n_b / n,    scatter = scatter_a + scatter_b + delta delta^T n_a n_b / n

    which keeps its digits where sum(x^2) - n mean^2 loses them.

    Attributes:
        n: number of vectors.
        mean: (D,).
        scatter: (D, D), the sum of (x - mean)(x - mean)^T.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def empty(cls, dimensions: int) -> "FeatureStatistics":
        """Statistics of no vectors at all: neutral in :meth:`merge`."""
        zero = torch.zeros(dimensions, dimensions, dtype=torch.float64)
        return cls(0, zero[0].clone(), zero)

    @classmethod
    def of(cls, features: Tensor) -> "FeatureStatistics":
        """Statistics of one batch of features (N, D), N >= 0.

        Raises:
            ValueError: if the features are not a matrix, or hold a value that is not finite.
        """
        if features.ndim != 2:
            raise ValueError(f"features must be a matrix (count, dimensions), not of shape {tuple(features.shape)}")
        values = features.detach().to("cpu", torch.float64)
        if not bool(values.isfinite().all()):
            raise ValueError("features hold NaN or infinity: their mean and covariance do not exist")
        if len(values) == 0:
            return cls.empty(values.shape[1])
        mean = values.mean(dim=0)
        centred = values - mean
        return cls(len(values), mean, centred.T @ centred)

    @property
    def dimensions(self) -> int:
        """D, the length of a feature vector."""
        return len(self.mean)

    @property
    def covariance(self) -> Tensor:
        """Unbiased covariance (D, D): scatter / (n - 1), as ``numpy.cov``.

        Raises:
            ValueError: with fewer than two vectors.
        """
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 samples, not {self.n}")
        return self.scatter / (self.n - 1)

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Statistics of both sets of vectors together; the order of merging changes rounding only.

        Raises:
            ValueError: if the dimensions differ.
        """
        if self.dimensions != other.dimensions:
            raise ValueError(f"cannot merge features of {self.dimensions} and of {other.dimensions} dimensions")
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        delta = other.mean - self.mean
        # Weights first: n_a * n_b / n stays within float64 for any counts.
        scatter = self.scatter + other.scatter + torch.outer(delta, delta) * (self.n * (other.n / n))
        return FeatureStatistics(n, self.mean + delta * (other.n / n), scatter)

    def update(self, features: Tensor) -> "FeatureStatistics":
        """These statistics with a further batch (N, D) taken in; ``self`` is unchanged."""
        return self.merge(FeatureStatistics.of(features))
