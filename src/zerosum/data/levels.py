"""Numbers of images to the 256 levels of 8 bits: one scale for a whole set."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zerosum.data.images import Pixels
from zerosum.errors import DataError

AnyArray = npt.NDArray[Any]

_SLACK = 1e-5  # what rounding in float32 may add to a range of width 1 or 2
_PIECE = 1 << 20  # numbers that are looked at or converted at once: copies of them stay in the processor's cache
_ADVICE = "scale them to [0, 1] or [-1, 1], or give whole numbers from 0 to 255"


@dataclass(frozen=True)
class Scale:
    """What floating-point numbers may mean.

    Attributes:
        low: Number that is black.
        high: Number that is white.
        whole: Whether only whole numbers occur; these need no rounding, and no slack at the ends.
    """

    low: int
    high: int
    whole: bool = False

    def holds(self, values: AnyArray) -> bool:
        """Whether all of the numbers can lie on this scale; NaN and infinity do not."""
        slack = 0.0 if self.whole else _SLACK
        if not (values.min() >= self.low - slack and values.max() <= self.high + slack):
            return False
        return not self.whole or bool((values == np.rint(values)).all())

    def to_levels(self, values: AnyArray) -> Pixels:
        """The nearest of the 256 levels for each number, uint8 of the same shape."""
        wide = values.astype(np.float32) if values.dtype.itemsize < 4 else values
        # What lies beyond an end by no more than the slack is rounded to that end.
        levels: Pixels = np.rint((wide - self.low) * (255 / (self.high - self.low))).astype(np.uint8)
        return levels

    @property
    def note(self) -> str:
        """What was assumed, in words."""
        rounded = "" if self.whole else " and rounded to 8 bits"
        return f"values were taken to lie in [{self.low}, {self.high}]{rounded}"


SCALES = (Scale(0, 1), Scale(-1, 1), Scale(0, 255, whole=True))  # the first that holds all images is taken


def refuse_range(source: str, low: float, high: float) -> DataError:
    """The error for floating-point numbers that lie on none of the scales."""
    return DataError(f"{source}: floating-point values from {low:.4g} to {high:.4g}; {_ADVICE}")


def check_dtype(dtype: np.dtype[Any], source: str) -> None:
    """Refuse what does not hold numbers that can be levels.

    Raises:
        DataError: The type is neither bool, nor of whole numbers, nor floating point.
    """
    if dtype.kind == "O":
        raise DataError(
            f"{source}: an array of objects is not read; give a list of the images, with a size where theirs differ"
        )
    if dtype.kind not in "biuf":
        raise DataError(f"{source}: values are {dtype}; uint8 or floating point is read")


def to_levels(images: AnyArray, source: str) -> tuple[Pixels, tuple[str, ...]]:
    """Images ``(N, H, W, C)`` of any kind of number to uint8, with notes on what was assumed.

    Numbers of type uint8 are returned as they are, without a copy. Bools become 0 and 255, whole numbers stay, and
    floating-point numbers are brought to 0..255 from the first of ``SCALES`` on which all of them lie.

    Raises:
        DataError: The numbers are of another type, NaN or infinite, or lie on none of the scales.
    """
    check_dtype(images.dtype, source)
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255), ()
    if images.dtype.kind in "iu":
        return whole_to_levels(images, source)
    return _float_to_levels(images, source)


def whole_to_levels(images: AnyArray, source: str) -> tuple[Pixels, tuple[str, ...]]:
    """Whole numbers ``(N, H, W, C)`` as uint8, and a note where they are suspiciously small.

    Raises:
        DataError: A number lies outside 0..255.
    """
    if images.dtype != np.uint8:
        low, high = images.min(), images.max()
        if low < 0 or high > 255:
            hint = "; divide 16-bit images by 257" if low >= 0 and 4095 <= high <= 65535 else ""
            raise DataError(f"{source}: whole numbers from {low} to {high}; images must lie in 0..255{hint}")
        images = images.astype(np.uint8)
    return images, note_darkness(all(block.max() <= 1 for _, block in _pieces(images)))


def note_darkness(dark: bool) -> tuple[str, ...]:
    """A note on whole numbers none of which is above 1, which most probably mean black and white."""
    words = "the values are 0 and 1 of 255, so all images are nearly black; give bools or floats if 1 is white"
    return (words,) if dark else ()


def _float_to_levels(images: AnyArray, source: str) -> tuple[Pixels, tuple[str, ...]]:
    scales, low, high = list(SCALES), np.inf, -np.inf
    bad: list[int] = []
    for start, block in _pieces(images):
        finite = np.isfinite(block).all(axis=(1, 2, 3))
        if not finite.all():
            bad += (start + np.flatnonzero(~finite)).tolist()
            continue
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        scales = [scale for scale in scales if scale.holds(block)]
    if bad:
        raise DataError(f"{source}: image {bad[0]} holds NaN or infinity ({len(bad)} of {len(images)} images do)")
    if not scales:
        raise refuse_range(source, low, high)
    levels = np.empty(images.shape, np.uint8)
    for start, block in _pieces(images):
        levels[start : start + len(block)] = scales[0].to_levels(block)
    return levels, (scales[0].note,)


def _pieces(images: AnyArray) -> Iterator[tuple[int, AnyArray]]:
    """Parts of the images, each with the index of its first."""
    step = max(1, _PIECE // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), step):
        yield start, images[start : start + step]
