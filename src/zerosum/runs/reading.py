"""Images to be scored, from wherever they come: files at their own size, and what else data may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from zerosum.data import Data, load
from zerosum.data.arrays import conform
from zerosum.data.ask import Ask
from zerosum.data.images import Images
from zerosum.data.sources import SOURCES, resolve
from zerosum.metrics.reference import READING
from zerosum.metrics.score import Plain
from zerosum.runs import scoring
from zerosum.runs.native import KINDS, FileReading, Undecoded, check_square, read_files


def are_files(source: Any) -> bool:
    """Whether a source names files of images, which have to be decoded.

    Raises:
        DataError: There is neither such a source nor such a path.
    """
    return isinstance(source, str | PathLike) and resolve(source)[0].partition(":")[0] in KINDS


def load_unchanged(
    source: Any, reading: FileReading, *, labels: Any = None, split: str | None = None, progress: bool = False
) -> Data:
    """Samples as they are, or with what was asked to be done to them.

    Args:
        source: What :func:`zerosum.data.load` takes.
        reading: What is done to images.
        labels: Classes of images that are given as an array or a tensor.
        split: Split of sources that have some.
        progress: Whether to show a bar while images are decoded.

    Raises:
        DataError: The data cannot be loaded.
        UsageError: Images have several sizes, or are not square where a size is asked for.
    """
    if are_files(source) and labels is None:
        name, notes = resolve(source)
        splits = SOURCES[name.partition(":")[0] + ":"].splits
        found = read_files(name, reading, split=(split or "train") if splits else "train", shown=progress)
        return replace(found, notes=(*notes, *found.notes)) if notes else found
    if not has_own_size(source) and reading.size is not None and scoring.has_images(source):
        return load(source, labels=labels, size=reading.size, progress=progress)
    data = load(source, labels=labels, progress=progress)
    return _brought(data, reading) if isinstance(data, Images) else data


def _brought(data: Images, reading: FileReading) -> Images:
    """Images of an array, cropped, resized and made grey or RGB as was asked, with a note."""
    channels, height, width = data.shape
    check_square(reading, height, width, data.name)
    side = reading.size or min(height, width)
    same = (height, width) == (side, side) or not (reading.crop or reading.size)
    if same and reading.channels in (None, channels):
        return data
    ask = Ask(data.name, None if same else side, reading.channels)
    pixels = conform(data.pixels, ask, shown=False)
    told = f"all images were brought from {channels}x{height}x{width} to {pixels.shape[3]}x"
    told += f"{pixels.shape[1]}x{pixels.shape[2]}"
    return Images.of(pixels, data.labels, name=data.name, classes=data.classes, notes=(*data.notes, told))


def load_as_for_training(
    source: Any,
    shape: tuple[int, ...],
    background: str | None = None,
    *,
    split: str | None = None,
    progress: bool = False,
) -> Data:
    """Real samples for a run, brought to what its generator makes as its data were, with notes: cut to their centre
    squares, resized, transparency on white, and made grey or RGB. What is given in Python stays as it is.

    Args:
        source: What :func:`zerosum.data.load` takes.
        shape: Shape of what the generator makes, (C, H, W), or (2,) for points.
        background: Colour on which transparent images are put, instead of white.
        split: Split of sources that have some.
        progress: Whether to show a bar while images are decoded.

    Raises:
        DataError: The data cannot be loaded.
    """
    if len(shape) != 3 or not (are_files(source) or _is_npz(source)):
        return scoring.load_like(source, shape, progress=progress)
    channels, height, width = shape
    square = height == width
    reading = FileReading(height if square else None, square, background or "white", channels)
    return load_unchanged(source, reading, split=split, progress=progress)


def _is_npz(source: Any) -> bool:
    return isinstance(source, str | PathLike) and resolve(source)[0].startswith("npz:")


def has_own_size(source: Any) -> bool:
    """Whether a source has images of a size of their own: files and arrays, and not a set with a name."""
    return not isinstance(source, str | PathLike) or are_files(source) or _is_npz(source)


def in_colour(data: Data) -> Data:
    """Grey images as RGB, with three equal channels. Nothing is copied."""
    if not isinstance(data, Images) or data.shape[0] == 3:
        return data
    shape = (3, *data.shape[1:])
    if isinstance(data.pixels, Undecoded):
        many = replace(data.pixels, shape=(*data.pixels.shape[:3], 3))
        return replace(data, pixels=many, shape=shape, fingerprint=many.fingerprint)
    pixels = np.broadcast_to(data.pixels, (*data.pixels.shape[:3], 3))
    known = Images.of(pixels, data.labels, name=data.name, classes=data.classes)  # for the fingerprint
    return replace(data, pixels=pixels, shape=shape, fingerprint=known.fingerprint)


def match_colours(data: Data, real: Data, note: Callable[[str], None]) -> tuple[Data, Data]:
    """Both sides with as many channels: where one is in colour, grey images of the other are taken as RGB."""
    if len(data.shape) != 3 or data.shape[0] == real.shape[0]:
        return data, real
    grey, other = (data, real) if data.shape[0] == 1 else (real, data)
    note(f"{grey.name} is grey and {other.name} in colour: grey images are taken as RGB with three equal channels")
    return (in_colour(data), real) if grey is data else (data, in_colour(real))


def asked_of(source: Any, reading: FileReading) -> dict[str, str]:
    """What was asked of how the images of a source are read, to be kept with their statistics."""
    facts = {name: str(value) for name, value in facts_of_files(reading).items() if name in READING}
    if not are_files(source):
        del facts["background"]  # means nothing to arrays
    return facts


def facts_of_files(reading: FileReading, path: str = "") -> dict[str, Plain]:
    """What was asked of how images reach what looks at them, for protocols."""
    facts: dict[str, Plain] = {
        "image_size": f"{reading.size}x{reading.size}" if reading.size else "native",
        "crop": "centre square" if reading.crop else "none",
        "background": reading.background or "none",
    }
    return facts | ({"sample_path": path} if path else {})
