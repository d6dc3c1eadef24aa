"""Data that are given as objects of Python: ready ``Data``, arrays, tensors, data sets."""

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from zerosum.data.arrays import from_arrays, to_uint8
from zerosum.data.ask import Ask
from zerosum.data.base import Data
from zerosum.data.images import Images
from zerosum.data.labels import name_classes, read_labels
from zerosum.data.levels import AnyArray, check_dtype
from zerosum.data.memory import check_memory, note_memory
from zerosum.data.points import Points, resampled
from zerosum.data.tensors import as_array
from zerosum.errors import DataError

_READ = (
    "what is read: a source's name, a path, a Data, an array or tensor of images, or a data set with __len__ and "
    "__getitem__"
)
_FEW_SPREAD, _MUCH_SPREAD = 0.1, 10.0  # standard deviations that networks which begin at about 1 do not reach soon


@runtime_checkable
class MapStyle(Protocol):
    """What has a length and an item of each number from 0: a map-style data set, an array, a list."""

    def __len__(self) -> int:
        """Number of items."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """Item of a number."""
        ...


def load_given(source: Any, labels: Any, ask: Ask) -> Data:
    """The data that an object of Python holds; see :func:`zerosum.data.load`.

    Args:
        source: Object.
        labels: Labels of its images, or ``None``.
        ask: What is asked besides; its ``source`` is not looked at.

    Raises:
        DataError: The object is of no kind that is read, or what it holds does not make sense.
    """
    if isinstance(source, Data):
        return _as_it_is(source, labels, ask)
    if ask.split != "train":
        raise DataError(f"split={ask.split!r}: only named sources have a test split; give the test images instead")
    check_kind(source)
    array = as_array(source, _name_of(source))
    if array is not None:
        named = replace(ask, source=_name_of(source))
        return from_array(array, labels, named, channels_first=isinstance(source, Tensor))
    if not isinstance(source, MapStyle):
        raise DataError(f"data of type {type(source).__name__} are not read; {_READ}")
    from zerosum.data.dataset import load_items

    return load_items(source, labels, replace(ask, source=_name_of(source)))


def from_array(values: AnyArray, labels: Any, ask: Ask, *, channels_first: bool) -> Images | Points:
    """Images or points of an array, which is copied.

    Args:
        values: Images ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``, or points ``(N, 2)``.
        labels: Labels of the images, or ``None``.
        ask: What is asked besides.
        channels_first: Whether ``(N, C, H, W)`` is the usual layout; see :func:`to_channels_last`.

    Raises:
        DataError: The array holds neither, or labels do not fit.
    """
    check_dtype(values.dtype, ask.source)
    if values.ndim == 2:
        return _from_plane(values, labels, ask)
    check_memory(values.size, ask.source)
    pixels, notes = to_uint8(values, ask, channels_first=channels_first)
    notes = (*notes, *note_memory(pixels.nbytes))
    if np.may_share_memory(pixels, values):
        pixels = pixels.copy()  # what the caller does to the array later must not change the data
    if labels is None:
        return from_arrays(pixels, None, ask, notes=notes)
    indices, classes, further = name_classes(read_labels(labels, len(pixels)), None, ask)
    return from_arrays(pixels, indices, ask, classes=classes, notes=(*notes, *further))


def _from_plane(values: AnyArray, labels: Any, ask: Ask) -> Points:
    """Points ``(N, 2)``, drawn with replacement."""
    n, width = values.shape
    if width != 2 or not n:
        raise DataError(
            f"{ask.source}: shape {values.shape} is not read; give points (N, 2), or images (N, H, W), (N, H, W, C) or "
            "(N, C, H, W)"
        )
    if values.dtype.kind not in "iuf":
        raise DataError(f"{ask.source}: points are {values.dtype}; floating point is read")
    if labels is not None:
        raise DataError("labels: points in the plane have no classes; leave labels out", argument="labels")
    if ask.size is not None or ask.channels is not None:
        raise DataError(f"{ask.source} holds points in the plane: size and channels do not apply to it")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise DataError(f"{ask.source}: point {int(np.argmin(finite))} holds NaN or infinity")
    with np.errstate(over="ignore"):
        points = torch.from_numpy(np.array(values, np.float32, order="C"))
    if not bool(points.isfinite().all()):
        raise DataError(f"{ask.source}: points reach beyond the numbers of float32; scale them to about 1")
    notes = [f"points are drawn, with replacement, from {n:,}"]
    spread = float(points.double().std(0, correction=0).max())
    if not _FEW_SPREAD <= spread <= _MUCH_SPREAD:
        notes.append(f"the points have a standard deviation of {spread:.3g}; networks begin at about 1, so scale them")
    return resampled(ask.source, points, tuple(notes))


def check_kind(source: Any) -> None:
    """Refuse objects that look like data sets and cannot be read as such, each with what to do.

    Raises:
        DataError: The source is one of them.
    """
    kind = type(source).__name__
    advice = None
    if source is None:
        advice = f"data are None; {_READ}"
    elif isinstance(source, type):
        advice = f"data are the class {source.__name__}; give an object of it, as in {source.__name__}(...)"
    elif isinstance(source, torch.utils.data.DataLoader) or (hasattr(source, "dataset") and not _is_indexed(source)):
        advice = f"data of type {kind} come in batches, in an order of their own; give what it reads: loader.dataset"
    elif hasattr(source, "keys") and not hasattr(source, "__array__"):
        names = ", ".join(map(repr, list(source.keys())[:5]))
        advice = f"data of type {kind} are several things under names ({names}); give one of them, as in data[name]"
    elif isinstance(source, bytes | bytearray | memoryview):
        advice = f"data are {kind}; give a path as a text, or an array"
    elif type(source).__module__.startswith("PIL."):
        advice = "data are a single picture; give a list of pictures, or the folder that holds them"
    elif isinstance(source, torch.utils.data.IterableDataset) or (
        hasattr(source, "__iter__") and not _is_indexed(source)
    ):
        advice = f"data of type {kind} can only be gone through in order; collect the items first, as in list(data)"
    elif hasattr(source, "__getitem__") and not hasattr(source, "__len__"):
        advice = f"data of type {kind} have no length; give it a method __len__"
    elif hasattr(source, "batch") and hasattr(source, "fingerprint"):
        advice = f"{kind} has a batch() like data, but is not one; derive it from zerosum.data.Data"
    if advice:
        raise DataError(advice)


def _is_indexed(source: Any) -> bool:
    return isinstance(source, MapStyle)


def _as_it_is(data: Data, labels: Any, ask: Ask) -> Data:
    """Ready data; nothing can be asked of them any more."""
    asked = {"labels": labels, "size": ask.size, "channels": ask.channels}
    for name, value in asked.items():
        if value is not None:
            shown = "" if name == "labels" else f"={value!r}"
            raise DataError(
                f"{name}{shown}: {data.name} is loaded already, so leave this out, or ask for it in zerosum.data.load",
                argument=name,
            )
    if ask.split != "train":
        raise DataError(f"split={ask.split!r}: {data.name} is loaded already, so leave this out")
    return data


def _name_of(source: Any) -> str:
    """What data are called that have no source: "array", "tensor", "list", "dataset", or the user's own class."""
    if isinstance(source, Tensor):
        return "tensor"
    if isinstance(source, list | tuple):
        return type(source).__name__ if type(source) in (list, tuple) else "list"
    if isinstance(source, np.ndarray) or hasattr(source, "__array__"):
        return "array"
    from zerosum.data.sources import is_source

    kind = type(source)
    foreign = kind.__module__.split(".")[0] in ("torch", "torchvision", "datasets", "builtins")
    return "dataset" if foreign or is_source(kind.__name__) else kind.__name__
