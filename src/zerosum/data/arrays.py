"""Images that come as arrays: brought to uint8 (N, H, W, C), padded, resized, made grey or RGB; and ``.npz`` files."""

import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from zerosum.data.ask import Ask, find_file
from zerosum.data.images import Images, Labels, Pixels
from zerosum.data.labels import to_labels
from zerosum.data.levels import AnyArray, to_levels
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


def conform(pixels: Pixels, ask: Ask, *, shown: bool = True) -> Pixels:
    """Bring uint8 ``(N, H, W, C)`` to the size and channels asked for; centre crop and Lanczos, as for files.

    Args:
        pixels: Images.
        ask: What is asked of them.
        shown: Whether a bar may be shown.
    """
    _, height, width, have = pixels.shape
    if ask.size is None or (height, width) == (ask.size, ask.size):
        if ask.channels in (None, have):
            return pixels
        if have == 1:
            return np.repeat(pixels, 3, axis=3)
    return _redraw(pixels, ask, ask.progress and shown)


def _redraw(pixels: Pixels, ask: Ask, shown: bool) -> Pixels:
    """The images converted and resized one by one."""
    from PIL import Image  # here: most sources never need it

    from zerosum.data.decode import crop, resize

    n, height, width, have = pixels.shape
    channels = ask.channels or have
    out = np.empty((n, ask.size or height, ask.size or width, channels), np.uint8)
    with progress(n, f"resizing {ask.source}", shown) as advance:
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
    path = find_file(ask)
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


def to_uint8(images: AnyArray, ask: Ask, *, channels_first: bool = False) -> tuple[Pixels, tuple[str, ...]]:
    """Images of any layout and number type to uint8 ``(N, H, W, C)``, with notes on what was assumed.

    Args:
        images: Array ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``; C is 1 or 3. It is not changed, but the
            result may be a view of it.
        ask: What is asked of the source.
        channels_first: Whether ``(N, C, H, W)`` is the usual layout; see :func:`to_channels_last`.

    Raises:
        DataError: There are not three or four axes, no images, neither 1 nor 3 channels, or values outside every known
            range.
    """
    images, layout = to_channels_last(images, ask.source, channels_first=channels_first)
    pixels, notes = to_levels(images, ask.source)
    height, width = pixels.shape[1:3]
    if height != width and ask.size is None:
        notes = (*notes, note_shape(height, width))
    return np.ascontiguousarray(pixels), (*layout, *notes)


def note_shape(height: int, width: int) -> str:
    """A note on images that are not square."""
    return f"the images are {width} wide and {height} high; give a size to crop them to squares"


def to_channels_last(
    images: AnyArray, source: str, *, channels_first: bool = False
) -> tuple[AnyArray, tuple[str, ...]]:
    """A view ``(N, H, W, C)`` of images in any layout, with a note where it is not the usual or not the only one.

    The axis of length 1 or 3 holds the channels. Where both the second and the last have such a length, it is the one
    that leaves square images; where both or neither do, the one that is usual.

    Args:
        images: Array ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``.
        source: Name of the source, for messages.
        channels_first: Whether ``(N, C, H, W)`` is usual, as for tensors, rather than ``(N, H, W, C)``.

    Raises:
        DataError: The array has other axes, is empty, or has neither 1 nor 3 channels.
    """
    shape = images.shape
    if len(shape) not in (3, 4) or not images.size:
        raise DataError(f"{source}: images have shape {shape}; (N, H, W), (N, H, W, C) or (N, C, H, W) is read, N > 0")
    if len(shape) == 3:
        if shape[2] in (3, 4) and shape[1] > shape[2]:
            raise DataError(f"{source}: shape {shape} is that of one image (H, W, C); give several, (N, H, W, C)")
        return images[..., None], ()
    last, first = shape[3] in (1, 3), shape[1] in (1, 3)
    if not last and not first:
        raise DataError(f"{source}: images have shape {shape}; the channels must be 1 or 3{hint_at_alpha(shape)}")
    square_last, square_first = shape[1] == shape[2], shape[2] == shape[3]
    both = last and first
    taken_first = first and (not last or (channels_first if square_last == square_first else square_first))
    unusual = taken_first != channels_first
    note = f"the axes were taken as {'(N, C, H, W)' if taken_first else '(N, H, W, C)'}"
    notes = (f"{note}, though they could be the other way round" if both else note,) if both or unusual else ()
    return (images.transpose(0, 2, 3, 1) if taken_first else images), notes


def hint_at_alpha(shape: tuple[int, ...]) -> str:
    """What to do about transparency, where a shape with three or four axes tells of it; otherwise ``""``."""
    if shape[-1] in (2, 4):
        return f"; to leave out the transparency, give x[..., :{shape[-1] - 1}]"
    if shape[-3] in (2, 4):
        return f"; to leave out the transparency, give x[{':, ' * (len(shape) - 3)}:{shape[-3] - 1}]"
    return ""


def _check_sizes(ask: Ask, path: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        total = sum(info.file_size for info in archive.infolist())
    if total > MAX_ARRAYS:
        raise DataError(f"{ask.source}: the arrays unpack to {total:,} bytes, more than the {MAX_ARRAYS:,} accepted")
