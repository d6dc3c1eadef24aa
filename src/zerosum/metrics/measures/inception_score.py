"""Inception Score from class logits, summed up per split without keeping the logits."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.measure import LOGITS, Context, Measure, Number, Option
from zerosum.metrics.shared.ordering import DRAWN, draw_rows
from zerosum.metrics.shared.statistics import reduce_ranks
from zerosum.metrics.sides import Side

SPLITS = 10


class SplitScore(NamedTuple):
    """Mean and standard deviation (``ddof=0``, as the source's ``numpy.std``) of the splits' scores, in [1, K]."""

    mean: float
    std: float


@dataclass(frozen=True, eq=False)
class PredictionStatistics:
    """What the Inception Score needs of the class probabilities p(y|x) of each split; float64 on the CPU.

    Attributes:
        n: Number of images in each split, (S,).
        probabilities: Sum of p(y|x) in each split, (S, K).
        negative_entropies: Sum of p log p over the images of each split and all classes, (S,).
    """

    n: Tensor
    probabilities: Tensor
    negative_entropies: Tensor

    @classmethod
    def empty(cls, classes: int, splits: int = SPLITS) -> "PredictionStatistics":
        """Statistics of no images: neutral in :meth:`merge`."""
        zero = torch.zeros(splits, classes, dtype=torch.float64)
        return cls(torch.zeros(splits, dtype=torch.int64), zero, zero.new_zeros(splits))

    @classmethod
    def of(cls, logits: Tensor, *, first: int, total: int, splits: int = SPLITS) -> "PredictionStatistics":
        """Statistics of images ``first``, ``first + 1``, ... of ``total``, by their logits (B, K).

        Image j is in split i where i total // splits <= j < (i + 1) total // splits, as in the source.

        Args:
            logits: Logits of the images, (B, K).
            first: Index of the first image.
            total: Number of images in all.
            splits: Number of splits, S.

        Raises:
            ValueError: The logits are not a matrix of finite numbers, there are more than ``total``, or there are fewer
                images than splits.
        """
        if logits.ndim != 2 or logits.shape[1] < 1:
            raise ValueError(f"logits must be a matrix (images, classes), not of shape {tuple(logits.shape)}")
        if not 1 <= splits <= total:
            raise ValueError(f"{total} images cannot be cut into {splits} splits: take more images or fewer splits")
        if first < 0 or first + len(logits) > total:
            raise ValueError(f"images {first} to {first + len(logits) - 1} are not among {total}")
        if not bool(logits.isfinite().all()):
            raise ValueError("logits hold NaN or infinity: they have no class probabilities")
        log_p = logits.detach().to("cpu", torch.float64).log_softmax(dim=1)
        p = log_p.exp()
        ends = torch.tensor([(i + 1) * total // splits for i in range(splits)])
        split = torch.bucketize(torch.arange(first, first + len(logits)), ends, right=True)
        none = cls.empty(logits.shape[1], splits)
        return cls(
            torch.bincount(split, minlength=splits),
            none.probabilities.index_add(0, split, p),
            none.negative_entropies.index_add(0, split, (p * log_p).sum(dim=1)),
        )

    def merge(self, other: "PredictionStatistics") -> "PredictionStatistics":
        """Statistics of both sets of images.

        Raises:
            ValueError: The numbers of splits or classes differ.
        """
        if self.probabilities.shape != other.probabilities.shape:
            raise ValueError(
                f"cannot merge (splits, classes) {tuple(self.probabilities.shape)} and "
                f"{tuple(other.probabilities.shape)}"
            )
        return PredictionStatistics(
            self.n + other.n,
            self.probabilities + other.probabilities,
            self.negative_entropies + other.negative_entropies,
        )

    def merge_ranks(self) -> "PredictionStatistics":
        """Statistics of the images of all ranks of ``torch.distributed``; every rank must call it."""
        return PredictionStatistics(
            reduce_ranks(self.n), reduce_ranks(self.probabilities), reduce_ranks(self.negative_entropies)
        )

    def score(self) -> SplitScore:
        """Mean and standard deviation over the splits of exp(E_x KL(p(y|x) | p(y))).

        Raises:
            ValueError: A split has no images yet.
        """
        if not bool((self.n > 0).all()):
            raise ValueError(f"splits without images: {(self.n == 0).nonzero().flatten().tolist()}; add all images")
        marginal = self.probabilities / self.n[:, None]
        # xlogy: a class that no image has adds 0, not NaN.
        divergence = self.negative_entropies / self.n - torch.xlogy(marginal, marginal).sum(dim=1)
        scores = divergence.clamp(min=0).exp()
        return SplitScore(float(scores.mean()), float(scores.std(correction=0)))


def inception_score(logits: Tensor, *, splits: int = SPLITS) -> SplitScore:
    """Inception Score (Salimans et al. 2016, arXiv:1606.03498, Section 4) of all images at once.

    The splits are contiguous, in the order given, as in the source (openai/improved-gan), so images sorted by class
    have another score than the same images shuffled. torch-fidelity and torchmetrics shuffle first; torchmetrics also
    takes the standard deviation with ``ddof=1``. The measure ``is`` draws the splits by seed.

    Args:
        logits: Logits before the softmax, (N, K); of the Inception network for the score to bear its name.
        splits: Number of parts that the score is the mean over. The score of small parts is biased downwards.

    Raises:
        ValueError: There are fewer images than splits, or the logits are not a matrix of finite numbers.
    """
    return PredictionStatistics.of(logits, first=0, total=len(logits), splits=splits).score()


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    logits = fake.ordered_logits()
    shuffled = logits[draw_rows(len(logits), len(logits), context.seed, "inception score")]
    found = inception_score(shuffled, splits=context.options.get("splits", SPLITS))
    return [Number("is", found.mean, {"deviation": found.std})]


MEASURE = Measure(
    name="is",
    summary="Inception Score (Salimans 2016)",
    run=_measure,
    directions={"is": "higher"},
    constants={"splits": SPLITS, **DRAWN},
    options={
        "splits": Option(
            default=SPLITS,
            text="parts of the images that the score is the mean over",
            source="Salimans et al. 2016, code",
            most=lambda real, fake: fake,
        )
    },
    reads=LOGITS,
    one_sided=True,
)
