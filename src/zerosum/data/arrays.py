"""Images that come as arrays: brought to uint8 (N, H, W, C), padded, resized, made grey or RGB; and ``.npz`` files."""

import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zerosum.data.ask import Ask, find_path
from zerosum.data.images import Images, Labels, Pixels
from zerosum.data.sources import Source
from zerosum.errors import DataError
from zerosum.progress import progress

SOURCES = (
    Source(
        "npz:PATH",
        "NumPy arrays: images (uint8, or floats in [0, 1] or [-1, 1]) and, if any, labels",
        place=100,
    ),
)
MAX_ARRAYS = 64 << 30  # bytes that the arrays of an .npz file may unpack to: they are read into memory
AnyArray = npt.NDArray[Any]


def conform(pixels: Pixels, ask: Ask) -> Pixels:
    """Bring uint8 ``(N, H, W, C)`` to the size and channels asked for; centre crop and Lanczos, as for files."""
    _, height, width, have = pixels.shape
    if ask.size is None or (height, width) == (ask.size, ask.size):
        if ask.channels in (None, have):
            return pixels
        if have == 1:
            return np.repeat(pixels, 3, axis=3)
    return _redraw(pixels, ask)


def _redraw(pixels: Pixels, ask: Ask) -> Pixels:
    """The images converted and resized one by one."""
    from PIL import Image  # here: most sources never need it

    from zerosum.data.decode import crop, resize

    n, height, width, have = pixels.shape
    channels = ask.channels or have
    out = np.empty((n, ask.size or height, ask.size or width, channels), np.uint8)
    with progress(n, f"resizing {ask.source}", ask.progress) as advance:
        for i, image in enumerate(pixels):
            picture = Image.fromarray(image if have == 3 else image[..., 0]).convert("L" if channels == 1 else "RGB")
            out[i] = np.asarray(resize(crop(picture), ask.size) if ask.size else picture).reshape(out.shape[1:])
            advance(1)
    return out


def from_arrays(
    pixels: Pixels, labels: Labels | None, ask: Ask, *, classes: Sequence[str] = (), notes: Sequence[str] = ()
) -> Images:
    """An ``Images`` of arrays after ``conform``."""
    shaped = conform(pixels, ask)
    small = min(pixels.shape[1:3])
    if ask.size and small < ask.size:
        notes = (*notes, f"{len(pixels)} of {len(pixels)} images are smaller than {ask.size} and were enlarged")
    return Images.of(shaped, labels, name=ask.source, classes=classes, notes=notes)


def pad_to_32(pixels: Pixels, ask: Ask) -> Pixels:
    """Two rows and columns of 0 around 28 x 28 images, unless size 28 was asked for."""
    if ask.size == 28:
        return pixels
    return np.pad(pixels, ((0, 0), (2, 2), (2, 2), (0, 0)))


def load_npz(ask: Ask) -> Images:
    """``images`` (or the first unnamed array) and ``labels`` of an ``.npz`` file."""
    path = find_path(ask)
    try:
        _check_sizes(ask, path)
        with np.load(path, allow_pickle=False) as file:
            name = next((n for n in ("images", "arr_0") if n in file.files), None)
            if name is None:
                raise DataError(
                    f"{ask.source}: it holds the arrays {file.files}; name the images 'images' (and 'labels')"
                )
            images = file[name]
            labels = file["labels"] if "labels" in file.files else None
    except (zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{ask.source}: {path} is not an .npz file, or is damaged ({error})") from error
    except ValueError as error:
        if isinstance(error, DataError) or "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"{ask.source}: an array of objects needs pickle, which can run any code, and is refused. "
            "Save plain uint8 or float arrays"
        ) from error
    pixels, notes = to_uint8(images, ask)
    indices, classes = to_labels(labels, len(pixels), ask)
    return from_arrays(pixels, indices, ask, classes=classes, notes=notes)


def to_uint8(images: AnyArray, ask: Ask) -> tuple[Pixels, tuple[str, ...]]:
    """Images of any layout and number type to uint8 ``(N, H, W, C)``, with notes on what was assumed.

    Raises:
        DataError: There are not three or four axes, no images, neither 1 nor 3 channels, or values outside every known
            range.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not images.size:
        raise DataError(
            f"{ask.source}: images have shape {images.shape}; (N, H, W), (N, H, W, C) or (N, C, H, W) is read"
        )
    if images.shape[3] not in (1, 3):
        if images.shape[1] not in (1, 3):
            raise DataError(f"{ask.source}: images have shape {images.shape}; the channels must be 1 or 3")
        images = images.transpose(0, 2, 3, 1)
    pixels, notes = _scale(images, ask)
    height, width = pixels.shape[1:3]
    if height != width and ask.size is None:
        notes = (*notes, f"the images are {width} wide and {height} high; give a size to crop them to squares")
    return np.ascontiguousarray(pixels), notes


def _scale(images: AnyArray, ask: Ask) -> tuple[Pixels, tuple[str, ...]]:
    """Numbers to 0..255."""
    if images.dtype == np.uint8:
        return images, ()
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255), ()
    if images.dtype.kind not in "iuf":
        raise DataError(f"{ask.source}: images are {images.dtype}; uint8 or floating point is read")
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise DataError(f"{ask.source}: image {bad[0]} holds NaN or infinity ({len(bad)} of {len(images)} images do)")
    low, high = images.min(), images.max()
    if images.dtype.kind in "iu":
        if low < 0 or high > 255:
            raise DataError(f"{ask.source}: whole numbers from {low} to {high}; images must lie in 0..255")
        return images.astype(np.uint8), ()
    if low >= 0 and high <= 1:
        return np.rint(images * 255).astype(np.uint8), ("values were taken to lie in [0, 1]",)
    if low >= -1 and high <= 1:
        return np.rint((images + 1) * 127.5).astype(np.uint8), ("values were taken to lie in [-1, 1]",)
    raise DataError(
        f"{ask.source}: floating-point values from {low:.4g} to {high:.4g}; scale them to [0, 1] or [-1, 1]"
    )


def to_labels(labels: AnyArray | None, count: int, ask: Ask) -> tuple[Labels | None, tuple[str, ...]]:
    """Whole numbers or text to indices into their sorted distinct values, and these values as class names."""
    if labels is None:
        return None, ()
    if labels.shape != (count,):
        raise DataError(f"{ask.source}: labels have shape {labels.shape}; {count} images need shape ({count},)")
    if labels.dtype.kind not in "iuUb":
        raise DataError(f"{ask.source}: labels are {labels.dtype}; whole numbers or text is read")
    values, indices = np.unique(labels, return_inverse=True)
    return indices.astype(np.int64), tuple(str(value) for value in values)


def _check_sizes(ask: Ask, path: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        total = sum(info.file_size for info in archive.infolist())
    if total > MAX_ARRAYS:
        raise DataError(f"{ask.source}: the arrays unpack to {total:,} bytes, more than the {MAX_ARRAYS:,} accepted")
