"""Features kept on disk, so that a set of images passes a network only once.

An entry is one safetensors file named by the hash of all that its numbers depend on: the data, which of its images, the
extractor and how it resizes, the versions of zerosum and torch. It is written batch by batch, put in place at once when
whole, and read as a memory map; its header holds a checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from zerosum._version import __version__
from zerosum.data.cache import root
from zerosum.files import commit, temporary
from zerosum.metrics.features.base import Extractor, Features

VERSION = 1
"""Part of every key: raise it when the way features are computed changes."""
_HEADER = 1024
"""Bytes kept free for the header, known when the last batch is written; safetensors allows spaces at its end."""


def _warn(note: str) -> None:
    warnings.warn(note, stacklevel=3)


def cached_features(
    extractor: Extractor,
    batches: Iterable[Tensor],
    *,
    fingerprint: str,
    which: str,
    folder: str | Path | None = None,
    note: Callable[[str], None] = _warn,
) -> Features:
    """Features of a set of images: from the cache, or computed and put there.

    Args:
        extractor: The network.
        batches: Images uint8 (B, C, H, W); touched only when there is no entry, so a generator costs nothing.
        fingerprint: Fingerprint of the data, such as ``Images.fingerprint``.
        which: Choice of images, in words that differ whenever the images or their order do, such as ``"first 50000"``.
        folder: Where entries are kept; by default in the folder ``features`` of zerosum's cache.
        note: Called with a sentence when an entry was damaged and is computed again; by default it warns.

    Returns:
        Features on the CPU, float32, in the order of the images, backed by the file: they take no memory until read.

    Raises:
        ValueError: There is no image, or the batches' features do not fit together.
        OSError: The folder cannot be written.
    """
    place = Path(folder).expanduser() if folder else root() / "features"
    path = place / f"{entry_key(extractor, fingerprint, which)}.safetensors"
    if path.is_file():
        with contextlib.suppress(_DamagedError):
            return _read(path)
        note(f"{path} is damaged; its features are computed again.")
    _write(path, (extractor(images) for images in batches))
    return _read(path)


def entry_key(extractor: Extractor, fingerprint: str, which: str) -> str:
    """The name of an entry: 64 hexadecimal digits over all that its numbers depend on."""
    parts = [VERSION, __version__, torch.__version__, fingerprint, which]
    parts += [extractor.name, extractor.hash, extractor.resize]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class _DamagedError(Exception):
    """The file is not what was written."""


def _read(path: Path) -> Features:
    try:
        with safe_open(path, framework="pt") as file:
            said = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _DamagedError from error
    if "vectors" not in tensors or said != {name: _digest(tensor) for name, tensor in tensors.items()}:
        raise _DamagedError
    return Features(tensors["vectors"], tensors.get("logits"))


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.numpy().data).hexdigest()


def _write(path: Path, batches: Iterable[Features]) -> None:
    folder = path.parent
    with contextlib.ExitStack() as stack:
        with _writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            whole, out = stack.enter_context(temporary(folder))
            # The tensors follow one another in the file: the second one grows beside it until the first one is whole.
            _, beside = stack.enter_context(temporary(folder))
            out.write(b" " * _HEADER)
        vectors, logits = _Rows("vectors", out), _Rows("logits", beside)
        for batch in batches:  # what fails in reading images is not a matter of this folder
            with _writable(folder):
                vectors.append(batch.vectors)
                if batch.logits is not None:
                    logits.append(batch.logits)
        if not vectors.count:
            raise ValueError("there are no images to compute features of")
        if logits.count not in (0, vectors.count):
            raise ValueError(f"the extractor gave logits for {logits.count} of {vectors.count} images")
        with _writable(folder):
            _finish(out, beside, [rows for rows in (vectors, logits) if rows.count])
            commit(out, whole, path)


def _finish(out: IO[bytes], beside: IO[bytes], parts: list[_Rows]) -> None:
    beside.seek(0)
    shutil.copyfileobj(beside, out)
    out.seek(0)
    out.write(_header(parts))


class _Rows:
    """A float32 matrix that grows at the end of a file."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name, self.count, self.width = name, 0, 0
        self._file = file
        self._digest = hashlib.sha256()

    def append(self, rows: Tensor) -> None:
        self.width = self.width or rows.shape[1]
        if rows.shape[1] != self.width:
            raise ValueError(f"{self.name} of {rows.shape[1]} dimensions after {self.name} of {self.width}")
        data = rows.detach().to("cpu", torch.float32).contiguous().numpy().data
        self._file.write(data)
        self._digest.update(data)
        self.count += len(rows)

    @property
    def bytes(self) -> int:
        return 4 * self.count * self.width

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _header(parts: list[_Rows]) -> bytes:
    """Length of the JSON that follows, then the JSON padded with spaces."""
    said: dict[str, object] = {"__metadata__": {rows.name: rows.sha256 for rows in parts}}
    start = 0
    for rows in parts:
        end = start + rows.bytes
        said[rows.name] = {"dtype": "F32", "shape": [rows.count, rows.width], "data_offsets": [start, end]}
        start = end
    text = json.dumps(said).encode()
    room = _HEADER - 8
    return room.to_bytes(8, "little") + text.ljust(room)


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Say what to do when the disk refuses."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"the features could not be saved in {folder} ({error.strerror}). Free some space, or set the environment "
            "variable ZEROSUM_CACHE to a folder with room.",
        ) from error
