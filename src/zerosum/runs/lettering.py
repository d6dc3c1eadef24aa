"""Words on pictures: the font, and how texts are made to fit. Sizes are in pixels."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.files import printable

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

ELLIPSIS = "…"
SMALLEST = 11  # least size of readable text
ALIKE, TAIL = 6, 4  # texts with as many first letters in common are alike; letters at their ends that are kept
MISSING = "\uffff"  # a character that no font has


@cache
def load_font(size: int, bold: bool = False) -> FreeTypeFont | ImageFont:
    """DejaVu Sans, which matplotlib ships: Latin, Greek, Cyrillic and many symbols.

    Args:
        size: Size in pixels.
        bold: Whether to take the bold one.

    Returns:
        The font; Pillow's own where matplotlib has been installed without its fonts.
    """
    from PIL import ImageFont

    try:
        return ImageFont.truetype(str(_fonts() / f"DejaVuSans{'-Bold' * bold}.ttf"), size)
    except OSError:
        return ImageFont.load_default(size)


@cache
def _fonts() -> Path:
    """Folder of matplotlib's fonts. matplotlib itself takes half a second to import, so it is not."""
    spec = find_spec("matplotlib")
    places = (spec.submodule_search_locations or []) if spec else []
    return Path(*places[:1], "mpl-data", "fonts", "ttf")


def measure(text: str, size: int, bold: bool = False) -> float:
    """Width of a line of text in pixels."""
    return float(load_font(size, bold).getlength(text))


def line_height(size: int) -> int:
    """Height of a line of text, with the room between lines."""
    return round(1.35 * size)


@cache
def has_glyph(letter: str) -> bool:
    """Whether the font can draw a character."""
    font = load_font(24)
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask(MISSING))


def can_draw(text: str) -> bool:
    """Whether the font can draw all of a text."""
    return all(has_glyph(letter) for letter in text)


def drawable(text: str) -> str:
    """The text on one line, with escapes for control characters and boxes for what the font does not have."""
    return "".join(letter if has_glyph(letter) else "□" for letter in printable(text))


def class_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of classes as they are written on pictures: those that the font cannot draw are numbered instead."""
    return tuple(name if name.strip() and can_draw(name) else f"class {number}" for number, name in enumerate(names))


def shorten(text: str, room: float, size: int, bold: bool = False, tail: int = 0) -> str:
    """As much of the beginning of a line as fits, with an ellipsis where something is left out.

    Args:
        text: The line.
        room: Room in pixels.
        size: Size of the font in pixels.
        bold: Whether the font is bold.
        tail: Letters at the end that are kept as well.

    Returns:
        The line; empty where not even the ellipsis and the tail fit.
    """
    if measure(text, size, bold) <= room:
        return text
    end = text[len(text) - tail :] if tail else ""
    low, high = 0, max(0, len(text) - tail)  # the longest beginning that fits, by halving
    while low < high:
        middle = (low + high + 1) // 2
        fits = measure(text[:middle].rstrip() + ELLIPSIS + end, size, bold) <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    short = text[:low].rstrip() + ELLIPSIS + end
    return short if measure(short, size, bold) <= room else ""


def fit(text: str, room: float, size: int, *, tail: int = 0) -> tuple[str, int]:
    """A line and its size: smaller letters where they save it from being shortened.

    Args:
        text: The line.
        room: Room in pixels.
        size: Largest size of the font.
        tail: Letters at the end that are kept when it is shortened.
    """
    for smaller in range(size, SMALLEST - 1, -1):
        if measure(text, smaller) <= room:
            return text, smaller
    least = min(size, SMALLEST)
    return shorten(text, room, least, tail=tail) or shorten(text, room, least), least


def distinctive(texts: Iterable[str]) -> int:
    """How many letters at the end of these texts tell them apart where their beginnings are alike: TAIL, or none."""
    known = {text for text in texts if text}
    return TAIL if len({text[:ALIKE] for text in known}) < len(known) else 0


def wrap(text: str, room: float, size: int, *, bold: bool = False, lines: int = 3) -> list[str]:
    """Break a text into lines at spaces, and inside words that are too long; what does not fit is left out.

    Args:
        text: The text.
        room: Width of a line in pixels.
        size: Size of the font in pixels.
        bold: Whether the font is bold.
        lines: Largest number of lines, of which the last one ends in an ellipsis if there would be more.
    """
    found: list[str] = []
    rest = text.strip()
    while rest and len(found) < lines - 1 and measure(rest, size, bold) > room:
        fitting = len(shorten(rest, room + measure(ELLIPSIS, size, bold), size, bold).removesuffix(ELLIPSIS))
        space = rest.rfind(" ", 0, fitting + 1)
        end = space if space > 0 else max(1, fitting)
        found.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*found, shorten(rest, room, size, bold)] if rest else found
