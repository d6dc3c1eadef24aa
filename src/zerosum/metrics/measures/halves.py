"""Fréchet distances with a floor: between generated images and one half of the real ones.

The real images, in the order of the hashes of their pixels, are cut into a reference and a control of the same size:
the order of files or rows does not matter. The generator gives as many images as the reference has. The score is the
Fréchet distance between the features of the generated images and of the reference; the floor is the distance between
control and reference, which is what perfect samples would score at this count. It is not FID: other features, another
scale.

A generator trained on the reference can score below the floor by repeating it: the distance does not see copying.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.metrics.features.base import Extractor
from zerosum.metrics.images import ImageSet
from zerosum.metrics.measure import Number
from zerosum.metrics.measures.frechet import frechet_distance
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.ordering import content_keys, content_order
from zerosum.metrics.shared.statistics import FeatureStatistics
from zerosum.metrics.sides import BATCH, Side, see

CONSTANTS: dict[str, Plain] = {
    "split": "first of two disjoint halves of the real images, in the order of their hashes",
    "pixels": "clamped to [-1, 1], rounded to 8 bits",
}

_HASHED_TOGETHER = 256


@dataclass(frozen=True, eq=False)
class RealHalf:
    """The real side: statistics of the reference half, the floor, and the classifier's verdicts.

    Attributes:
        statistics: Statistics of the features of the reference half.
        floor: Distance of the control half from the reference half.
        verdicts: Most likely classes of the reference half, int64 (N,); ``None`` without a classifier.
        labels: Labels of the reference half, int64 (N,); ``None`` where there are none.
    """

    statistics: FeatureStatistics
    floor: float
    verdicts: Tensor | None
    labels: Tensor | None


def split(images: ImageSet, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Indices of reference and control: two disjoint sets of ``count`` (default: half) of the real images.

    The same images are the reference for every generator, every seed, and every order in which they come; a smaller
    ``count`` takes the beginnings of the same two halves.

    Args:
        images: All real images.
        count: Number of images in each set.

    Raises:
        ValueError: The count is below 2 or above half of the total.
    """
    half = images.count // 2
    count = half if count is None else count
    if not 2 <= count <= half:
        raise ValueError(
            f"cannot take {count:,} images each for reference and control from {images.count:,} real images: "
            f"the count must be between 2 and {half:,}"
        )
    keys = torch.cat([content_keys(pixels) for pixels in images.batches(_HASHED_TOGETHER)])
    order = content_order(keys, images.labels)
    return order[:count], order[half : half + count]


def half(real: Side) -> int:
    """Half the number of real images: as many generated ones are scored."""
    return real.images.count // 2


# Keyed by what decides the result; an entry is a few hundred kilobytes, so nothing is ever evicted.
_references: dict[tuple[str, str, int, int, str, frozenset[str]], RealHalf] = {}


def reference(
    images: ImageSet, count: int, extractor: Extractor, reads: frozenset[str], batch: int = BATCH
) -> RealHalf:
    """The reference half of real images and its floor; kept in memory.

    Args:
        images: All real images.
        count: Number of images in each half.
        extractor: What looks at them.
        reads: What of the features is kept, of ``"vectors"`` and ``"logits"``.
        batch: Images that pass the extractor at a time.

    Raises:
        ValueError: The real images are too few; see :func:`split`.
    """
    key = (images.fingerprint, images.name, images.count, count, extractor.hash, reads)
    if key not in _references:
        ours, control = split(images, count)
        seen, other = (
            see(images.select(part), extractor, reads=reads, batch=batch, cached=False) for part in (ours, control)
        )
        _references[key] = RealHalf(
            statistics=seen.moments,
            floor=frechet_distance(other.moments, seen.moments),
            verdicts=None if seen.logits is None else seen.logits.argmax(1).cpu(),
            labels=None if images.labels is None else images.labels[ours],
        )
    return _references[key]


def halved_distance(name: str, real: Side, fake: Side) -> list[Number]:
    """The distance ``name`` and its floor ``name_floor``.

    Raises:
        ValueError: The real images are too few, see :func:`split`, or the samples cannot be scored.
    """
    count = fake.images.count
    known = reference(real.images, count, fake.looks, fake.reads, fake.batch)
    told: dict[str, Plain] = {"reference_count": count}
    distance = frechet_distance(fake.moments, known.statistics)
    return [
        Number(name, distance, {"floor": known.floor}, told),
        Number(f"{name}_floor", known.floor, {}, told, of="real"),
    ]
