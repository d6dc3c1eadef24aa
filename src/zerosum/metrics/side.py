"""One side of a comparison: a set of images, and what an extractor sees in it, in one pass when first asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.features.base import Extractor, Features
from zerosum.metrics.features.cache import cached_features
from zerosum.metrics.images import ImageSet
from zerosum.metrics.sampling import Progress
from zerosum.metrics.statistics import FeatureStatistics, StatisticsStream

BATCH = 250
PIECE = 10_000  # cached features that are read at a time


class Seen(NamedTuple):
    """What an extractor saw in a set of images; what nobody reads is not kept.

    Attributes:
        moments: count, mean and scatter of the feature vectors.
        vectors: (N, D) float32, or ``None``.
        logits: (N, K) float32, or ``None``.
    """

    moments: FeatureStatistics
    vectors: Tensor | None
    logits: Tensor | None


@torch.no_grad()
def see(
    images: ImageSet,
    extractor: Extractor,
    *,
    reads: frozenset[str] = frozenset(),
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Seen:
    """Features of all images, in one pass; what is not in ``reads`` is not kept, and then memory does not grow with N.

    Real images and files pass the network once: their features stay in zerosum's cache folder.

    Raises:
        ValueError: for images that the extractor does not take, features that are not finite, or logits asked of an
            extractor that is no classifier.
    """
    batches = _counted(images, batch, progress)
    found = map(extractor, batches) if images.kind == "generated" else _kept(images, extractor, batches)
    moments: StatisticsStream | None = None
    vectors: list[Tensor] = []
    logits: list[Tensor] = []
    for part in found:
        moments = moments or StatisticsStream(extractor.dimensions, device=part.vectors.device)
        moments.add(part.vectors)
        if "vectors" in reads:
            vectors.append(part.vectors)
        if "logits" in reads:
            if part.logits is None:
                raise ValueError(f"{extractor.name!r} is no classifier, and this measure needs one's verdicts")
            logits.append(part.logits)
    assert moments is not None  # a set holds two images at least
    return Seen(moments.statistics(), torch.cat(vectors) if vectors else None, torch.cat(logits) if logits else None)


def _counted(images: ImageSet, batch: int, progress: Progress | None) -> Iterator[Tensor]:
    done = 0
    for pixels in images.batches(batch):
        yield pixels
        done += len(pixels)
        if progress is not None:
            progress(done, images.count)


def _kept(images: ImageSet, extractor: Extractor, batches: Iterator[Tensor]) -> Iterator[Features]:
    found = cached_features(extractor, batches, fingerprint=images.fingerprint, which=f"all {images.count}")
    for start in range(0, images.count, PIECE):
        rows = slice(start, start + PIECE)
        yield Features(found.vectors[rows], None if found.logits is None else found.logits[rows])


@dataclass(frozen=True, eq=False)
class Side:
    """A set of images with its features.

    Attributes:
        images: the set.
        extractor: what looks at it.
        reads: what will be asked for, of ``"vectors"`` and ``"logits"``: the one pass keeps no more.
        batch: images at a time.
        progress: called with (done, total) images during the pass.
    """

    images: ImageSet
    extractor: Extractor
    reads: frozenset[str] = frozenset()
    batch: int = BATCH
    progress: Progress | None = field(default=None, repr=False)

    @cached_property
    def seen(self) -> Seen:
        """The one pass."""
        return see(self.images, self.extractor, reads=self.reads, batch=self.batch, progress=self.progress)

    @property
    def moments(self) -> FeatureStatistics:
        """Count, mean and scatter of the features."""
        return self.seen.moments

    @property
    def vectors(self) -> Tensor:
        """Features (N, D)."""
        assert self.seen.vectors is not None, "a measure reads vectors that it did not name"
        return self.seen.vectors

    @property
    def logits(self) -> Tensor:
        """Logits (N, K)."""
        assert self.seen.logits is not None, "a measure reads logits that it did not name"
        return self.seen.logits

    @property
    def labels(self) -> Tensor:
        """Classes (N,).

        Raises:
            ValueError: the images have none.
        """
        if self.images.labels is None:
            raise ValueError(f"{self.images.name} has no labels, and this measure needs them")
        return self.images.labels
