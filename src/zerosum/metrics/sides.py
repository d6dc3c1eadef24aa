"""One side of a comparison: a set of images, and what an extractor sees in it, in one pass when first asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics import sampling
from zerosum.metrics.features.base import Extractor, Features
from zerosum.metrics.features.cache import cached_features
from zerosum.metrics.images import ImageSet, PointSet, SampleSet
from zerosum.metrics.shared.class_names import check_pairs, renumber
from zerosum.metrics.shared.ordering import content_keys, content_order
from zerosum.metrics.shared.statistics import FeatureStatistics, StatisticsStream

BATCH = sampling.BATCH
PIECE = 10_000  # cached features that are read at a time


class Observed(NamedTuple):
    """What an extractor saw in a set of images; what nobody reads is not kept.

    Attributes:
        moments: Count, mean and scatter of the feature vectors.
        vectors: Feature vectors (N, D), float32, or ``None``.
        logits: Logits (N, K), float32, or ``None``.
        keys: Hashes of the images, (N,) int64; ``None`` where they were not looked at.
    """

    moments: FeatureStatistics
    vectors: Tensor | None
    logits: Tensor | None
    keys: Tensor | None = None


@torch.no_grad()
def see(
    images: ImageSet,
    extractor: Extractor,
    *,
    reads: frozenset[str] = frozenset(),
    batch: int = BATCH,
    progress: sampling.Progress | None = None,
    cached: bool | None = None,
) -> Observed:
    """Features of all images, in one pass. What is not in ``reads`` is not kept, and then memory does not grow with N.

    Args:
        images: Images to be seen.
        extractor: What looks at them.
        reads: What is kept beside the moments, of ``"vectors"`` and ``"logits"``.
        batch: Images that pass the extractor at a time; they are made, and read, as ever.
        progress: Called with (done, total) images.
        cached: Whether features are kept in zerosum's cache folder, so that images pass the network once; ``None``:
            those of real images and of files are.

    Raises:
        ValueError: The extractor does not take these images, features are not finite, or logits are asked of an
            extractor that is not a classifier.
    """
    known = images.moments(extractor)
    if known is not None:
        return Observed(known, None, None)
    hashes = _Hashes() if reads else None
    batches = _regroup(_report_batches(images, progress, hashes), batch)
    keep = images.kind != "generated" if cached is None else cached
    found = _read_cached(images, extractor, batches) if keep else map(extractor, batches)
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
                raise ValueError(f"{extractor.name!r} is not a classifier, and this measure needs the verdicts of one")
            logits.append(part.logits)
    assert moments is not None  # a set holds at least two images
    return Observed(
        moments.statistics(),
        torch.cat(vectors) if vectors else None,
        torch.cat(logits) if logits else None,
        None if hashes is None else hashes.of(images.count),
    )


class _Hashes:
    """Hashes of images that pass by."""

    def __init__(self) -> None:
        self._found: list[Tensor] = []

    def add(self, pixels: Tensor) -> None:
        self._found.append(content_keys(pixels))

    def of(self, count: int) -> Tensor | None:
        """Hashes (count,), if all images came by: those whose features are in the cache do not."""
        return torch.cat(self._found) if sum(map(len, self._found)) == count else None


def _regroup(batches: Iterator[Tensor], size: int) -> Iterator[Tensor]:
    """The same images in the same order, ``size`` at a time."""
    rest: Tensor | None = None
    for pixels in batches:
        *whole, last = torch.split(pixels if rest is None else torch.cat([rest, pixels]), size)
        yield from whole
        rest = None if len(last) == size else last
        if rest is None:
            yield last
    if rest is not None:
        yield rest


def _report_batches(images: ImageSet, progress: sampling.Progress | None, hashes: _Hashes | None) -> Iterator[Tensor]:
    done = 0
    for pixels in images.batches(BATCH):
        if hashes is not None:
            hashes.add(pixels)
        yield pixels
        done += len(pixels)
        if progress is not None:
            progress(done, images.count)


def _read_cached(images: ImageSet, extractor: Extractor, batches: Iterator[Tensor]) -> Iterator[Features]:
    found = cached_features(extractor, batches, fingerprint=images.fingerprint, which=f"all {images.count}")
    for start in range(0, images.count, PIECE):
        rows = slice(start, start + PIECE)
        yield Features(found.vectors[rows], None if found.logits is None else found.logits[rows])


@dataclass(frozen=True, eq=False)
class Side:
    """A set of samples, and what an extractor sees in it.

    Attributes:
        samples: The set.
        extractor: What looks at it; ``None`` where nothing does.
        reads: What will be asked for, of ``"vectors"`` and ``"logits"``; the one pass keeps no more.
        batch: Images that pass the extractor at a time.
        progress: Called with (done, total) images during the pass.
        seen: What the extractor saw already; ``None``: one pass will be made when it is asked for.
    """

    samples: SampleSet
    extractor: Extractor | None = None
    reads: frozenset[str] = frozenset()
    batch: int = BATCH
    progress: sampling.Progress | None = field(default=None, repr=False)
    seen: Observed | None = field(default=None, repr=False)

    @property
    def images(self) -> ImageSet:
        """The samples, which are images.

        Raises:
            ValueError: They are points.
        """
        if not isinstance(self.samples, ImageSet):
            raise ValueError(f"{self.samples.name} has points, and this measure looks at images")
        return self.samples

    @property
    def points(self) -> PointSet:
        """The samples, which are points.

        Raises:
            ValueError: They are images.
        """
        if not isinstance(self.samples, PointSet):
            raise ValueError(f"{self.samples.name} has images, and this measure looks at points")
        return self.samples

    @property
    def looks(self) -> Extractor:
        """The extractor of a side that has one."""
        assert self.extractor is not None, "a measure reads features that it did not name"
        return self.extractor

    @cached_property
    def observed(self) -> Observed:
        """What the extractor saw in the one pass."""
        return self.seen or see(self.images, self.looks, reads=self.reads, batch=self.batch, progress=self.progress)

    @property
    def moments(self) -> FeatureStatistics:
        """Count, mean and scatter of the features."""
        return self.observed.moments

    @property
    def vectors(self) -> Tensor:
        """Features (N, D)."""
        assert self.observed.vectors is not None, "a measure reads vectors that it did not name"
        return self.observed.vectors

    @property
    def logits(self) -> Tensor:
        """Logits (N, K)."""
        assert self.observed.logits is not None, "a measure reads logits that it did not name"
        return self.observed.logits

    @cached_property
    def order(self) -> Tensor:
        """Indices (N,) that bring the images into the order of their hashes, in which a seed draws from them."""
        seen = self.seen if self.extractor is None or not self.reads else self.observed
        keys = None if seen is None else seen.keys
        if keys is None:
            keys = torch.cat([content_keys(pixels) for pixels in self.images.batches(BATCH)])
        return content_order(keys, self.images.labels)

    def ordered_vectors(self, device: torch.device | str = "cpu") -> Tensor:
        """Features (N, D) in :attr:`order`, on a device."""
        return self._ordered(self.vectors, device)

    def ordered_logits(self, device: torch.device | str = "cpu") -> Tensor:
        """Logits (N, K) in :attr:`order`, on a device."""
        return self._ordered(self.logits, device)

    def ordered_pixels(self) -> Tensor:
        """All images at once, uint8 (N, C, H, W) on the CPU, in :attr:`order`."""
        pixels = self.images.pixels()
        if "order" not in self.__dict__:  # or a generator would make them once more
            self.__dict__["order"] = content_order(content_keys(pixels), self.images.labels)
        return pixels[self.order]

    @property
    def ordered_labels(self) -> Tensor:
        """Classes (N,) in :attr:`order`, on the CPU.

        Raises:
            ValueError: The images have none.
        """
        return self.labels.cpu()[self.order]

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; their numbers where they have no names.

        Raises:
            ValueError: The images have no labels.
        """
        return self.images.classes or tuple(map(str, range(int(self.labels.max()) + 1)))

    def labels_among(self, other: Side) -> Tensor:
        """Classes (N,) in :attr:`order`, on the CPU, as numbers of the classes of another side, paired by name.

        Raises:
            UsageError: They cannot be paired; the message lists both.
        """
        places = check_pairs(self.class_names, self.images.name, other.class_names, other.images.name)
        return renumber(self.ordered_labels, places)

    def _ordered(self, rows: Tensor, device: torch.device | str) -> Tensor:
        place = torch.device(device)
        place = torch.device("cpu") if place.type == "mps" else place  # MPS has no float64
        return rows[self.order.to(rows.device)].to(place)

    @property
    def labels(self) -> Tensor:
        """Classes (N,).

        Raises:
            ValueError: The images have none.
        """
        if self.images.labels is None:
            raise ValueError(f"{self.images.name} has no labels, and this measure needs them")
        return self.images.labels
