"""Samples to be measured: real ones, files of any program, or those of a generator; images or points."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zerosum.metrics.sampling import SampleFunction, draw, pieces
from zerosum.metrics.shared.ordering import content_keys, content_order

SMALLEST = 2  # images below which no measure says anything


class Maker(NamedTuple):
    """The generator behind a set of samples, for measures that search or walk among its latents.

    Attributes:
        generate: Generator: latents (B, d) -> images (B, C, H, W) in [-1, 1], differentiable.
        latents: Prior: ``(n, rng) -> (n, d)``.
        path: Way between latents: ``(a, b, t)`` -> the point at t on the way from a to b.
        way: Name of this way, ``"slerp"`` or ``"lerp"``.
        bound: Largest size of a latent's component; ``None`` for a prior without bounds.
    """

    generate: Callable[[Tensor], Tensor]
    latents: Callable[[int, torch.Generator], Tensor]
    path: Callable[[Tensor, Tensor, Tensor], Tensor]
    way: str
    bound: float | None


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A finite set of 8-bit images, read in order and in pieces, as often as needed.

    Attributes:
        name: Name for people and protocols.
        kind: Kind of the images: ``"real"``, ``"generated"`` or ``"files"``.
        fingerprint: Fingerprint of the content, or of all that a generator's samples depend on.
        shape: Shape of an image, (C, H, W).
        count: Number of images, N.
        read: Function ``(start, n)`` -> uint8 (n, C, H, W).
        labels: Indices into ``classes``, int64 (N,), or ``None``.
        classes: Names of the classes.
        maker: Generator, where there is one and it takes only latents.
        pick: Function from indices to images uint8 (n, C, H, W), where images can be read in any order.
        decoding: What was done to the files that they are from, in words; ``""`` for what is from no files.
        path: Where these files are; ``""`` for what is from no files.

    Raises:
        ValueError: There are fewer images than any measure needs.
    """

    name: str
    kind: str
    fingerprint: str
    shape: tuple[int, ...]
    count: int
    read: Callable[[int, int], Tensor] = field(repr=False)
    labels: Tensor | None = field(default=None, repr=False)
    classes: tuple[str, ...] = ()
    maker: Maker | None = field(default=None, repr=False)
    pick: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)
    decoding: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        if self.count < SMALLEST:
            raise ValueError(f"{self.name} has {self.count} image(s) to measure: at least {SMALLEST} are needed")

    def moments(self, extractor: Any) -> Any:
        """Statistics of an extractor's features that are known without a look at the images; ``None``: none are."""
        return None

    def batches(self, size: int) -> ImageBatches:
        """All images, ``size`` at a time; they can be gone through again and again."""
        return ImageBatches(self, size)

    def pixels(self) -> Tensor:
        """All images at once, uint8 (N, C, H, W), for measures that pair them or train on them."""
        return self.read(0, self.count)

    def first(self, count: int) -> ImageSet:
        """The first ``count`` images.

        Raises:
            ValueError: There are not so many.
        """
        if count > self.count:
            raise ValueError(f"{self.name} has {self.count:,} images, fewer than the {count:,} that are needed")
        if count == self.count:
            return self
        labels = None if self.labels is None else self.labels[:count]
        return replace(self, count=count, labels=labels, fingerprint=f"{self.fingerprint}:first {count}")

    def select(self, indices: Tensor) -> ImageSet:
        """The images with these indices, in this order.

        Raises:
            ValueError: The images can only be read in order.
        """
        if self.pick is None:
            raise ValueError(f"{self.name} can only be read in order")
        pick = self.pick
        labels = None if self.labels is None else self.labels[indices]
        return replace(
            self,
            count=len(indices),
            labels=labels,
            read=lambda start, n: pick(indices[start : start + n]),
            pick=lambda which: pick(indices[which]),
            fingerprint=f"{self.fingerprint}:{hashlib.sha256(indices.numpy().tobytes()).hexdigest()}",
        )


@dataclass(frozen=True)
class ImageBatches:
    """The images of a set, uint8 (B, C, H, W), ``size`` at a time.

    Attributes:
        images: The set.
        size: Images at a time; the last batch may have fewer.
    """

    images: ImageSet
    size: int

    def __iter__(self) -> Iterator[Tensor]:
        for start, n in pieces(self.images.count, self.size):
            yield self.images.read(start, n)


