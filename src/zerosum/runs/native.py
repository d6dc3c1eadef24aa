"""Images of files as they are scored: at their own size, or brought to one that was asked for.

What is done to each file, in this order: it is decoded (:func:`.decode_unchanged`), cut to its centre square where a
crop was asked for, resized where a size was, and made grey where that was. What nobody asked for is not done.
"""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from zerosum.data import cache
from zerosum.data.archive import find_members
from zerosum.data.ask import MAX_SIZE, Ask, find_path
from zerosum.data.decode import FAILURES, FORMATS, crop, decode_unchanged, resize
from zerosum.data.files import Item, Listing
from zerosum.data.folder import find_folder
from zerosum.data.hub import find_rows
from zerosum.data.images import Images, Labels, Pixels
from zerosum.errors import DataError, UsageError
from zerosum.progress import progress

KINDS = ("folder", "zip", "hf")  # of sources that this reads
MOST_CACHED = 4 << 30  # bytes of pixels: what has more is decoded whenever it is read
_BLOCK = 64 << 20  # bytes of pixels decoded at a time
_NAMED = 3  # damaged files named in a note
_OTHERS = "torch-fidelity, pytorch-fid and clean-fid"
_TOLD = {  # what is told of so many images
    "left out": f"are transparent in part: that was left out, and the colours under it show, as in {_OTHERS}; "
    "background=white puts them on white",
    "on a background": "are transparent in part, and were put on {background}",
    "deep": f"have 16 bits and were rounded to 8; {_OTHERS} cut them off at 255",
    "turned": f"were turned upright, as their EXIF orientation says; {_OTHERS} leave them as they are stored",
    "cut": "were cut to their centre squares",
    "shrunk": "are larger than {size} and were shrunk",
    "enlarged": "are smaller than {size} and were enlarged",
    "grey": "are in colour and were made grey",
}


@dataclass(frozen=True)
class FileReading:
    """What is done to images between their files and what looks at them.

    Attributes:
        size: Side to which they are brought, in pixels. ``None``: they stay as they are.
        crop: Whether they are cut to their centre squares.
        background: Colour on which transparent images are put: a name or ``#rrggbb``. ``None``: transparency is left
            out.
        channels: 1 to convert all to grey, 3 for RGB. ``None``: grey where all are grey.

    Raises:
        UsageError: The size is not a number of pixels, or there is no such colour.
    """

    size: int | None = None
    crop: bool = False
    background: str | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.size, int) and not isinstance(self.size, bool)
        if self.size is not None and not (whole and 1 <= self.size <= MAX_SIZE):
            raise UsageError(
                f"size={self.size!r}: give the side of the images in pixels, a whole number from 1 to {MAX_SIZE}",
                argument="size",
            )
        if self.background is not None:
            try:
                ImageColor.getrgb(self.background)
            except (ValueError, AttributeError) as error:
                raise UsageError(
                    f"background={self.background}: is not a colour; give a name, such as white, or #rrggbb",
                    argument="background",
                ) from error

    def __str__(self) -> str:
        steps = ["centre square"] if self.crop else []
        steps += [f"Lanczos to {self.size}x{self.size}" if self.size else "native size"]
        under = "left out" if self.background is None else f"on {self.background}"
        colours = {None: [], 1: ["as grey"], 3: ["as RGB"]}[self.channels]
        return ", ".join(["8 bits", *steps, f"transparency {under}", *colours])

    def apply(self, picture: Pixels, name: str) -> Pixels:
        """Crop and resize an image, uint8 ``(H, W, 3)``, and take its colours away, as far as was asked.

        Args:
            picture: The image.
            name: Name for messages.

        Raises:
            UsageError: It is not square, and can so not be brought to the size without a crop.
        """
        height, width = picture.shape[:2]
        check_square(self, height, width, name)
        if (self.crop and height != width) or self.size not in (None, height):
            square = crop(Image.fromarray(picture))
            picture = np.asarray(resize(square, self.size) if self.size else square)
        return np.asarray(Image.fromarray(picture).convert("L").convert("RGB")) if self.channels == 1 else picture


def check_square(reading: FileReading, height: int, width: int, name: str) -> None:
    """Refuse to bring to a size what is not square, unless a crop was asked for.

    Raises:
        UsageError: It is not square.
    """
    if reading.size and height != width and not reading.crop:
        raise UsageError(
            f"size={reading.size}: {name} is {width} pixels wide and {height} high, not square; crop=True takes the "
            "centre square first",
            argument="crop",
        )


class Read(NamedTuple):
    """One image with what is to be known of it.

    Attributes:
        pixels: Array uint8 ``(H, W, 3)``; the channels of a grey image are equal.
        grey: Whether it is grey.
        facts: Names of what was done to it or is odd about it, of ``_TOLD``.
    """

    pixels: Pixels
    grey: bool
    facts: frozenset[str]


