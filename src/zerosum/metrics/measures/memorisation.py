"""Whether a generator returns its training images: neither Inception Score nor Fréchet distance tells, distances do."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.metrics.measure import VECTORS, Context, Measure, Number
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.neighbours import MEMORY_MIB, check_features, nearest
from zerosum.metrics.sides import Side

QUANTILE = 0.05
LEVEL = 0.01
MARGIN = 0.05


@dataclass(frozen=True)
class MemorisationReport:
    """What distances to the training set say of generated samples.

    Attributes:
        z: Score of the Mann-Whitney U statistic: generated samples' distances to the training set against held-out
            samples'. About standard normal for a generator as far from the training set as fresh data; negative is
            closer, positive is further.
        p_value: Probability of a z this low or lower, one-sided, by the normal approximation.
        near_train: Share of generated samples closer to the training set than all but a share ``quantile`` of held-out
            samples; about ``quantile`` for fresh data, 1 for a generator that copies.
        near_held_out: Control, with training and held-out set in each other's place. Samples that are merely typical
            raise both; copies raise only ``near_train``.
        duplicates: Share of generated samples whose features equal those of a training sample.
        quantile: Share that counts as near.
        level: Probability below which generated samples count as too close to the training set.
        margin: Amount by which ``near_train`` has to exceed ``near_held_out``.
    """

    z: float
    p_value: float
    near_train: float
    near_held_out: float
    duplicates: float
    quantile: float
    level: float
    margin: float

    @property
    def flagged(self) -> bool:
        """Whether the generator copies: significantly too close to its training set, and to that set only."""
        return self.p_value < self.level and self.near_train - self.near_held_out > self.margin

    def short(self) -> str:
        """One line for people."""
        verdict = "copies its training set" if self.flagged else "no sign of copying"
        return (
            f"{verdict}: {self.near_train:.1%} near training samples, {self.near_held_out:.1%} near held-out ones, "
            f"{self.duplicates:.1%} duplicates, z {self.z:.1f}, p {self.p_value:.2g}"
        )


def mann_whitney(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Mann-Whitney U of a over b and its z-score: (N,), (M,) -> U in 0 .. N M, z.

    U counts the pairs with a above b, and ties as half. The variance of z is corrected for ties, and there is no
    continuity correction; z is 0 where all values are equal.

    Raises:
        ValueError: A side has no value.
    """
    n, m = len(a), len(b)
    if min(n, m) == 0:
        raise ValueError(f"a Mann-Whitney statistic needs values on both sides, not {n} and {m}")
    _, which, counts = torch.unique(torch.cat([a, b]), return_inverse=True, return_counts=True)
    counts = counts.to(torch.float64)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[which]  # the mean of the ranks that equal values take up
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    total = n + m
    ties = float((counts**3 - counts).sum()) / (total * (total - 1))
    variance = n * m / 12 * (total + 1 - ties)
    return u, (u - n * m / 2) / math.sqrt(variance) if variance > 0 else 0.0


def memorisation(
    train: Tensor,
    held_out: Tensor,
    fake: Tensor,
    *,
    quantile: float = QUANTILE,
    level: float = LEVEL,
    margin: float = MARGIN,
    memory_mib: float = MEMORY_MIB,
) -> MemorisationReport:
    """Nearest-neighbour test for copying of training data.

    ``z`` is the three-sample test of Meehan et al. 2020, arXiv:2004.05675, over one cell (the paper also averages it
    over cells of a partition): are generated samples closer to the training set than held-out ones are? A generator
    that makes only typical images would fail it without copying, so the verdict also asks whether generated samples are
    near the training set more often than near held-out data.

    Args:
        train: Features of the images that the generator was trained on, (N, D).
        held_out: Features of images of the same distribution that it never saw, (H, D): a random split, or the control
            means nothing.
        fake: Features of generated images, (M, D).
        quantile: Share of the held-out samples' distances to the training set that counts as near.
        level: Probability below which generated samples count as too close.
        margin: Amount by which ``near_train`` has to exceed ``near_held_out``.
        memory_mib: Working memory in MiB, beside the features.

    Raises:
        ValueError: The features cannot be compared, there are too few held-out or training samples for the quantile, a
            setting is not between 0 and 1, or the cap is too small.
    """
    check_features(train, held_out, fake, least=2)
    for name, value in (("quantile", quantile), ("level", level), ("margin", margin)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {value:g}")
    least = math.ceil(1 / quantile)
    if min(len(train), len(held_out)) < least:
        raise ValueError(
            f"a quantile of {quantile:g} needs at least {least} training and held-out samples, not {len(train)} and "
            f"{len(held_out)}"
        )

    def distances(of: Tensor, to: Tensor) -> Tensor:
        return nearest(of, to, k=1, memory_mib=memory_mib).squared[:, 0]

    to_train, fresh = distances(fake, train), distances(held_out, train)
    to_held_out, control = distances(fake, held_out), distances(train, held_out)
    _, z = mann_whitney(to_train, fresh)
    return MemorisationReport(
        z=z,
        p_value=math.erfc(-z / math.sqrt(2)) / 2,
        near_train=_share_below(to_train, fresh, quantile),
        near_held_out=_share_below(to_held_out, control, quantile),
        duplicates=int((to_train == 0).sum()) / len(fake),
        quantile=quantile,
        level=level,
        margin=margin,
    )


def _share_below(distances: Tensor, reference: Tensor, quantile: float) -> float:
    """Share of distances below a quantile of reference distances, or 0 where that is 0 (the data hold duplicates)."""
    rank = max(1, math.floor(quantile * len(reference)))
    limit = reference.kthvalue(rank).values
    return int(((distances < limit) | (distances == 0)).sum()) / len(distances)


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    held_out = context.require_held_out("copying")
    sets = (side.ordered_vectors(context.device) for side in (real, held_out, fake))
    found = memorisation(*sets, memory_mib=context.memory_mib)
    details = {
        "p": found.p_value,
        "near_train": found.near_train,
        "near_held_out": found.near_held_out,
        "duplicates": found.duplicates,
        "flagged": float(found.flagged),
    }
    constants: dict[str, Plain] = {
        "held_out": held_out.images.name,
        "held_out_fingerprint": held_out.images.fingerprint,
    }
    return [Number("copying_z", found.z, details, constants)]


MEASURE = Measure(
    name="copying",
    summary="whether the training set is copied, against held-out images (Meehan 2020)",
    run=_measure,
    directions={"copying_z": "neither"},
    constants={"quantile": QUANTILE},
    reads=VECTORS,
    needs=frozenset({"held-out"}),
)
