"""Images in a folder of files."""

import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from zerosum.data.ask import Ask, find_path
from zerosum.data.decode import SUFFIXES
from zerosum.data.files import Item, Listing, load_listing, sort_items, why_ignored
from zerosum.data.images import Images
from zerosum.data.sources import Source
from zerosum.errors import DataError

SOURCES = (Source("folder:PATH", "a folder of PNG, JPEG, WebP, GIF or BMP files; subfolders are classes", place=80),)


def load_folder(ask: Ask) -> Images:
    """The images under a folder."""
    path = find_path(ask)
    if not path.is_dir():
        hint = f". For a zip file write zip:{ask.where}" if path.suffix.lower() == ".zip" else ""
        raise DataError(f"{ask.source}: {path} is a file, not a folder{hint}")
    # Two folders can hold files alike in name, size and time: the place is part of the key.
    return load_listing(find_folder(ask, path), ask, f"folder:{os.path.realpath(path)}")


def find_folder(ask: Ask, path: Path) -> Listing:
    """The images under a folder, subfolders included; links to folders are followed, each folder once.

    Raises:
        DataError: It holds no image.
    """
    items: list[Item] = []
    ignored: list[str] = []
    closed: list[OSError] = []
    for folder, names in _walk(path, closed.append):
        inside = os.path.relpath(folder, path).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        for name in names:
            reason = why_ignored(prefix + name)
            status = None if reason else _stat(os.path.join(folder, name))
            if status is None:
                ignored.append(reason or "not a file")
                continue
            read = partial(_read, os.path.join(folder, name))
            items.append(Item(prefix + name, (status.st_size, status.st_mtime_ns), read))
    if closed and closed[0].filename == str(path):
        raise DataError(f"{ask.source}: the folder cannot be read ({closed[0].strerror})")
    ignored += ["folder that cannot be read"] * len(closed)
    if not items:
        held = f", only {len(ignored)} other files" if ignored else ""
        kinds = ", ".join(suffix[1:].upper() for suffix in SUFFIXES if suffix != ".jpeg")
        raise DataError(f"{ask.source}: the folder holds no images ({kinds}){held}")
    return sort_items(items, ignored)


def _walk(path: Path, fail: Callable[[OSError], None]) -> Iterator[tuple[str, list[str]]]:
    """Each folder under ``path`` with the names of its files; links to folders are followed."""
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(path, onerror=fail, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder above would be followed for ever
            subfolders.clear()
            continue
        seen.add(real)
        subfolders.sort()
        yield folder, sorted(names)


def _stat(path: str) -> os.stat_result | None:
    """``None`` for what is not a regular file: a pipe, or a link that leads nowhere."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