@dataclass(frozen=True, eq=False)
class FileImages(Images):
    """Images of files, with what was done to them.

    Attributes:
        decoding: What was done, in words.
        path: Where the files are.
    """

    decoding: str = ""
    path: str = ""


@dataclass(frozen=True, eq=False)
class Undecoded:
    """Images that are decoded each time they are read, as there are too many to keep; indexed as an array is.

    Attributes:
        items: Files.
        reading: What is done to them.
        shape: Shape ``(N, H, W, C)``.
        digest: Digest of what is in all of them.
    """

    items: Sequence[Item] = field(repr=False)
    reading: FileReading
    shape: tuple[int, int, int, int]
    digest: str

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any) -> Pixels:
        """Images uint8 ``(n, H, W, C)`` of a slice or of indices."""
        chosen = [self.items[i] for i in np.arange(len(self))[which]]
        found = [image for block in _decode(chosen, self.reading) for image in block]
        lost = [item.name for item, image in zip(chosen, found, strict=True) if isinstance(image, str)]
        if lost:
            raise DataError(f"{lost[0]}: could be read before, and cannot be any more; was it changed meanwhile?")
        channels = self.shape[3]
        return np.stack([image.pixels[..., :channels] for image in found if isinstance(image, Read)])

    @property
    def fingerprint(self) -> str:
        """What tells these images from others."""
        return hashlib.sha256(repr((self.shape, self.digest)).encode()).hexdigest()


def read_files(source: str, reading: FileReading, *, split: str = "train", shown: bool = False) -> FileImages:
    """The images of a folder, a zip file or a data set of Hugging Face.

    Those that are not too many are kept decoded in the cache.

    Args:
        source: ``folder:PATH``, ``zip:PATH`` or ``hf:NAME``.
        reading: What is done to the images.
        split: Split of a data set that has some.
        shown: Whether to show a bar while they are decoded.

    Raises:
        DataError: There are no such images, or they cannot be read.
        UsageError: They have several sizes, or are not square where a size is asked for.
    """
    ask = Ask(source, progress=shown, split=split)
    found, at = _list(ask)
    names = [(item.name, *item.stamp) for item in found.items]
    key = cache.key_of("scored", at, names, str(reading), found.labels, found.classes)
    folder = cache.root() / "images"
    hit = cache.read(folder, key)
    if hit is None:
        filling = _Filling(found, reading, ask)
        if filling.bytes > MOST_CACHED:
            return filling.on_demand(at)
        cache.write(folder, key, filling.fill)
        hit = cache.read(folder, key)
    if hit is None:
        raise DataError(f"the cache entry {folder / key}.json vanished right after it was written. Try again")
    entry, pixels, labels = hit
    made = FileImages.of(
        pixels,
        labels,
        name=source,
        classes=entry.classes,
        notes=(*found.notes, *entry.notes),
        fingerprint=entry.fingerprint,
    )
    return replace(cast(FileImages, made), decoding=str(reading), path=at)


def _list(ask: Ask) -> tuple[Listing, str]:
    """The files of a source, and what names the place that they lie at."""
    if ask.source.startswith("hf:"):
        return find_rows(ask)
    path = find_path(ask)
    at = os.path.realpath(path)
    if ask.source.startswith("folder:"):
        return find_folder(ask, path), at
    try:
        return find_members(ask, zipfile.ZipFile(path)), at  # open as long as its members may be read
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{ask.source}: {path} is not a zip file, or is cut short ({error})") from error


