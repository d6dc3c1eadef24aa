"""Decoded images on disk: content-addressed files, written atomically, opened as memory maps.

An entry is a small JSON file named by a *key* (what was asked for: names, sizes, times, options). It points at pixel
and label files named by the *fingerprint* of their content. So readers never see half an entry, and two processes that
build the same entry at once write the same bytes under the same names, whoever is last.
"""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from zerosum.data.images import Labels, Pixels, fingerprint_of
from zerosum.errors import DataError
from zerosum.files import commit, sweep, temporary

VERSION = 1  # part of every key: raise it when decoding changes, and old entries are no longer found


@dataclass(frozen=True)
class Entry:
    """What a cache entry says beside its pixels and labels.

    Attributes:
        fingerprint: SHA-256 of the content, which is in the names of its files.
        shape: Shape of the pixels, ``(N, H, W, C)``.
        labelled: Whether there is a file of labels.
        classes: Names of the classes.
        notes: Oddities that showed while decoding, a sentence each.
        skipped: Images that could not be read, each with the reason.
    """

    fingerprint: str
    shape: tuple[int, int, int, int]
    labelled: bool
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    skipped: tuple[str, ...]


def root(asked: str | Path | None = None) -> Path:
    """The cache folder: ``asked``, else ``$ZEROSUM_CACHE``, else ``~/.cache/zerosum``. It need not exist yet."""
    return Path(asked or os.environ.get("ZEROSUM_CACHE") or Path.home() / ".cache" / "zerosum").expanduser()


def key_of(*parts: object) -> str:
    """A name for what was asked for: 64 hex digits of the SHA-256 over ``parts`` (JSON values) and ``VERSION``."""
    return hashlib.sha256(json.dumps([VERSION, *parts]).encode()).hexdigest()


def read(folder: Path, key: str) -> tuple[Entry, Pixels, Labels | None] | None:
    """The entry ``key`` of ``folder`` with its pixels memory-mapped, or ``None`` when it is absent or damaged."""
    try:
        said = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        entry = Entry(
            fingerprint=str(said["fingerprint"]),
            shape=tuple(said["shape"]),
            labelled=bool(said["labelled"]),
            classes=tuple(said["classes"]),
            notes=tuple(said["notes"]),
            skipped=tuple(said["skipped"]),
        )
        # "c" maps privately: torch wants writable memory, and nothing written to it reaches the file.
        pixels = np.load(folder / f"{entry.fingerprint}.npy", mmap_mode="c", allow_pickle=False)
        labels = None
        if entry.labelled:
            labels = np.load(folder / f"{entry.fingerprint}.labels.npy", allow_pickle=False)
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None  # absent, or cut short by a crash of the machine: it will be built again
    whole = pixels.dtype == np.uint8 and pixels.shape == entry.shape
    if not whole or (labels is not None and (labels.dtype != np.int64 or labels.shape != pixels.shape[:1])):
        return None
    return entry, pixels, labels


class Filled(NamedTuple):
    """What is known once all images are appended.

    Attributes:
        labels: Label of each image, or ``None``.
        classes: As in :class:`Entry`.
        notes: As in :class:`Entry`.
        skipped: As in :class:`Entry`.
    """

    labels: Labels | None
    classes: Sequence[str]
    notes: Sequence[str]
    skipped: Sequence[str]


def write(folder: Path, key: str, fill: Callable[["PixelFile"], Filled]) -> None:
    """Build an entry.

    Args:
        folder: Folder of the cache; it is made where there is none.
        key: Name of the entry.
        fill: Function that appends the images to a file, and gives the rest.

    Raises:
        DataError: The folder cannot be written or the disk is full.
    """
    with _explain_refusal(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        with temporary(folder) as (path, file):
            out = PixelFile(path, file)
            labels, classes, notes, skipped = fill(out)
            shape, fingerprint = out.finish(labels, classes)
            if labels is not None:
                with temporary(folder) as (labels_path, labels_file):
                    np.save(labels_file, labels, allow_pickle=False)
                    commit(labels_file, labels_path, folder / f"{fingerprint}.labels.npy")
            commit(file, path, folder / f"{fingerprint}.npy")
        entry = Entry(fingerprint, shape, labels is not None, tuple(classes), tuple(notes), tuple(skipped))
        with temporary(folder) as (path, file):
            file.write(json.dumps(asdict(entry)).encode())
            commit(file, path, folder / f"{key}.json")


class PixelFile:
    """A ``.npy`` file of uint8 images that grows block by block, written with ordinary writes.

    Writing through a memory map would turn a full disk into a SIGBUS that ends the process; a write raises ``OSError``.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self._row: tuple[int, ...] = ()
        self._count = 0

    def append(self, images: Pixels) -> None:
        """Append uint8 ``(n, H, W, C)``; every block has the same H, W and C."""
        if not self._row:
            self._row = images.shape[1:]
            self._header()
        if images.shape[1:] != self._row:
            raise ValueError(f"expected images of {self._row}, got {images.shape[1:]}")
        self._file.write(np.ascontiguousarray(images).data)
        self._count += len(images)

    def keep_first_channel(self) -> None:
        """Reduce three equal channels to one, in place: each block moves towards the front of the file."""
        start, row = self._header(), self._row
        self._row = (*row[:2], 1)
        target = self._header()
        step = max(1, (16 << 20) // int(np.prod(row)))
        for first in range(0, self._count, step):
            n = min(step, self._count - first)
            self._file.seek(start + first * int(np.prod(row)))
            block = np.frombuffer(self._file.read(n * int(np.prod(row))), np.uint8).reshape(n, *row)
            self._file.seek(target)
            self._file.write(np.ascontiguousarray(block[..., :1]).data)
            target = self._file.tell()
        self._file.truncate(target)

    def finish(self, labels: Labels | None, classes: Sequence[str]) -> tuple[tuple[int, int, int, int], str]:
        """Write the final header; return the shape and the fingerprint of what was written."""
        if not self._count:
            raise ValueError("no image was appended")
        start = self._header()
        self._file.flush()
        height, width, channels = self._row
        shape = (self._count, height, width, channels)
        written = np.memmap(self._path, np.uint8, "r", start, shape)
        return shape, fingerprint_of(written, labels, classes)

    def _header(self) -> int:
        """(Re)write the header for the images so far; return its length, which does not depend on their number."""
        self._file.seek(0)
        shape = (self._count, *self._row)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return self._file.tell()


@contextlib.contextmanager
def _explain_refusal(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into an error that says where and how to go elsewhere."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            why = "the disk is full"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            why = f"it cannot be written ({error.strerror})"
        else:
            raise
        raise DataError(
            f"the cache of decoded images could not be saved in {folder}: {why}. Free some space, or put the cache "
            "elsewhere: set the environment variable ZEROSUM_CACHE to a folder with room"
        ) from error
