"""A set of images to be measured: real ones, files of any program's, or a generator's samples of one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.sampling import Sampler, draw, pieces

SMALLEST = 2  # images below which no measure says anything


class Maker(NamedTuple):
    """The generator behind a set of samples, for measures that search or walk among its latents.

    Attributes:
        generate: latents (B, d) -> images (B, C, H, W) in [-1, 1], differentiable.
        latents: ``(n, rng) -> (n, d)``.
        path: ``(a, b, t) ->`` the point at t on the way from a to b.
        way: what this way is called: ``"slerp"`` or ``"lerp"``.
        bound: latents lie in [-bound, bound]; ``None`` for a prior without bounds.
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
        name: for people and protocols.
        kind: ``"real"``, ``"generated"`` or ``"files"``.
        fingerprint: of the content, or of all that a generator's samples depend on.
        shape: (C, H, W).
        count: N.
        read: ``(start, n) -> uint8 (n, C, H, W)``.
        labels: int64 (N,) indices into ``classes``, or ``None``.
        classes: their names.
        maker: the generator, where there is one and it takes latents alone.
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

    def __post_init__(self) -> None:
        if self.count < SMALLEST:
            raise ValueError(f"{self.name} has {self.count} image(s) to measure: at least {SMALLEST} are needed")

    def batches(self, size: int) -> Batches:
        """All images, ``size`` at a time; can be gone through again and again."""
        return Batches(self, size)

    def pixels(self) -> Tensor:
        """All images at once, uint8 (N, C, H, W): for measures that pair or train on them."""
        return self.read(0, self.count)


@dataclass(frozen=True)
class Batches:
    """The images of a set, uint8 (B, C, H, W), ``size`` at a time."""

    images: ImageSet
    size: int

    def __iter__(self) -> Iterator[Tensor]:
        for start, n in pieces(self.images.count, self.size):
            yield self.images.read(start, n)


def of_data(data: Any, count: int | None = None, *, kind: str = "real") -> ImageSet:
    """The images of a source; fewer than all are taken in one fixed random order, the same for every caller.

    Args:
        data: from ``zerosum.data``, with ``pixels``.
        count: how many; all by default.
        kind: ``"real"``, or ``"files"`` for images that stand in for a generator's.

    Raises:
        ValueError: it holds no images, or not so many.
    """
    stored = getattr(data, "pixels", None)
    if stored is None:
        raise ValueError(f"{data.name} has no images: image measures do not apply to it")
    total = len(stored)
    count = total if count is None else count
    if count > total:
        raise ValueError(f"{data.name} has {total:,} images, fewer than the {count:,} asked for: lower --count")
    chosen = None if count == total else torch.randperm(total, generator=generator("halves"))[:count].numpy()

    def read(start: int, n: int) -> Tensor:
        which = slice(start, start + n) if chosen is None else chosen[start : start + n]
        return torch.from_numpy(np.ascontiguousarray(stored[which])).permute(0, 3, 1, 2)

    labels = None
    if data.labels is not None:
        labels = torch.as_tensor(np.asarray(data.labels))[slice(None) if chosen is None else torch.from_numpy(chosen)]
    fingerprint = data.fingerprint if chosen is None else f"{data.fingerprint}:first {count} of a fixed order"
    return ImageSet(data.name, kind, fingerprint, tuple(data.shape), count, read, labels, tuple(data.classes))


def of_generator(
    sampler: Sampler,
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
        sampler: ``(start, n) -> (n, *shape)`` floating point, values in [-1, 1].
        shape: (C, H, W).
        count: number of samples.
        name: for people.
        fingerprint: of the weights, the seed, and whatever else the samples depend on.
        labels: class of each sample, where the generator was asked for one.
        classes: their names.
        maker: the generator itself, for measures that need it.
    """

    def read(start: int, n: int) -> Tensor:
        found = [eight_bit(part) for part in draw(lambda i, m: sampler(start + i, m), n, shape)]
        return torch.cat(found)

    return ImageSet(name, "generated", fingerprint, shape, count, read, labels, classes, maker)


def eight_bit(images: Tensor) -> Tensor:
    """Floating point images in [-1, 1] -> uint8, as they are written to files."""
    return images.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