class _Filling:
    """One pass over all files: what is odd about them, and their pixels for the cache or a digest of them."""

    def __init__(self, found: Listing, reading: FileReading, ask: Ask) -> None:
        self._found, self._reading, self._ask = found, reading, ask
        self._kept: list[int] = []
        self._skipped: list[str] = []
        self._facts: Counter[str] = Counter()
        self._grey = True
        self._shape: tuple[int, ...] = ()
        self.bytes = self._estimate()

    def _estimate(self) -> int:
        """Bytes of the pixels, by the first image that can be read."""
        for block in _decode(self._found.items, self._reading, most=1, source=self._ask.source):
            if isinstance(block[0], Read):
                return int(block[0].pixels.nbytes) * len(self._found.items)
        return 0

    def _blocks(self) -> Iterator[Pixels]:
        """All images in their order, uint8 ``(n, H, W, 3)``, without those that cannot be read."""
        first = 0
        items, label = self._found.items, f"decoding {self._ask.source}"
        most = max(1, _BLOCK * len(items) // max(1, self.bytes))
        with progress(len(items), label, self._ask.progress) as advance:
            for block in _decode(items, self._reading, most=most, source=self._ask.source):
                good = [self._take(first + i, image) for i, image in enumerate(block) if isinstance(image, Read)]
                self._skipped += [f"{items[first + i].name}: {bad}" for i, bad in enumerate(block) if type(bad) is str]
                first += len(block)
                if good:
                    yield np.stack(good)
                advance(len(block))
        if not self._kept:
            raise DataError(
                f"{self._ask.source}: none of its {len(items)} images could be read. The first: {self._skipped[0]}"
            )

    def _take(self, i: int, image: Read) -> Pixels:
        pixels = image.pixels
        if self._kept and pixels.shape != self._shape:
            (height, width), (others, wide) = self._shape[:2], pixels.shape[:2]
            first, other = (self._found.items[at].name for at in (self._kept[0], i))
            raise UsageError(
                f"{self._ask.source}: has images of several sizes, such as {width}x{height} ({first}) and "
                f"{wide}x{others} ({other}); size=64, for instance, brings all to 64x64, and what is not square needs "
                "a crop",
                argument="size",
            )
        self._shape = pixels.shape
        self._kept.append(i)
        self._grey &= image.grey
        self._facts.update(image.facts)
        return pixels

    @property
    def _channels(self) -> int:
        return self._reading.channels or (1 if self._grey else 3)

    def fill(self, out: cache.PixelFile) -> cache.Filled:
        """Append all images to a file of the cache."""
        for block in self._blocks():
            out.append(block)
        if self._channels == 1:
            out.keep_first_channel()
        labels, classes = self._labels()
        return cache.Filled(labels, classes, self._notes(), self._skipped)

    def on_demand(self, path: str) -> FileImages:
        """The images, to be decoded whenever they are read."""
        digest = hashlib.sha256()
        for block in self._blocks():
            for image in block:
                digest.update(hashlib.sha256(np.ascontiguousarray(image).data).digest())
        labels, classes = self._labels()
        digest.update(repr((classes, None if labels is None else labels.tolist())).encode())
        height, width = self._shape[:2]
        shape = len(self._kept), height, width, self._channels
        pixels = Undecoded([self._found.items[i] for i in self._kept], self._reading, shape, digest.hexdigest())
        return FileImages(
            name=self._ask.source,
            shape=(shape[3], height, width),
            classes=classes,
            count=len(self._kept),
            fingerprint=pixels.fingerprint,
            notes=(*self._found.notes, *self._notes()),
            pixels=cast(Pixels, pixels),
            labels=labels,
            decoding=str(self._reading),
            path=path,
        )

    def _labels(self) -> tuple[Labels | None, tuple[str, ...]]:
        """Labels of the images that could be read, and the classes that still have one."""
        if self._found.labels is None:
            return None, ()
        given = np.array([self._found.labels[i] for i in self._kept], dtype=np.int64)
        used, labels = np.unique(given, return_inverse=True)
        return labels.astype(np.int64), tuple(self._found.classes[i] for i in used)

    def _notes(self) -> tuple[str, ...]:
        notes, of = [], f"of {len(self._kept)} images"
        if self._skipped:
            more = f"; and {len(self._skipped) - _NAMED} more" if len(self._skipped) > _NAMED else ""
            are = "image was" if len(self._skipped) == 1 else "images were"
            notes.append(f"{len(self._skipped)} damaged {are} skipped: {'; '.join(self._skipped[:_NAMED])}{more}")
        for fact, told in _TOLD.items():
            if self._facts[fact]:
                words = told.format(size=self._reading.size, background=self._reading.background)
                notes.append(f"{self._facts[fact]} {of} {words}")
        return tuple(notes)


def _decode(
    items: Sequence[Item], reading: FileReading, *, most: int = 512, source: str = ""
) -> Iterator[list[Read | str]]:
    """Images, or why they could not be read, ``most`` at a time, decoded on all cores."""

    def one(item: Item) -> Read | str:
        try:
            found = decode_unchanged(item.read(), reading.background)
        except UnidentifiedImageError:
            return f"is not an image; {', '.join(FORMATS)} can be read"
        except FAILURES as error:
            return str(error) or type(error).__name__
        (height, width), pixels = found.pixels.shape[:2], reading.apply(found.pixels, f"{source} {item.name}")
        facts = {
            "left out": found.transparent and reading.background is None,
            "on a background": found.transparent and reading.background is not None,
            "deep": found.deep,
            "turned": found.turned,
            "cut": reading.crop and height != width,
            "shrunk": min(height, width) > len(pixels),
            "enlarged": min(height, width) < len(pixels) and reading.size is not None,
            "grey": reading.channels == 1 and not found.grey,
        }
        return Read(pixels, found.grey or reading.channels == 1, frozenset(name for name in facts if facts[name]))

    with warnings.catch_warnings(), ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # decoding has a limit of its own
        for first in range(0, len(items), most):
            yield list(pool.map(one, items[first : first + most]))
