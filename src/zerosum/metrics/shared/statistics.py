"""Mean and covariance of features, gathered in batches without keeping the features."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from zerosum.core import parallel

ROWS = 2048  # gathered before they are multiplied: small batches then cost no more than large ones
PANELS = 8  # of the scatter, of which only the part above the diagonal is computed: 36 of 64 blocks
NARROWEST = 64  # panel


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Count, mean and scatter of feature vectors seen so far; float64 on the CPU.

    Merging follows Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances": with delta = mean_b - mean_a and n = n_a + n_b,

        mean = mean_a + delta n_b / n,    scatter = scatter_a + scatter_b + delta delta^T n_a n_b / n

    which keeps its digits where sum(x^2) - n mean^2 loses them. For many batches, :class:`StatisticsStream` is faster.

    Attributes:
        n: Number of vectors.
        mean: Mean of the vectors, (D,).
        scatter: Sum of (x - mean)(x - mean)^T, (D, D).
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def empty(cls, dimensions: int) -> "FeatureStatistics":
        """Statistics of no vectors at all: neutral in :meth:`merge`."""
        zero = torch.zeros(dimensions, dimensions, dtype=torch.float64)
        return cls(0, zero.new_zeros(dimensions), zero)

    @classmethod
    def of(cls, features: Tensor) -> "FeatureStatistics":
        """Statistics of one batch of features (N, D), N >= 0, computed where the features are.

        Raises:
            ValueError: The features are not a matrix, or hold a value that is not finite.
        """
        if features.ndim != 2:
            raise ValueError(f"features must be a matrix (count, dimensions), not of shape {tuple(features.shape)}")
        device = "cpu" if features.device.type == "mps" else features.device  # MPS has no float64
        stream = StatisticsStream(features.shape[1], device=device, rows=max(1, min(len(features), ROWS)))
        stream.add(features)
        return stream.statistics()

    @property
    def dimensions(self) -> int:
        """D, the length of a feature vector."""
        return len(self.mean)

    @property
    def covariance(self) -> Tensor:
        """Unbiased covariance (D, D): scatter / (n - 1), as ``numpy.cov``.

        Raises:
            ValueError: There are fewer than two vectors.
        """
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 samples, not {self.n}")
        return self.scatter / (self.n - 1)

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Statistics of both sets of vectors together; the order of merging changes rounding only.

        Raises:
            ValueError: The dimensions differ.
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


class StatisticsStream:
    """Takes in batches of features; holds ``rows`` vectors and one D x D matrix, never all vectors.

    Vectors are gathered to blocks of ``rows``; a block is centred on its own mean and merged as in
    :class:`FeatureStatistics`. So the result is the same to the last bit however the vectors are cut into batches.

    ``products`` is the type in which a block is multiplied with itself; sums over blocks are float64 in any case.
    float64 is exact to rounding. float32 takes about half the time and leaves noise in the covariance. Measured on
    20,000 x 512, it moved Fréchet distances by 1e-9 to 1e-7 of their value for condition numbers up to 1e8, whatever
    the means; by 2e-6 to 4e-5 where five directions held nearly all variance, and by 4e-3 where one did.

    Args:
        dimensions: Length of a vector, D.
        products: Type of the products, ``torch.float64`` or ``torch.float32``.
        device: Where the features are and the work is done.
        rows: Number of vectors in a block.

    Raises:
        ValueError: There is no such type of products.
    """

    def __init__(
        self,
        dimensions: int,
        *,
        products: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        rows: int = ROWS,
    ) -> None:
        if products not in (torch.float64, torch.float32):
            raise ValueError(f"products are torch.float64 or torch.float32, not {products}")
        self._products = products
        exact = torch.zeros(0, dtype=torch.float64, device=device)
        self._block = exact.new_empty(rows, dimensions)
        self._centred = torch.empty_like(self._block)  # kept, as fresh memory costs a tenth of the time
        self._filled = 0
        self._n = 0
        self._mean = exact.new_zeros(dimensions)
        self._upper = exact.new_zeros(dimensions, dimensions)  # the scatter on and above its diagonal

    def add(self, features: Tensor) -> None:
        """Take in a batch (N, D), N >= 0.

        Raises:
            ValueError: The features are not a matrix of D columns, or hold a value that is not finite. The stream
                cannot be used after that.
        """
        rows, dimensions = self._block.shape
        if features.ndim != 2 or features.shape[1] != dimensions:
            raise ValueError(f"features must be a matrix (count, {dimensions}), not of shape {tuple(features.shape)}")
        begin = 0
        while begin < len(features):
            part = features.detach()[begin : begin + rows - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            begin += len(part)
            if self._filled == rows:
                self._n, self._mean = self._take_block(self._upper)
                self._filled = 0

    def statistics(self) -> FeatureStatistics:
        """Statistics of all vectors so far, on the CPU; more can be added afterwards."""
        upper = self._upper.clone()
        n, mean = self._take_block(upper)
        return FeatureStatistics(n, mean.cpu().clone(), (upper.triu() + upper.triu(1).T).cpu())

    def _take_block(self, upper: Tensor) -> tuple[int, Tensor]:
        """Add the block to a scatter, in place; count and mean with the block."""
        if self._filled == 0:
            return self._n, self._mean
        block = self._block[: self._filled]
        mean = block.mean(dim=0)
        # A NaN or an infinity anywhere shows in the mean, which is much cheaper to look through.
        if not bool(mean.isfinite().all()):
            raise ValueError("features hold NaN or infinity: their mean and covariance do not exist")
        n = self._n + self._filled
        delta = mean - self._mean
        centred = torch.sub(block, mean, out=self._centred[: self._filled])
        _add_scatter(upper, centred.to(self._products))
        _add_scatter(upper, delta[None] * (self._n * (self._filled / n)) ** 0.5)
        return n, self._mean + delta * (self._filled / n)


def _add_scatter(upper: Tensor, centred: Tensor) -> None:
    """Add centred^T centred to ``upper`` on and above the diagonal (blocks that the diagonal crosses are whole)."""
    width = max(NARROWEST, -(-len(upper) // PANELS))
    for begin in range(0, len(upper), width):
        target = upper[begin : begin + width, begin:]
        left, right = centred[:, begin : begin + width].T, centred[:, begin:]
        if centred.dtype == upper.dtype:
            target.addmm_(left, right)
        else:
            target += left @ right


def merge_ranks(statistics: FeatureStatistics) -> FeatureStatistics:
    """Statistics of the vectors of all ranks of ``torch.distributed``, the same on every rank.

    All ranks must call it; a rank may have seen no vectors. Without other ranks the statistics come back as they are.

    Raises:
        ValueError: The dimensions of the ranks differ.
    """
    if parallel.world() == 1:
        return statistics
    d = statistics.dimensions
    widest, narrowest_negated = reduce_ranks(torch.tensor([d, -d]), dist.ReduceOp.MAX).tolist()
    if widest != -narrowest_negated:
        raise ValueError(f"cannot merge ranks: features of {-narrowest_negated} and of {widest} dimensions")
    n = int(reduce_ranks(torch.tensor([statistics.n])).item())
    mean = reduce_ranks(statistics.mean * (statistics.n / max(n, 1)))
    delta = statistics.mean - mean
    return FeatureStatistics(n, mean, reduce_ranks(statistics.scatter + statistics.n * torch.outer(delta, delta)))


def reduce_ranks(tensor: Tensor, operation: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> Tensor:
    """The sum (or another reduction) of a CPU tensor over all ranks, on the CPU; unchanged where there is one rank.

    Args:
        tensor: Tensor of this rank; all ranks must have the same shape.
        operation: Reduction of ``torch.distributed``.
    """
    if parallel.world() == 1:
        return tensor
    # NCCL reduces only what lies on a GPU.
    device = torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")
    sent = tensor.to(device, copy=True)
    dist.all_reduce(sent, op=operation)
    return sent.cpu()
