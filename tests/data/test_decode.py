import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from zerosum.data import decode as decoding
from zerosum.data.decode import decode

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 12), dtype=np.uint8)
RGB = RNG.integers(0, 256, (12, 12, 3), dtype=np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_lossless_formats_come_back_exactly(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    colour = decode(encode(Image.fromarray(RGB), kind, **options), 12, None)
    np.testing.assert_array_equal(colour.pixels, RGB)
    assert not colour.grey
    grey = decode(encode(Image.fromarray(GREY), kind, **options), 12, None)
    np.testing.assert_array_equal(grey.pixels, np.stack([GREY] * 3, -1))
    assert grey.grey


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_is_what_pillow_decodes(mode: str) -> None:
    content = encode(Image.fromarray(RGB).convert(mode), "JPEG", quality=90)
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == mode
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode(content, 12, 3).pixels, expected)


def test_gif_and_palettes_are_looked_up() -> None:
    palette = Image.fromarray(RGB).quantize(16)
    for kind in ("GIF", "PNG"):
        np.testing.assert_array_equal(decode(encode(palette, kind), 12, 3).pixels, np.asarray(palette.convert("RGB")))


def test_one_bit_images_are_black_and_white() -> None:
    bits = GREY > 100
    found = decode(encode(Image.fromarray(bits)), 12, 1)
    np.testing.assert_array_equal(found.pixels[..., 0], np.where(bits, 255, 0))


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    values = RNG.integers(0, 65536, (12, 12), dtype=np.uint16)
    values[0, :4] = 0, 128, 129, 65535
    content = encode(Image.fromarray(values))
    assert content[24] == 16  # the bit depth in the PNG header
    expected = np.rint(values.astype(np.float64) * 255 / 65535)
    np.testing.assert_array_equal(decode(content, 12, 1).pixels[..., 0], expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_white(mode: str) -> None:
    alpha = RNG.integers(0, 256, (12, 12), dtype=np.uint8)
    alpha[0, 0], alpha[0, 1] = 0, 255
    opaque = Image.fromarray(RGB if mode == "RGBA" else GREY)
    base = np.asarray(opaque).astype(np.float64).reshape(12, 12, -1)
    opaque.putalpha(Image.fromarray(alpha))
    assert opaque.mode == mode
    weight = alpha[..., None] / 255
    found = decode(encode(opaque), 12, 3).pixels
    np.testing.assert_allclose(found, np.broadcast_to(base * weight + 255 * (1 - weight), found.shape), atol=1.0)
    assert found[0, 0].tolist() == [255, 255, 255]


def test_a_transparent_palette_colour_shows_white() -> None:
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    found = decode(encode(image, "PNG", transparency=0), 2, 3).pixels
    assert found.tolist() == [[[255] * 3, [200, 100, 50]], [[200, 100, 50], [255] * 3]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (12, 12), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert decode(content, 12, 3).pixels[5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_camera_is_undone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    # Orientation by the EXIF standard: where the 0th row and column of the stored picture are seen.
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a.transpose(1, 0, 2), 2),
        8: np.rot90,
    }[orientation]
    found = decode(encode(Image.fromarray(RGB), exif=exif.tobytes()), 12, 3)
    np.testing.assert_array_equal(found.pixels, undo(RGB))


@pytest.mark.parametrize(
    ("height", "width", "size"), [(40, 40, 16), (41, 60, 16), (60, 41, 20), (10, 13, 24), (9, 9, 9)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_centre_square_and_resize_are_pillow_s(height: int, width: int, size: int, channels: int) -> None:
    values = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(values[top : top + side, left : left + side].copy())
    expected = np.asarray(square.convert("L" if channels == 1 else "RGB").resize((size, size), Image.LANCZOS))
    found = decode(encode(Image.fromarray(values)), size, channels)
    np.testing.assert_array_equal(found.pixels, expected.reshape(size, size, channels))
    assert found.enlarged == (side < size)


def test_the_crop_is_pillow_s_fit_where_the_margin_is_even() -> None:
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, (30, 44, 3), dtype=np.uint8))
    fitted = ImageOps.fit(image, (30, 30), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(decode(encode(image), 30, 3).pixels, np.asarray(fitted))


def test_colour_that_is_grey_at_every_pixel_is_grey() -> None:
    same = np.stack([GREY] * 3, -1)
    assert decode(encode(Image.fromarray(same)), 12, None).grey
    same[3, 4, 1] ^= 1
    assert not decode(encode(Image.fromarray(same)), 12, None).grey


def huge_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_100, 50_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_images_of_absurd_size_are_refused_before_decoding(side: int) -> None:
    with pytest.raises((ValueError, Image.DecompressionBombError), match=r"more than|exceeds limit"):
        decode(huge_png(side, side), 8, 3)
    assert decoding.MAX_PIXELS == 100_000_000


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_way_of_cutting_or_garbling_a_file_is_a_known_failure(kind: str) -> None:
    content = encode(Image.fromarray(RGB), kind)
    rng = np.random.default_rng(3)
    failed = 0
    for trial in range(150):
        broken = bytearray(content)
        if trial % 2:
            broken = broken[: rng.integers(0, len(content))]
        else:
            for _ in range(5):
                broken[rng.integers(0, len(broken))] = rng.integers(0, 256)
        try:
            assert decode(bytes(broken), 12, 3).pixels.shape == (12, 12, 3)
        except decoding.FAILURES:
            failed += 1
    assert failed > 50


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.4", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_other_files_are_known_failures(content: bytes) -> None:
    with pytest.raises(decoding.FAILURES):
        decode(content, 8, 3)


def test_formats_outside_the_list_are_not_opened() -> None:
    with pytest.raises(decoding.FAILURES):
        decode(encode(Image.fromarray(RGB), "TIFF"), 12, 3)
