"""What is kept of images that come batch by batch: no more than a measure reads, whatever the batches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from zerosum.metrics.features.base import Extractor
from zerosum.metrics.images import ImageSet
from zerosum.metrics.shared.ordering import content_keys
from zerosum.metrics.shared.ranks import gather_rows
from zerosum.metrics.shared.statistics import FeatureStatistics, StatisticsStream, merge_ranks, reduce_ranks
from zerosum.metrics.sides import BATCH, Observed, Side

PIECE_BYTES = 2**26  # of pixels that are held back until there are enough for the extractor
DIGEST = 32  # bytes of a SHA-256


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """What is known of the images of one side; ``None`` stands for what is not kept, or not known yet.

    Attributes:
        count: Number of images.
        shape: Shape of an image, (C, H, W).
        moments: Count, mean and scatter of the features.
        vectors: Features (N, D).
        logits: Logits (N, K).
        pixels: Images uint8 (N, C, H, W).
        labels: Classes (N,), int64.
        keys: Hashes of the images, (N,) int64.
        digest: Hash of the images in their order, 32 bytes.
    """

    count: int = 0
    shape: tuple[int, ...] | None = None
    moments: FeatureStatistics | None = None
    vectors: Tensor | None = None
    logits: Tensor | None = None
    pixels: Tensor | None = None
    labels: Tensor | None = None
    keys: Tensor | None = None
    digest: bytes = bytes(DIGEST)

    def merge(self, other: Gathered) -> Gathered:
        """What is known of the images of both, those of ``self`` first.

        Raises:
            ValueError: The images have other shapes, or only one side has labels.
        """
        if not self.count or not other.count:
            return self if self.count else other
        if self.shape != other.shape:
            raise ValueError(f"cannot merge images of {_written(self.shape)} with images of {_written(other.shape)}")
        if (self.labels is None) != (other.labels is None):
            raise ValueError("cannot merge images that have labels with images that have none")
        moments = None
        if self.moments is not None and other.moments is not None:
            moments = self.moments.merge(other.moments)
        return Gathered(
            count=self.count + other.count,
            shape=self.shape,
            moments=moments,
            vectors=_join(self.vectors, other.vectors),
            logits=_join(self.logits, other.logits),
            pixels=_join(self.pixels, other.pixels),
            labels=_join(self.labels, other.labels),
            keys=_join(self.keys, other.keys),
            digest=hashlib.sha256(self.digest + other.digest).digest(),
        )

    def across_ranks(self) -> Gathered:
        """What is known of the images of all ranks of ``torch.distributed``; all of them must call it.

        Raises:
            ValueError: The images of two ranks have other shapes.
        """
        shape = gather_rows(None if self.shape is None else torch.tensor([self.shape]), torch.int64)
        shapes = set() if shape is None else {tuple(row) for row in shape.tolist()}
        if len(shapes) > 1:
            raise ValueError(f"ranks have images of unlike shapes: {', '.join(map(_written, sorted(shapes)))}")
        labelled = gather_rows(torch.tensor([[self.count, int(self.labels is not None)]]), torch.int64)
        if labelled is not None and len({has for count, has in labelled.tolist() if count}) > 1:
            raise ValueError("some ranks have labels and some have none")
        digests = gather_rows(torch.tensor([list(self.digest)]), torch.int64)
        assert digests is not None  # each rank gave one
        return Gathered(
            count=int(reduce_ranks(torch.tensor([self.count])).item()),
            shape=shapes.pop() if shapes else None,
            moments=_moments_of_ranks(self.moments),
            vectors=gather_rows(self.vectors, torch.float32),
            logits=gather_rows(self.logits, torch.float32),
            pixels=gather_rows(self.pixels, torch.uint8),
            labels=gather_rows(self.labels, torch.int64),
            keys=gather_rows(self.keys, torch.int64),
            digest=hashlib.sha256(bytes(digests.flatten().tolist())).digest(),
        )

    def to(self, device: torch.device) -> Gathered:
        """The same, with features on another device."""
        vectors, logits = (None if kept is None else kept.to(device) for kept in (self.vectors, self.logits))
        return replace(self, vectors=vectors, logits=logits)

    def side(
        self,
        name: str,
        kind: Literal["real", "generated"],
        classes: tuple[str, ...],
        extractor: Extractor | None,
        batch_size: int = BATCH,
    ) -> Side:
        """The side of a comparison that a measure reads.

        Args:
            name: Name for people and protocols.
            kind: Kind of the images.
            classes: Names of the classes.
            extractor: What looked at the images.
            batch_size: Number of images that passed it at a time.

        Raises:
            ValueError: There are fewer images than any measure needs.
        """
        pixels = self.pixels

        def pick(indices: Tensor) -> Tensor:
            assert pixels is not None, "a measure reads pixels that it did not name"
            return pixels[indices]

        images = ImageSet(
            name=name,
            kind=kind,
            fingerprint=self.digest.hex(),
            shape=self.shape or (),
            count=self.count,
            read=lambda start, n: pick(torch.arange(start, min(start + n, self.count))),
            labels=self.labels,
            classes=classes,
            pick=pick,
        )
        moments = self.moments or FeatureStatistics.empty(0)
        kept = (("vectors", self.vectors), ("logits", self.logits))
        reads = frozenset(what for what, tensor in kept if tensor is not None)
        return Side(images, extractor, reads, batch_size, seen=Observed(moments, self.vectors, self.logits, self.keys))


class Gatherer:
    """Takes in images of one side, batch by batch.

    The extractor always gets pieces of one size, so that the result does not depend on the batches, not by a bit. Up
    to a piece of images is held back for this; :meth:`gathered` looks at what is left.

    Args:
        reads: What of the features is kept beside their moments, of ``"vectors"`` and ``"logits"``.
        keeps_pixels: Whether pixels are kept.
        hashes: Whether the images are hashed.
        batch_size: Number of images that pass the extractor at a time. ``None``: as many as evaluations of sets take,
            or fewer where images are large.
    """

    def __init__(
        self, reads: frozenset[str], *, keeps_pixels: bool, hashes: bool, batch_size: int | None = None
    ) -> None:
        self._reads, self._keeps_pixels, self._hashes, self._batch_size = reads, keeps_pixels, hashes, batch_size
        self._before = Gathered()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._shape: tuple[int, ...] | None = self._before.shape
        self._waiting: list[Tensor] = []
        self._count, self._digest = 0, bytes(DIGEST)
        self._stream: StatisticsStream | None = None
        self._vectors: list[Tensor] = []
        self._logits: list[Tensor] = []
        self._pixels: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._keys: list[Tensor] = []

    @property
    def count(self) -> int:
        """Number of images so far."""
        return self._before.count + self._count

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of an image; ``None`` before the first one."""
        return self._shape

    @property
    def labelled(self) -> bool:
        """Whether the images so far have labels."""
        return bool(self._labels) or self._before.labels is not None

    def add(self, images: Tensor, labels: Tensor | None, extractor: Extractor | None) -> None:
        """Take in images.

        Args:
            images: Images uint8 (B, C, H, W), all of one shape, and not changed afterwards.
            labels: Their classes (B,), for all batches or none.
            extractor: What looks at them, the same for all batches.

        Raises:
            ValueError: The extractor does not take these images.
        """
        self._shape = tuple(images.shape[1:])
        self._count += len(images)
        if self._hashes:
            for image in images.cpu().contiguous().flatten(1).numpy():
                self._digest = hashlib.sha256(self._digest + hashlib.sha256(image.data).digest()).digest()
        if labels is not None:
            self._labels.append(labels)
        if self._keeps_pixels:
            self._pixels.append(images.cpu())
        if self._keeps_pixels or self._reads:  # a measure of more than moments may draw from the images
            self._keys.append(content_keys(images))
        if extractor is not None:
            self._waiting.append(images)
            self._look(extractor, whole=True)

    def _look(self, extractor: Extractor, *, whole: bool) -> None:
        """Let the extractor see the images that wait, as far as they make whole pieces, or all of them."""
        waiting = sum(map(len, self._waiting))
        if not waiting:
            return
        piece = self._batch_size or min(BATCH, max(1, PIECE_BYTES // max(1, self._waiting[0][0].numel())))
        if whole and waiting < piece:
            return
        *pieces, rest = torch.split(torch.cat(self._waiting), piece)
        if not whole or len(rest) == piece:
            pieces, rest = [*pieces, rest], rest[:0]
        for images in pieces:
            self._take(extractor, images)
        self._waiting = [rest.clone()] if len(rest) else []

    def _take(self, extractor: Extractor, images: Tensor) -> None:
        vectors, logits = extractor(images)
        if self._stream is None:
            device = "cpu" if vectors.device.type == "mps" else vectors.device  # MPS has no float64
            self._stream = StatisticsStream(vectors.shape[1], device=device)
        self._stream.add(vectors)
        if "vectors" in self._reads:
            self._vectors.append(vectors)
        if "logits" in self._reads:
            if logits is None:
                raise ValueError(f"{extractor.name!r} is not a classifier, and this measure needs the verdicts of one")
            self._logits.append(logits)

    def gathered(self, extractor: Extractor | None) -> Gathered:
        """What is known of all images so far.

        Args:
            extractor: What looks at images that still wait.
        """
        if extractor is not None:
            self._look(extractor, whole=False)
        mine = Gathered(
            count=self._count,
            shape=self._shape,
            moments=None if self._stream is None else self._stream.statistics(),
            vectors=_stack(self._vectors),
            logits=_stack(self._logits),
            pixels=_stack(self._pixels),
            labels=_stack(self._labels),
            keys=_stack(self._keys),
            digest=self._digest,
        )
        return self._before.merge(mine)

    def replace(self, gathered: Gathered) -> None:
        """Go on from other images than those so far."""
        self._before = gathered
        self._begin_anew()


def _moments_of_ranks(moments: FeatureStatistics | None) -> FeatureStatistics | None:
    dimensions = 0 if moments is None else moments.dimensions
    widest = gather_rows(torch.tensor([[dimensions]]), torch.int64)
    assert widest is not None  # each rank gave a row
    most = int(widest.max())
    return merge_ranks(moments or FeatureStatistics.empty(most)) if most else None


def _join(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return None if a is None or b is None else torch.cat([a, b.to(a.device)])


def _stack(parts: list[Tensor]) -> Tensor | None:
    return torch.cat(parts) if parts else None


def _written(shape: tuple[int, ...] | None) -> str:
    return "x".join(map(str, shape or ()))