@dataclass(frozen=True, eq=False)
class PointSet:
    """A set of points in the plane: a mixture whose modes are known, or a generator's samples.

    Attributes:
        name: Name for people and protocols.
        kind: Kind of the points: ``"real"`` or ``"generated"``.
        fingerprint: Fingerprint of the distribution, or of all that a generator's samples depend on.
        count: Number of points, N; ``None`` for a distribution, which has no end.
        read: Function ``(start, n)`` -> points (n, 2); ``None`` for a distribution.
        modes: Centres of the modes, (M, 2), or ``None``.
        std: Standard deviation of each mode along each axis, or ``None``.
    """

    name: str
    kind: str
    fingerprint: str
    count: int | None
    read: Callable[[int, int], Tensor] | None = field(default=None, repr=False)
    modes: Tensor | None = field(default=None, repr=False)
    std: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a point."""
        return (2,)


def of_data(data: Any, count: int | None = None, *, kind: str = "real") -> ImageSet:
    """The images of a source; fewer than all are the first by their hashes, whatever order the source has.

    Args:
        data: Source of ``zerosum.data`` that holds ``pixels``.
        count: Number of images; all by default.
        kind: Kind of the images: ``"real"``, or ``"files"`` for those that stand in for a generator's.

    Raises:
        ValueError: The source holds no images, or not so many.
    """
    stored = getattr(data, "pixels", None)
    if stored is None:
        raise ValueError(f"{data.name} has no images: image measures do not apply to it")
    total = len(stored)
    count = total if count is None else count
    if count > total:
        raise ValueError(f"{data.name} has {total:,} images, fewer than the {count:,} asked for: ask for fewer")
    chosen = None if count == total else _choose(data, count)

    def rows(which: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(stored[which])).permute(0, 3, 1, 2)

    def read(start: int, n: int) -> Tensor:
        return rows(slice(start, start + n) if chosen is None else chosen[start : start + n])

    def pick(indices: Tensor) -> Tensor:
        return rows(indices.numpy() if chosen is None else chosen[indices.numpy()])

    labels = None
    if data.labels is not None:
        labels = torch.as_tensor(np.asarray(data.labels))[slice(None) if chosen is None else torch.from_numpy(chosen)]
    fingerprint = data.fingerprint if chosen is None else f"{data.fingerprint}:first {count} by their hashes"
    return ImageSet(
        name=data.name,
        kind=kind,
        fingerprint=fingerprint,
        shape=tuple(data.shape),
        count=count,
        read=read,
        labels=labels,
        classes=tuple(data.classes),
        pick=pick,
        decoding=getattr(data, "decoding", ""),
        path=getattr(data, "path", ""),
    )


def _choose(data: Any, count: int) -> npt.NDArray[np.int64]:
    """Indices of the first images of a source by their hashes."""
    parts = (torch.from_numpy(data.pixels[start : start + n]) for start, n in pieces(len(data.pixels), 1_000))
    keys = torch.cat([content_keys(part.permute(0, 3, 1, 2)) for part in parts])
    labels = None if data.labels is None else torch.as_tensor(np.asarray(data.labels))
    return np.asarray(content_order(keys, labels)[:count].numpy())


def of_generator(
    sampler: SampleFunction,
    shape: tuple[int, ...],
    count: int,
    *,
    name: str,
    fingerprint: str,
    labels: Tensor | None = None,
    classes: tuple[str, ...] = (),
    maker: Maker | None = None,
) -> ImageSet:
    """Samples 0 .. ``count`` - 1 of a generator, clamped to [-1, 1] and rounded to the 256 levels of a file.

    So a generator and a folder of the PNGs that it made get the same scores.

    Args:
        sampler: Function ``(start, n)`` -> images (n, *shape), floating point, values in [-1, 1].
        shape: Shape of an image, (C, H, W).
        count: Number of samples.
        name: Name for people and protocols.
        fingerprint: Fingerprint of the weights, the seed, and whatever else the samples depend on.
        labels: Class of each sample, where the generator was asked for one.
        classes: Names of the classes.
        maker: The generator itself, for measures that need it.

    Raises:
        ValueError: There are fewer samples than any measure needs.
    """

    def read(start: int, n: int) -> Tensor:
        found = [eight_bit(part) for part in draw(sampler, n, shape, first=start)]
        return torch.cat(found)

    return ImageSet(name, "generated", fingerprint, shape, count, read, labels, classes, maker)


def points_of_data(data: Any) -> PointSet:
    """The distribution that a 2-D source draws from, with its modes where they are known."""
    modes, std = getattr(data, "modes", None), getattr(data, "std", None)
    known = None if modes is None else torch.as_tensor(modes)
    return PointSet(data.name, "real", data.fingerprint, None, modes=known, std=None if std is None else float(std))


def points_of_generator(sampler: SampleFunction, count: int, *, name: str, fingerprint: str) -> PointSet:
    """Samples 0 .. ``count`` - 1 of a generator of points.

    Args:
        sampler: Function ``(start, n)`` -> points (n, 2), floating point.
        count: Number of samples.
        name: Name for people and protocols.
        fingerprint: Fingerprint of the weights, the seed, and whatever else the samples depend on.

    Raises:
        ValueError: The count is below 1.
    """
    if count < 1:
        raise ValueError(f"the number of samples must be at least 1, not {count}")

    def read(start: int, n: int) -> Tensor:
        return torch.cat(list(draw(sampler, n, (2,), first=start, size=n)))

    return PointSet(name, "generated", fingerprint, count, read)


SampleSet = ImageSet | PointSet


def eight_bit(images: Tensor) -> Tensor:
    """Round floating-point images in [-1, 1] to uint8, as they are written to files."""
    return images.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
