"""Sheets of images with words: what stands where, as a function of sizes and words; then the drawing.

An image is enlarged by a whole factor, so that each of its pixels becomes a square of equal ones: what is on a sheet
can be read back exactly (:func:`read_images`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zerosum.runs.lettering import distinctive, drawable, fit, line_height, load_font, measure, wrap

ShownImage = npt.NDArray[np.uint8]  # (H, W, C) with 1 or 3 channels

WIDEST = 1_400  # pixels: images are enlarged as long as a sheet is no wider
MOST = 4_000_000  # pixels of a sheet: images are not enlarged beyond this number
LARGEST = 384  # pixels: images are enlarged as long as their sides are no longer
NARROWEST = 520  # pixels: a sheet of few small images has room for its title
USUAL = 1_200  # pixels: letters grow with sheets that are wider
MARGIN = 12  # pixels around everything
GAP = 4  # pixels between images
TITLE, TEXT, LEAST = 21, 15, 12  # sizes of letters in pixels
CAPTION = 56  # least width in pixels of an image with words below it
BESIDE = 0.22  # largest share of a sheet's width that words beside rows take
BLACK, SOFT = 20, 95  # grey levels of words
TOLD = 10_000  # largest number of images of which the file says where they are: Pillow refuses texts above a MiB
WORDS_KEY, IMAGES_KEY = "Title", "zerosum-images"  # in the PNG file


@dataclass(frozen=True)
class Band:
    """Rows of images under a heading.

    Attributes:
        rows: Images, (H, W, C) uint8 each, or ``None`` where there is none.
        heading: What the rows show.
        columns: Words over columns, each with the number of columns that it stands over.
        labels: Words beside rows.
        captions: Words below images, row by row.
    """

    rows: Sequence[Sequence[ShownImage | None]]
    heading: str = ""
    columns: Sequence[tuple[str, int]] = ()
    labels: Sequence[str] = ()
    captions: Sequence[Sequence[str]] = ()


class Place(NamedTuple):
    """Where an image is on a sheet.

    Attributes:
        band: Number of its band.
        row: Number of its row in the band.
        column: Number of its column.
        left: Pixels to the left of it.
        top: Pixels above it.
        width: Width of the image itself.
        height: Height of the image itself.
        scale: Factor by which it is enlarged.
    """

    band: int
    row: int
    column: int
    left: int
    top: int
    width: int
    height: int
    scale: int


class Words(NamedTuple):
    """A line of text on a sheet.

    Attributes:
        text: The line as it is drawn.
        left: Pixels to the left of it.
        top: Pixels above it.
        size: Size of its letters in pixels.
        bold: Whether the letters are bold.
        grey: Grey level of the letters.
    """

    text: str
    left: float
    top: int
    size: int
    bold: bool = False
    grey: int = BLACK


@dataclass
class SheetLayout:
    """What stands where on a sheet.

    Attributes:
        width: Width of the sheet in pixels.
        height: Height of the sheet in pixels.
        images: Places of the images, in the order of bands and rows.
        words: Lines of text.
    """

    width: int
    height: int = MARGIN
    images: list[Place] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)


class SheetSizes(NamedTuple):
    """Sizes that all bands of a sheet share.

    Attributes:
        width: Width of a sheet without margins.
        columns: Left edge and width of each column, in pixels from the left edge of the first one.
        cell: Room for an image: width and height in pixels.
        image: Largest width and height of an image when enlarged.
        beside: Room for words beside rows.
        title: Size of the letters of the title.
        text: Size of the letters of other words that stand alone.
        small: Size of the letters of words that belong to an image.
    """

    width: int
    columns: tuple[tuple[int, int], ...]
    cell: tuple[int, int]
    image: tuple[int, int]
    beside: int
    title: int
    text: int
    small: int


def lay_out(bands: Sequence[Band], title: str = "", note: str = "") -> SheetLayout:
    """Find a place for everything on a sheet.

    Args:
        bands: Bands, from top to bottom, of which one has an image at least.
        title: What the sheet shows.
        note: More about it, in smaller letters.

    Raises:
        ValueError: There is no image.
    """
    if not any(True for _ in images_of(bands)):
        raise ValueError("a sheet needs at least one image")
    sizes = _choose_sizes(bands)
    layout = SheetLayout(sizes.width + 2 * MARGIN)
    _add_lines(layout, title, sizes.title, sizes.width, bold=True)
    _add_lines(layout, note, sizes.text, sizes.width, grey=SOFT, lines=4)
    if layout.words:
        layout.height += GAP
    for number, band in enumerate(bands):
        _add_band(layout, band, number, sizes)
    layout.height += MARGIN - GAP
    return layout


def images_of(bands: Sequence[Band]) -> Iterator[ShownImage]:
    """All images, in the order of bands and rows."""
    return (image for band in bands for row in band.rows for image in row if image is not None)


def _choose_sizes(bands: Sequence[Band]) -> SheetSizes:
    """The largest whole enlargement with which a sheet is neither too wide nor too large, and letters that suit it."""
    rows = sum(len(band.rows) for band in bands)
    wide, high = (max(image.shape[axis] for image in images_of(bands)) for axis in (1, 0))
    captions = any(text for band in bands for row in band.captions for text in row)
    labels = [text for band in bands for text in band.labels]

    def sizes_at(scale: int) -> SheetSizes:
        width, height = wide * scale, high * scale
        cell = max(width, CAPTION) if captions else width
        columns = _columns(bands, cell)
        grid = sum(columns[-1])
        growth = max(1.0, grid / USUAL)
        small = round(min(max(LEAST, 0.115 * cell), TEXT * growth))
        most = BESIDE * max(grid, NARROWEST)
        beside = round(min(most, max((measure(drawable(text), small) for text in labels), default=0)))
        beside += 2 * GAP if beside else 0
        whole = max(grid + beside, NARROWEST)
        letters = round(TITLE * growth), round(TEXT * growth), small
        return SheetSizes(whole, columns, (cell, height), (width, height), beside, *letters)

    chosen, scale = sizes_at(1), 2
    while scale * max(wide, high) <= LARGEST:
        larger = sizes_at(scale)
        if larger.width + 2 * MARGIN > WIDEST or larger.width * rows * larger.cell[1] > MOST:
            break
        chosen, scale = larger, scale + 1
    return chosen


def _columns(bands: Sequence[Band], cell: int) -> tuple[tuple[int, int], ...]:
    """Left edge and width of each column. Those without an image are narrow: they keep others apart."""
    filled = {column for band in bands for row in band.rows for column, image in enumerate(row) if image is not None}
    columns, left = [], 0
    for column in range(max(filled) + 1):
        width = cell if column in filled else max(2 * GAP, cell // 5)
        columns.append((left, width))
        left += width + GAP
    return tuple(columns)


def _add_lines(
    layout: SheetLayout, text: str, size: int, room: int, *, bold: bool = False, grey: int = BLACK, lines: int = 3
) -> None:
    for line in wrap(drawable(text), room, size, bold=bold, lines=lines):
        layout.words.append(Words(line, MARGIN, layout.height, size, bold, grey))
        layout.height += line_height(size)


def _add_band(layout: SheetLayout, band: Band, number: int, sizes: SheetSizes) -> None:
    """Add a band at the bottom of a sheet."""
    if band.heading:
        layout.height += 2 * GAP if number else 0
        _add_lines(layout, band.heading, sizes.text, sizes.width, bold=True, lines=2)
    if any(text for text, _ in band.columns):
        first = 0
        for text, span in band.columns:
            _add_centred(layout, text, *_extent(sizes, first, span), sizes.small)
            first += span
        layout.height += line_height(sizes.small)
    captions = [text for row in band.captions for text in row if text]
    tail = distinctive(captions)
    for row, images in enumerate(band.rows):
        if row < len(band.labels) and sizes.beside:
            _add_label(layout, band.labels[row], sizes)
        for column, image in enumerate(images):
            if image is not None:
                corner = _extent(sizes, column)[0], layout.height
                layout.images.append(_place(image, (number, row, column), corner, sizes))
        layout.height += sizes.cell[1]
        if captions:
            for column, text in enumerate(band.captions[row] if row < len(band.captions) else ()):
                if text:
                    _add_centred(layout, text, *_extent(sizes, column), sizes.small, tail)
            layout.height += line_height(sizes.small)
        layout.height += GAP


def _extent(sizes: SheetSizes, column: int, span: int = 1) -> tuple[int, int]:
    """Left edge and width on a sheet of some columns."""
    left, last = sizes.columns[column][0], sizes.columns[min(column + span, len(sizes.columns)) - 1]
    return MARGIN + sizes.beside + left, sum(last) - left


def _add_label(layout: SheetLayout, text: str, sizes: SheetSizes) -> None:
    """Add words beside the row at the bottom of a sheet."""
    text, small = fit(drawable(text), sizes.beside - 2 * GAP, sizes.small)
    middle = layout.height + (sizes.cell[1] - line_height(small)) // 2
    layout.words.append(Words(text, MARGIN, max(layout.height, middle), small))


def _add_centred(layout: SheetLayout, text: str, left: int, room: int, size: int, tail: int = 0) -> None:
    """Add a line that stands in the middle of some room, at the bottom of a sheet, which stays as high as it is."""
    text, size = fit(drawable(text), room, size, tail=tail)
    if text:
        layout.words.append(Words(text, left + (room - measure(text, size)) / 2, layout.height, size))


def _place(image: ShownImage, at: tuple[int, int, int], corner: tuple[int, int], sizes: SheetSizes) -> Place:
    """The place of an image in the middle of its cell, enlarged like the largest one if it is smaller."""
    height, width, _ = image.shape
    scale = max(1, min(sizes.image[0] // width, sizes.image[1] // height))
    left, top = ((room - scale * side) // 2 for room, side in zip(sizes.cell, (width, height), strict=True))
    return Place(*at, corner[0] + left, corner[1] + top, width, height, scale)


def draw(bands: Sequence[Band], path: Path, title: str = "", note: str = "") -> SheetLayout:
    """Write a sheet as one PNG, which is grey if all images are.

    The file says what it shows (``Title``), and where which image is, for :func:`read_images`.

    Args:
        bands: Bands, from top to bottom, of which one has an image at least.
        path: Path of the file.
        title: What the sheet shows.
        note: More about it, in smaller letters.

    Returns:
        What stands where.

    Raises:
        ValueError: There is no image.
        OSError: The file cannot be written.
    """
    from PIL import Image, ImageDraw
    from PIL.PngImagePlugin import PngInfo

    layout = lay_out(bands, title, note)
    colours = max(image.shape[2] for image in images_of(bands))
    page = np.full((layout.height, layout.width, colours), 255, np.uint8)
    for place, image in zip(layout.images, images_of(bands), strict=True):
        large = image.repeat(place.scale, 0).repeat(place.scale, 1)
        page[place.top : place.top + large.shape[0], place.left : place.left + large.shape[1]] = large
    picture = Image.fromarray(page[..., 0] if colours == 1 else page)
    pen = ImageDraw.Draw(picture)
    for text, left, top, size, bold, grey in layout.words:
        pen.text((left, top), text, fill=grey if colours == 1 else (grey,) * 3, font=load_font(size, bold))
    info = PngInfo()
    info.add_itxt(WORDS_KEY, drawable(". ".join(part for part in (title, note) if part)))
    if len(layout.images) <= TOLD:
        info.add_text(IMAGES_KEY, json.dumps(layout.images, separators=(",", ":")), zip=True)
    picture.save(path, format="PNG", pnginfo=info)
    return layout


def read_places(path: Path) -> list[Place]:
    """Where which image is on a sheet that :func:`draw` wrote.

    Raises:
        ValueError: The file does not say so.
        OSError: The file cannot be read.
    """
    from PIL import Image

    with Image.open(path) as picture:
        found = picture.info.get(IMAGES_KEY)
    if not isinstance(found, str):
        raise ValueError(f"{path} does not say where its images are: it is another picture, or of an earlier version")
    return [Place(*numbers) for numbers in json.loads(found)]


def read_images(path: Path) -> list[ShownImage]:
    """The images of a sheet that :func:`draw` wrote, (H, W, C) uint8 each, at their own size.

    Raises:
        ValueError: The file does not say where they are.
        OSError: The file cannot be read.
    """
    from PIL import Image

    with Image.open(path) as picture:
        page = np.asarray(picture)
    page = page[..., None] if page.ndim == 2 else page
    return [
        page[p.top : p.top + p.height * p.scale : p.scale, p.left : p.left + p.width * p.scale : p.scale]
        for p in read_places(path)
    ]
