"""The size of images in a folder or a zip, read from the heads of the files."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from zerosum.data.decode import SUFFIXES


def native_side(path: Path) -> int | None:
    """Side in pixels of the images in a folder or zip file, if all are squares of one size.

    No image is decoded. Files that are not images are left to whoever decodes them.

    Args:
        path: A folder, whose subfolders count, or a zip file.

    Returns:
        The side, or ``None`` where images have several sizes, are not square, or there are none.
    """
    side: int | None = None
    for width, height in _sizes(path):
        if width != height or side not in (None, width):
            return None
        side = width
    return side


def _sizes(path: Path) -> Iterator[tuple[int, int]]:
    if path.is_dir():
        for folder, _, names in os.walk(path, followlinks=False):
            for name in names:
                if name.lower().endswith(SUFFIXES):
                    yield from _size(Path(folder, name))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.lower().endswith(SUFFIXES) and not info.flag_bits & 1:  # not encrypted
                    with archive.open(info) as member:
                        yield from _size(member)


def _size(file: Path | IO[bytes]) -> Iterator[tuple[int, int]]:
    try:
        with Image.open(file) as image:
            yield image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return  # damaged: the loader leaves it out, or says what is wrong with it
