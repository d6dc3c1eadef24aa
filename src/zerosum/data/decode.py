"""One image file to one square uint8 array.

What is done, in order: the first frame is taken, the EXIF orientation applied, every mode brought to 8-bit grey or RGB,
and transparency composited on white; then the centre square is cut out and resized with an antialiasing (Lanczos)
filter. Colour profiles are not applied.

:func:`decode_unchanged` reads images to be scored: at their own size, and with colours as other tools take them.
"""

import io
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageOps

from zerosum.data.images import Pixels

# Formats of Pillow that may be opened; JPEG includes MPO, the .jpg files of phones that hold several pictures.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
MAX_PIXELS = 100_000_000  # images with more are refused: a file of a few kilobytes can claim gigabytes of them
_ORIENTATION = 0x0112  # the tag of EXIF
_TURNS = {  # what turns an image of this orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FAILURES = (  # what Pillow's readers are known to raise on damaged files
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class Decoded(NamedTuple):
    """One image.

    Attributes:
        pixels: Array uint8 ``(S, S, C)``, C is 1 or 3.
        grey: Whether it is grey.
        enlarged: Whether it had to be enlarged.
        transparent: Whether some of it was transparent, and is now on white.
    """

    pixels: Pixels
    grey: bool
    enlarged: bool
    transparent: bool


def decode(content: bytes, size: int, channels: int | None) -> Decoded:
    """Decode, crop and resize one image to ``size`` x ``size``.

    Args:
        content: Bytes of the file.
        size: Side, in pixels.
        channels: Number of channels: 1 or 3 to convert, ``None`` to get 3 and learn whether they are all equal.

    Raises:
        ValueError: The image has more than ``MAX_PIXELS`` pixels.
        Exception: One of ``FAILURES``, when the content is damaged.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        _check_pixels(opened)
        opened.seek(0)
        upright = ImageOps.exif_transpose(opened)
        transparent = is_transparent(upright)
        picture = to_grey_or_rgb(upright)
    if channels == 1:
        picture = picture.convert("L")
    smallest = min(picture.size)
    square = np.asarray(resize(crop(picture), size))
    if square.ndim == 3:
        return Decoded(square, _channels_equal(square), smallest < size, transparent)
    return Decoded(np.repeat(square[..., None], channels or 3, axis=2), True, smallest < size, transparent)


class Unchanged(NamedTuple):
    """One image at its own size.

    Attributes:
        pixels: Array uint8 ``(H, W, 3)``; the channels of a grey image are equal.
        grey: Whether it is grey.
        transparent: Whether some of it is transparent.
        deep: Whether it had 16 bits a pixel, which were rounded to 8.
        turned: Whether its EXIF orientation turned or mirrored it.
    """

    pixels: Pixels
    grey: bool
    transparent: bool
    deep: bool
    turned: bool


def decode_unchanged(content: bytes, background: str | None = None) -> Unchanged:
    """Decode one image at its own size, for scores.

    The first frame is taken, turned upright by its EXIF orientation, and brought to 8-bit RGB as Pillow's
    ``convert("RGB")`` does it, which torch-fidelity, pytorch-fid and clean-fid call: transparency is left out, and what
    colour lies under it shows. Grey of 16 bits, which that would cut off at 255, is rounded to 8 bits.

    Args:
        content: Bytes of the file.
        background: Colour on which transparent images are put, such as ``"white"`` or ``"#102030"``. ``None``: their
            transparency is left out.

    Raises:
        ValueError: The image has more than ``MAX_PIXELS`` pixels.
        Exception: One of ``FAILURES``, when the content is damaged.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        _check_pixels(opened)
        opened.seek(0)
        way = _TURNS.get(_orientation_of(opened))
        upright = opened.copy() if way is None else opened.transpose(way)
        transparent = is_transparent(upright)
        deep = upright.mode.startswith("I")
        if deep:
            upright = Image.fromarray(_from_16_bit(np.asarray(upright)))
        elif transparent and background is not None:
            layer = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", layer.size, ImageColor.getrgb(background)), layer)
        pixels = np.asarray(upright.convert("RGB"))
    return Unchanged(pixels, _channels_equal(pixels), transparent, deep, way is not None)


def _orientation_of(opened: Image.Image) -> int:
    """The EXIF orientation; 1, upright, where there is none that can be read."""
    try:
        return int(opened.getexif().get(_ORIENTATION, 1))
    except (*FAILURES, AttributeError):  # a tag that is damaged spoils no picture
        return 1


def _check_pixels(opened: Image.Image) -> None:
    if opened.width * opened.height > MAX_PIXELS:
        raise ValueError(
            f"{opened.width} x {opened.height} pixels is more than the {MAX_PIXELS:,} that are accepted; "
            "shrink the image first if it is genuine"
        )


def is_transparent(image: Image.Image) -> bool:
    """Whether anything in an image is transparent, wholly or in part."""
    if not image.has_transparency_data:
        return False
    least, _ = image.convert("RGBA").getchannel("A").getextrema()
    return least != 255


def to_grey_or_rgb(image: Image.Image) -> Image.Image:
    """Any mode to ``L`` or ``RGB``: 16-bit grey is rescaled, palettes are looked up, transparency goes on white."""
    if image.mode.startswith("I"):
        return Image.fromarray(_from_16_bit(np.asarray(image)))
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("L" if grey else "RGB")
    if image.mode in ("L", "1", "LA"):
        return image.convert("L")
    return image.convert("RGB")


def crop(image: Image.Image) -> Image.Image:
    """The largest centred square; where the margin is odd, the extra row or column is cut at the right or bottom."""
    width, height = image.size
    side = min(width, height)
    if width == height:
        return image
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def resize(image: Image.Image, size: int) -> Image.Image:
    """To ``size`` x ``size`` with Pillow's Lanczos filter, which widens when shrinking (antialiasing)."""
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _from_16_bit(values: np.typing.NDArray[np.integer]) -> Pixels:
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"grey values from {values.min()} to {values.max()} are not 16-bit")
    # 65535 / 255 = 257 exactly: 0 and 65535 become 0 and 255, the rest the nearest of 256 levels.
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _channels_equal(pixels: Pixels) -> bool:
    red = pixels[..., 0]
    return bool((red == pixels[..., 1]).all() and (red == pixels[..., 2]).all())
