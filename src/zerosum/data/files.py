"""From a list of image files to a cached set of images: decoding in parallel, what was odd, and how it is told."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from zerosum.data import cache
from zerosum.data.ask import Ask
from zerosum.data.decode import FAILURES, FORMATS, SUFFIXES, Decoded, decode
from zerosum.data.images import Images, Labels
from zerosum.errors import DataError
from zerosum.progress import progress

DEFAULT_SIZE = 64
_BLOCK = 512  # files decoded between two writes: bounds memory, and keeps all threads busy
_TASK = 16  # files a thread takes at a time: handing over costs about as much as decoding a tiny image
_NAMED = 3  # damaged files named in a note


class Item(NamedTuple):
    """One image file.

    Attributes:
        name: Relative name, with ``/``: it gives the order and the class.
        stamp: Size in bytes and time of change (or checksum): with the name, what tells whether it has changed.
        read: Function that gives the content.
    """

    name: str
    stamp: tuple[int, int]
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Listing:
    """The image files of a source.

    Attributes:
        items: Files, in order.
        labels: Index of each file's class; ``None`` where there are no classes.
        classes: Names of the classes.
        notes: Oddities that showed while they were listed, a sentence each.
    """

    items: tuple[Item, ...]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def why_ignored(name: str) -> str | None:
    """Why a file of this relative name is not an image of the set: hidden, or its suffix; ``None`` when it is one."""
    if name.startswith((".", "__MACOSX/")) or "/." in name or "/__MACOSX/" in name:  # the latter is added by macOS
        return "hidden"
    if name.lower().endswith(SUFFIXES):
        return None
    return PurePosixPath(name).suffix or "without suffix"


def sort_items(items: Sequence[Item], ignored: Sequence[str]) -> Listing:
    """Sort the items by name and take their classes from the subfolders they lie in; ``ignored`` holds reasons.

    Folders that contain everything else are looked through; then the first part of each name is the class, and classes
    are sorted by name. Files beside subfolders leave it open what the classes are, so there are none.
    """
    items = sorted(items, key=lambda item: item.name)
    folders = [tuple(item.name.split("/")[:-1]) for item in items]
    while len(set(folders)) > 1 and all(folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    notes = _note_ignored(ignored)
    if not any(folders):
        return Listing(tuple(items), None, (), notes)
    if not all(folders):
        loose = sum(not parts for parts in folders)
        note = f"{loose} of {len(items)} images lie beside the subfolders, so the subfolders were not taken as classes"
        return Listing(tuple(items), None, (), (*notes, note))
    classes = tuple(sorted({parts[0] for parts in folders}))
    if len(classes) == 1:
        notes = (*notes, f"there is a single class, {classes[0]!r}")
    index = {name: i for i, name in enumerate(classes)}
    return Listing(tuple(items), tuple(index[parts[0]] for parts in folders), classes, notes)


def load_listing(found: Listing, ask: Ask, kind: str) -> Images:
    """The images of a listing, from the cache if they were decoded before.

    Raises:
        DataError: None of the files could be read, or (with ``strict``) one could not.
    """
    size = ask.size or DEFAULT_SIZE
    folder = cache.root(ask.cache) / "images"
    names = [(item.name, *item.stamp) for item in found.items]
    key = cache.key_of(kind, names, size, ask.channels, found.labels, found.classes)
    hit = cache.read(folder, key)
    if hit is None:
        cache.write(folder, key, lambda out: _fill(out, found, size, ask))
        hit = cache.read(folder, key)
    if hit is None:
        raise DataError(f"the cache entry {folder / key}.json vanished right after it was written. Try again")
    entry, pixels, labels = hit
    if ask.strict and entry.skipped:
        raise _refusal(ask, entry.skipped[0])
    notes = (*found.notes, *entry.notes)
    return Images.of(pixels, labels, name=ask.source, classes=entry.classes, notes=notes, fingerprint=entry.fingerprint)


def _fill(out: cache.PixelFile, found: Listing, size: int, ask: Ask) -> cache.Filled:
    """Decode all items into ``out``."""
    kept: list[int] = []
    skipped: list[str] = []
    all_grey, enlarged, transparent = True, 0, 0
    for first, block in _decode_blocks(found.items, size, ask):
        good = [(first + i, image) for i, image in enumerate(block) if isinstance(image, Decoded)]
        skipped += [f"{found.items[first + i].name}: {bad}" for i, bad in enumerate(block) if isinstance(bad, str)]
        if skipped and ask.strict:
            raise _refusal(ask, skipped[0])
        if good:
            out.append(np.stack([image.pixels for _, image in good]))
        kept += [i for i, _ in good]
        all_grey &= all(image.grey for _, image in good)
        enlarged += sum(image.enlarged for _, image in good)
        transparent += sum(image.transparent for _, image in good)
    if not kept:
        raise DataError(f"{ask.source}: none of its {len(skipped)} images could be read. The first: {skipped[0]}")
    if all_grey and ask.channels is None:
        out.keep_first_channel()
    labels, classes = _keep_labels(found, kept)
    notes = _note_decoding(len(kept), skipped, enlarged, size)
    if transparent:
        notes += (f"the transparency of {transparent} of {len(kept)} images was put on white",)
    return cache.Filled(labels, classes, notes, skipped)


def _decode_blocks(items: Sequence[Item], size: int, ask: Ask) -> Iterator[tuple[int, list[Decoded | str]]]:
    """Blocks of (index of the first item, images or why they could not be read), decoded on all cores."""

    def one(item: Item) -> Decoded | str:
        try:
            return decode(item.read(), size, ask.channels)
        except UnidentifiedImageError:
            return f"is not an image; {', '.join(FORMATS)} can be read"
        except FAILURES as error:
            return str(error) or type(error).__name__

    def several(first: int, last: int) -> list[Decoded | str]:
        return [one(item) for item in items[first:last]]

    workers = min(32, os.cpu_count() or 1)
    with (
        warnings.catch_warnings(),  # of the whole process, so entered here and not in the threads
        ThreadPoolExecutor(workers) as pool,
        progress(len(items), f"decoding {ask.source}", ask.progress) as advance,
    ):
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # decode() has a limit of its own
        for first in range(0, len(items), _BLOCK):
            last = min(first + _BLOCK, len(items))
            starts = range(first, last, _TASK)
            block = [
                image for part in pool.map(several, starts, [min(i + _TASK, last) for i in starts]) for image in part
            ]
            yield first, block
            advance(len(block))


def _keep_labels(found: Listing, kept: Sequence[int]) -> tuple[Labels | None, tuple[str, ...]]:
    """Labels of the images that could be read, and the classes that still have one."""
    if found.labels is None:
        return None, ()
    used, labels = np.unique(np.array([found.labels[i] for i in kept], dtype=np.int64), return_inverse=True)
    return labels.astype(np.int64), tuple(found.classes[i] for i in used)


def _note_decoding(kept: int, skipped: Sequence[str], enlarged: int, size: int) -> tuple[str, ...]:
    notes = []
    if skipped:
        more = f"; and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        are = "image was" if len(skipped) == 1 else "images were"
        notes.append(f"{len(skipped)} damaged {are} skipped: {'; '.join(skipped[:_NAMED])}{more}")
    if enlarged:
        notes.append(f"{enlarged} of {kept} images are smaller than {size} and were enlarged")
    return tuple(notes)


def _note_ignored(ignored: Sequence[str]) -> tuple[str, ...]:
    if not ignored:
        return ()
    listed = ", ".join(f"{count} {reason}" for reason, count in Counter(ignored).most_common(5))
    files = (
        "1 file that is hidden or not an image was"
        if len(ignored) == 1
        else f"{len(ignored)} files that are hidden or not images were"
    )
    return (f"{files} ignored ({listed})",)


def _refusal(ask: Ask, first: str) -> DataError:
    return DataError(f"{ask.source}: an image could not be read, and strict refuses that. {first}")
