"""Items of a map-style data set: what in them is the image, and what the label."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from zerosum.data.ask import Ask
from zerosum.data.decode import is_transparent, to_grey_or_rgb
from zerosum.data.labels import plain
from zerosum.data.levels import AnyArray
from zerosum.data.tensors import as_array
from zerosum.errors import DataError

_IMAGE_KEYS = ("image", "img", "images", "pixel_values", "pixels", "picture", "x")
_LABEL_KEYS = ("label", "labels", "target", "targets", "class", "fine_label", "y")
_READ = "give images as arrays, tensors or pictures of Pillow, alone, as (image, label), or under names"


class Sample(NamedTuple):
    """One item of a data set.

    Attributes:
        image: Numbers of the image, ``(H, W)``, ``(H, W, C)`` or ``(C, H, W)``.
        channels_first: Whether ``(C, H, W)`` is usual for what it came as.
        transparent: Whether it was a picture with transparent parts, which are now on white.
        label: Label, or ``None``.
    """

    image: AnyArray
    channels_first: bool
    transparent: bool
    label: Any


class ItemReader:
    """Items of a data set, each as a :class:`Sample`.

    Args:
        items: Data set.
        ask: What is asked of it.
    """

    def __init__(self, items: Any, ask: Ask) -> None:
        self._items, self._source = items, ask.source
        self._image_key: Any = None
        self.label_key: Any = None
        self.notes: tuple[str, ...] = ()

    def read(self, i: int) -> Sample:
        """Read item ``i``.

        Raises:
            DataError: It cannot be read, or is not an image.
        """
        try:
            item = self._items[i]
            image, label = self._split(item, i)
            return self._to_sample(image, self._check_label(label, i), i)
        except DataError:
            raise
        except Exception as error:  # whatever a data set of somebody else raises
            raise DataError(f"{self._source}: item {i} could not be read: {in_words(error)}") from error

    def _split(self, item: Any, i: int) -> tuple[Any, Any]:
        """Image and label of an item; the label is ``None`` where it has none."""
        if isinstance(item, Mapping):
            if i == 0 and self._image_key is None:
                self._choose_keys(item)
            if self._image_key not in item:
                raise DataError(f"{self._source}: item {i} has no {self._image_key!r}, which item 0 has")
            return item[self._image_key], None if self.label_key is None else item.get(self.label_key)
        if isinstance(item, list | tuple):
            if len(item) in (1, 2) and _is_image(item[0]):
                return item[0], item[1] if len(item) == 2 else None
            kinds = ", ".join(type(part).__name__ for part in item[:4])
            raise DataError(f"{self._source}: item {i} is a {type(item).__name__} of {len(item)} ({kinds}); {_READ}")
        return item, None

    def _choose_keys(self, item: Mapping[Any, Any]) -> None:
        """Decide by the first item which of its parts are the image and the label."""
        pictures = [key for key, value in item.items() if _is_image(value)]
        usual = [key for key in _IMAGE_KEYS if key in item]
        if not usual and len(pictures) != 1:
            raise DataError(
                f"{self._source}: item 0 has the parts {', '.join(map(repr, item))}; call the image 'image' and the "
                "label 'label'"
            )
        self._image_key = (usual or pictures)[0]
        self.label_key = next((key for key in _LABEL_KEYS if key in item and key != self._image_key), None)
        others = [key for key in item if key not in (self._image_key, self.label_key)]
        if others:
            label = "none" if self.label_key is None else repr(self.label_key)
            self.notes = (
                f"of the parts {', '.join(map(repr, item))}, {self._image_key!r} was taken as the image and {label} as "
                "the label",
            )

    def _check_label(self, label: Any, i: int) -> Any:
        """A label without what wraps it."""
        label = plain(label)
        if label is None or isinstance(label, str | Real):
            return label
        hint = "; of a one-hot row give label.argmax()" if getattr(label, "ndim", 0) == 1 else ""
        raise DataError(
            f"{self._source}: the label of item {i} is of type {type(label).__name__}; give a whole number or a text"
            f"{hint}"
        )

    def _to_sample(self, image: Any, label: Any, i: int) -> Sample:
        if isinstance(image, Image.Image):
            upright = ImageOps.exif_transpose(image)
            transparent = is_transparent(upright)
            values: AnyArray = np.asarray(upright if upright.mode == "F" else to_grey_or_rgb(upright))
            return Sample(values, False, transparent, label)
        array = as_array(image, f"{self._source}: item {i}")
        if array is None:
            raise DataError(f"{self._source}: item {i} is of type {type(image).__name__}; {_READ}")
        return Sample(array, isinstance(image, torch.Tensor), False, label)


def _is_image(value: Any) -> bool:
    return isinstance(value, Image.Image) or len(getattr(value, "shape", ())) > 0


def in_words(error: Exception) -> str:
    """An exception of code that is not ours, as part of a message."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
