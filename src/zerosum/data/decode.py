"""One image file to one square uint8 array.

What is done, in order: the first frame is taken, the EXIF orientation applied, every mode brought to 8-bit grey or RGB,
and transparency composited on white; then the centre square is cut out and resized with an antialiasing (Lanczos)
filter. Colour profiles are not applied.
"""

import io
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from zerosum.data.images import Pixels

# Formats of Pillow that may be opened; JPEG includes MPO, the .jpg files of phones that hold several pictures.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
MAX_PIXELS = 100_000_000  # images with more are refused: a file of a few kilobytes can claim gigabytes of them
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
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError(
                f"{opened.width} x {opened.height} pixels is more than the {MAX_PIXELS:,} that are accepted; "
                "shrink the image first if it is genuine"
            )
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
