"""Labels of images, as they are given, to class numbers and class names."""

from collections.abc import Mapping, Sequence, Set
from numbers import Integral, Real
from reprlib import repr as brief
from typing import Any

import numpy as np

from zerosum.data.ask import Ask
from zerosum.data.images import Labels
from zerosum.data.levels import AnyArray
from zerosum.data.tensors import as_array
from zerosum.errors import DataError


def to_labels(labels: AnyArray | None, count: int, ask: Ask) -> tuple[Labels | None, tuple[str, ...]]:
    """Whole numbers or text to indices into their sorted distinct values, and these values as class names.

    Raises:
        DataError: There is not one label for each image, or labels are something else.
    """
    if labels is None:
        return None, ()
    if labels.shape != (count,):
        raise DataError(f"{ask.source}: labels have shape {labels.shape}; {count} images need shape ({count},)")
    if labels.dtype.kind not in "iuUb":
        raise DataError(f"{ask.source}: labels are {labels.dtype}; whole numbers or text is read")
    values, indices = np.unique(labels, return_inverse=True)
    return indices.astype(np.int64), tuple(str(value) for value in values)


def read_labels(labels: Any, count: int) -> AnyArray:
    """Labels from Python as an array ``(count,)`` of whole numbers or of text.

    Args:
        labels: Array, tensor, list, tuple or column of a table, with one label for each image: a whole number from 0
            (which may be stored as a float), a bool, or a text.
        count: Number of images.

    Raises:
        DataError: There is not one label for each image, or one is neither a number from 0 nor a text.
    """
    values = _as_vector(labels, count)
    if values.dtype.kind == "T":  # numpy's text of any length
        values = values.astype(object)
    if values.dtype.kind == "O":
        values = _from_objects(values)
    if values.dtype.kind == "f":
        values = _from_floats(values)
    if values.dtype.kind not in "iuUb":
        raise _refusal(f"are {values.dtype}; give whole numbers from 0, or texts")
    if values.dtype.kind == "i" and values.min() < 0:
        at = int(np.argmax(values < 0))
        raise _refusal(f"the label of image {at} is {values[at]}; give whole numbers from 0, or texts")
    return values


def name_classes(
    labels: AnyArray, names: Sequence[str] | None, ask: Ask
) -> tuple[Labels | None, tuple[str, ...], tuple[str, ...]]:
    """Labels ``(N,)`` as class numbers, the names of those classes that have images, and notes.

    Args:
        labels: What :func:`read_labels` gave.
        names: Name of each number, where they are known.
        ask: What is asked of the source.
    """
    indices, classes = to_labels(labels, len(labels), ask)
    notes: tuple[str, ...] = ()
    if names is not None and labels.dtype.kind in "iu":
        if int(labels.max()) < len(names) and len(set(names)) == len(names):
            classes = tuple(names[int(value)] for value in classes)
        else:
            notes = (f"the {len(names)} names of classes do not fit the labels, so the classes are called by number",)
    if len(classes) == 1:
        notes = (*notes, f"there is a single class, {classes[0]!r}")
    return indices, classes, notes


def _as_vector(labels: Any, count: int) -> AnyArray:
    """Labels as an array ``(count,)`` of any type."""
    if isinstance(labels, str | bytes | Mapping | Set) or not hasattr(labels, "__len__"):
        raise _refusal(f"are of type {type(labels).__name__}; give an array or a list with one label for each image")
    array = as_array(labels, "labels")
    if array is None:
        listed = [plain(label) for label in labels]
        kinds = {isinstance(label, str) for label in listed}
        if len(kinds) > 1:
            odd = next(i for i, label in enumerate(listed) if isinstance(label, str) != isinstance(listed[0], str))
            raise _refusal(
                f"are texts and other things: {brief(listed[0])} for image 0, {brief(listed[odd])} for image {odd}"
            )
        try:
            array = np.asarray(listed)
        except ValueError as error:  # rows of different lengths
            raise _refusal(f"have different shapes; {count} images need shape ({count},)") from error
    if array.shape == (count,):
        return array
    hint = ""
    if array.ndim == 2 and len(array) == count:
        hint = "; of one-hot rows give labels.argmax(1), of a column labels[:, 0]"
    raise _refusal(f"have shape {array.shape}; {count} images need shape ({count},){hint}")


def plain(label: Any) -> Any:
    """A number or a text out of the array or tensor without axes that it may be wrapped in."""
    return label.item() if hasattr(label, "item") and getattr(label, "ndim", 1) == 0 else label


def _from_objects(values: AnyArray) -> AnyArray:
    """Objects, as columns of tables hold them, as numbers or text."""
    listed = [plain(value) for value in values.tolist()]
    for i, value in enumerate(listed):
        if not isinstance(value, str | Real) or isinstance(value, str) != isinstance(listed[0], str):
            raise _refusal(f"the label of image {i} is {brief(value)}; give whole numbers from 0, or texts, for all")
        if isinstance(value, Integral) and not -(2**63) <= int(value) < 2**63:
            raise _refusal(f"the label of image {i} is {value}, too large a number; give a text")
    return np.asarray(listed)


def _from_floats(values: AnyArray) -> AnyArray:
    """Whole numbers that are stored as floats."""
    with np.errstate(invalid="ignore"):
        wrong = ~(np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**53))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise _refusal(f"the label of image {at} is {float(values[at]):g}; give whole numbers from 0, or texts")
    return values.astype(np.int64)


def _refusal(words: str) -> DataError:
    return DataError(f"labels: {words}", argument="labels")
