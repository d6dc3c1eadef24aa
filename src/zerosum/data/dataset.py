"""Images of a map-style data set: anything with a length and numbered items, read once, in order, into memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zerosum.data.arrays import conform, hint_at_alpha, note_shape, to_channels_last
from zerosum.data.ask import Ask
from zerosum.data.images import Images, Labels, Pixels
from zerosum.data.items import ItemReader, Sample, in_words
from zerosum.data.labels import name_classes, read_labels
from zerosum.data.levels import (
    SCALES,
    AnyArray,
    Scale,
    check_dtype,
    note_darkness,
    refuse_range,
    whole_to_levels,
)
from zerosum.data.memory import check_memory, note_memory
from zerosum.errors import DataError
from zerosum.progress import progress

_NESTED = 5  # data sets within data sets that are asked for names


def load_items(items: Any, labels: Any, ask: Ask) -> Images:
    """Images, and labels if any, of a data set.

    Args:
        items: Data set; see :func:`zerosum.data.load` for what its items may be.
        labels: Labels of its images, where the items have none; else ``None``.
        ask: What is asked besides.

    Raises:
        DataError: An item cannot be read, is not an image, or differs from the first one in shape or kind; the message
            names its number. Or labels do not fit, or there is not enough memory.
    """
    count = _count(items, ask)
    _refuse_pair(items, count)
    reader = ItemReader(items, ask)
    first = reader.read(0)
    values = None if labels is None else read_labels(labels, count)
    if values is not None and first.label is not None:
        raise DataError(f"labels: the items of {ask.source} have labels already; leave labels out", argument="labels")
    store = ItemStore(first, count, ask)
    own: list[Any] = []
    with progress(count, f"reading {ask.source}", ask.progress) as advance:
        for i in range(count):
            sample = reader.read(i)
            if i == 0 and not _same(first, sample):
                store.note(
                    "item 0 is another image each time it is read (a random transform?); each item was read once, and "
                    "stays as it was, so that other data come of it next time"
                )
            store.add(i, sample)
            own.append(sample.label)
            advance(1)
    pixels, names = store.finish(), _names_of(items, reader.label_key)
    if first.label is not None and not (names and all(label == -1 for label in own)):  # -1: a test split's, unknown
        values = read_labels(own, count)
    return _finish(pixels, values, names, (*reader.notes, *store.notes), ask)


def _finish(
    pixels: Pixels, values: AnyArray | None, names: Sequence[str] | None, notes: Sequence[str], ask: Ask
) -> Images:
    indices: Labels | None = None
    classes: tuple[str, ...] = ()
    if values is not None:
        indices, classes, further = name_classes(values, names, ask)
        notes = (*notes, *further)
    notes = (*notes, *note_memory(pixels.nbytes))
    return Images.of(pixels, indices, name=ask.source, classes=classes, notes=notes)


def _count(items: Any, ask: Ask) -> int:
    try:
        count = len(items)
    except Exception as error:
        raise DataError(f"{ask.source}: its length cannot be told ({in_words(error)})") from error
    if not count:
        raise DataError(f"{ask.source}: it holds no items")
    return count


def _refuse_pair(items: Any, count: int) -> None:
    """Refuse ``(images, labels)`` where a list of images is expected."""
    if isinstance(items, list | tuple) and count == 2 and all(hasattr(part, "shape") for part in items):
        images, labels = items
        if len(images.shape) in (3, 4) and tuple(labels.shape) == tuple(images.shape[:1]):
            raise DataError("data are a pair of images and labels; give the labels apart, as in data=x, labels=y")


class ItemStore:
    """Images of a data set as they come, with 8 bits for each number.

    What floating-point numbers mean is known only when the last has come, so there is an array for each scale on which
    all so far may lie; the first image that does not lie on one ends that one.

    Args:
        first: First image, which all others must resemble.
        count: Number of images.
        ask: What is asked of them.
    """

    def __init__(self, first: Sample, count: int, ask: Ask) -> None:
        self._first, self._count, self._ask = first, count, ask
        self._kind = _kind_of(first.image)
        self._stores: dict[Scale | None, Pixels] = {}
        self._low, self._high = np.inf, -np.inf
        self._enlarged = self._transparent = 0
        self._dark = True
        self._extent: tuple[int, ...] | None = None  # height and width of the first
        self.notes: tuple[str, ...] = ()

    def note(self, words: str) -> None:
        """Add a note."""
        self.notes = (*self.notes, words)

    def add(self, i: int, sample: Sample) -> None:
        """Add image ``i``.

        Raises:
            DataError: It is not an image, or does not resemble the first one.
        """
        here = f"{self._ask.source}: item {i}"
        image = self._check(i, sample)
        values, notes = self._lay_out(image, sample, here)
        if i == 0:
            self.notes = (*self.notes, *notes)
        self._transparent += sample.transparent
        self._enlarged += self._ask.size is not None and min(values.shape[1:3]) < self._ask.size
        if self._kind == "floating point":
            self._add_floats(i, values, here)
        else:
            self._add_levels(i, values, here)

    def finish(self) -> Pixels:
        """All images, uint8 ``(N, H, W, C)``; the notes are complete then."""
        scale = next(iter(self._stores))
        pixels = self._stores[scale]
        self.notes += () if scale is None else (scale.note,)
        self.notes += note_darkness(self._dark and scale is None and self._kind == "whole numbers")
        if self._transparent:
            self.note(f"the transparency of {self._transparent} of {self._count} images was put on white")
        if self._enlarged:
            size = self._ask.size
            self.note(f"{self._enlarged} of {self._count} images are smaller than {size} and were enlarged")
        height, width = pixels.shape[1:3]
        if height != width:
            self.note(note_shape(height, width))
        return pixels

    def _check(self, i: int, sample: Sample) -> AnyArray:
        """The numbers of an image, once it is clear that it resembles the first one."""
        source, first, image = self._ask.source, self._first, sample.image
        check_dtype(image.dtype, f"{source}: item {i}")
        if _kind_of(image) != self._kind:
            raise DataError(
                f"{source}: item {i} is {image.dtype} and item 0 {first.image.dtype}; give numbers of one kind"
            )
        if (sample.label is None) != (first.label is None):
            has, other = ("no label", "one") if sample.label is None else ("a label", "none")
            raise DataError(f"{source}: item {i} has {has}, and item 0 has {other}")
        return image

    def _lay_out(self, image: AnyArray, sample: Sample, here: str) -> tuple[AnyArray, tuple[str, ...]]:
        """An image as ``(1, H, W, C)``, of the first one's height and width unless all are resized."""
        if image.ndim not in (2, 3) or not image.size:
            hint = {1: "; give points as one array (N, 2)", 4: "; it looks like a whole batch"}.get(image.ndim, "")
            raise DataError(f"{here} has shape {image.shape}; (H, W), (H, W, C) or (C, H, W) is read{hint}")
        if image.ndim == 3 and image.shape[0] not in (1, 3) and image.shape[2] not in (1, 3):
            hint = hint_at_alpha(image.shape)
            raise DataError(f"{here} has shape {image.shape}; the channels must be 1 or 3{hint}")
        notes: tuple[str, ...] = ()
        values = image[None, :, :, None] if image.ndim == 2 else image[None]
        if image.ndim == 3:
            values, notes = to_channels_last(values, here, channels_first=sample.channels_first)
        self._extent = self._extent or values.shape[1:3]
        if self._ask.size is None and values.shape[1:3] != self._extent:
            raise DataError(
                f"{here} has shape {image.shape}, and item 0 {self._first.image.shape}; give a size, to which all are "
                "cropped and resized"
            )
        return values, notes

    def _add_levels(self, i: int, values: AnyArray, here: str) -> None:
        if values.dtype == np.bool_:
            levels = values.astype(np.uint8) * np.uint8(255)
        else:
            levels, _ = whole_to_levels(values, here)
        self._dark = self._dark and levels.max() <= 1
        self._put(i, None, levels)

    def _add_floats(self, i: int, values: AnyArray, here: str) -> None:
        if not np.isfinite(values).all():
            raise DataError(f"{here} holds NaN or infinity")
        self._low, self._high = min(self._low, float(values.min())), max(self._high, float(values.max()))
        for scale in SCALES if i == 0 else tuple(self._stores):
            if scale is not None and scale.holds(values):
                self._put(i, scale, scale.to_levels(values))
            else:
                self._stores.pop(scale, None)
        if not self._stores:
            raise refuse_range(f"{self._ask.source}: items 0 to {i}", self._low, self._high)

    def _put(self, i: int, scale: Scale | None, levels: Pixels) -> None:
        image = conform(levels, self._ask, shown=False)[0]
        if scale not in self._stores:
            check_memory(self._count * image.size, self._ask.source)
            self._stores[scale] = np.empty((self._count, *image.shape), np.uint8)
        pixels = self._stores[scale]
        if image.shape != pixels.shape[1:]:
            raise DataError(
                f"{self._ask.source}: item {i} is {_hue(image)}, and item 0 {_hue(pixels)}; give channels=3 for colour "
                "or channels=1 for grey, to which all are converted"
            )
        pixels[i] = image


def _hue(image: Pixels) -> str:
    return "grey" if image.shape[-1] == 1 else "in colour"


def _kind_of(image: AnyArray) -> str:
    return {"b": "bools", "f": "floating point"}.get(image.dtype.kind, "whole numbers")


def _same(a: Sample, b: Sample) -> bool:
    return a.image.shape == b.image.shape and bool(np.array_equal(a.image, b.image))


def _names_of(items: Any, label_key: Any) -> Sequence[str] | None:
    """Names of the class numbers, where the data set has them as those of torchvision or Hugging Face do."""
    features = getattr(items, "features", None)
    names = getattr(features.get(label_key), "names", None) if isinstance(features, Mapping) else None
    for _ in range(_NESTED):
        names = getattr(items, "classes", None) if names is None else names
        items = getattr(items, "dataset", None)  # what a subset is of
    if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
        return tuple(names)
    return None
