"""Improved precision and recall: how much of each set lies in k-nearest-neighbour balls around the other."""

from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.measure import VECTORS, Context, Measure, Number, Option, share, smaller
from zerosum.metrics.shared.neighbours import MEMORY_MIB, Balls, check_features, hits, nearest
from zerosum.metrics.sides import Side

K = 3  # the neighbour that a ball reaches to


class PrecisionAndRecall(NamedTuple):
    """Shares of samples, 0 to 1.

    Attributes:
        precision: Share of generated samples in at least one ball around a real sample.
        recall: Share of real samples in at least one ball around a generated sample.
    """

    precision: float
    recall: float


def check_reference(real: Tensor, fake: Tensor, *, k: int) -> None:
    """Refuse real and generated features of which k-nearest-neighbour balls around the real ones say nothing.

    Raises:
        ValueError: The features cannot be compared, k is below 1, or all real features are equal.
    """
    check_features(real, fake)
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if len(real) > 1 and torch.equal(real.detach().amin(0), real.detach().amax(0)):
        raise ValueError(
            "all real features are equal, so every distance is 0: check the images and the feature network"
        )


def share_inside(per_point: Tensor) -> float:
    """Share of points that lie in at least one ball, from the number of balls that hold each point."""
    return int((per_point > 0).sum()) / len(per_point)


def precision_recall(real: Tensor, fake: Tensor, *, k: int = K, memory_mib: float = MEMORY_MIB) -> PrecisionAndRecall:
    """Improved precision and recall; Kynkäänniemi et al. 2019, arXiv:1904.06991.

    The ball of a sample reaches to its k-th nearest neighbour in its own set, itself not counted, and includes its
    surface (``<=``). Copies count as neighbours, so copies in a set shrink its balls, never the other's.

    Args:
        real: Features of real images (N, D), N > k.
        fake: Features of generated images (M, D), M > k.
        k: Neighbour that a ball reaches to. The paper takes 3, with 50,000 samples a side.
        memory_mib: Working memory in MiB, beside the features.

    Raises:
        ValueError: The features cannot be compared (NaN, unlike dimensions...), k is too large for a set, all real
            features are equal, or the cap is too small.
    """
    check_reference(real, fake, k=k)
    radii = [nearest(features, k=k, memory_mib=memory_mib).squared[:, k - 1] for features in (real, fake)]
    around_real, around_fake = ([Balls(squared, closed=True)] for squared in radii)
    (of_real,), (of_fake,) = hits(real, fake, around_x=around_real, around_y=around_fake, memory_mib=memory_mib)
    return PrecisionAndRecall(share_inside(of_real.per_point), share_inside(of_fake.per_point))


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    sets = (side.ordered_vectors(context.device) for side in (real, fake))
    found = precision_recall(*sets, k=context.options.get("k", K), memory_mib=context.memory_mib)
    return [
        share("precision", found.precision, fake.images.count, context.seed),
        share("recall", found.recall, real.images.count, context.seed),
    ]


MEASURE = Measure(
    name="pr",
    summary="improved precision and recall (Kynkäänniemi 2019)",
    run=_measure,
    directions={"precision": "higher", "recall": "higher"},
    constants={"k": K},
    options={
        "k": Option(
            default=K,
            text="neighbour that a ball reaches to, fewer than either set has images",
            source="Kynkäänniemi et al. 2019",
            most=lambda real, fake: smaller(real, fake) - 1,
        )
    },
    reads=VECTORS,
    published_on="vgg16",
)
