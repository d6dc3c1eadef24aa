"""What an experiment of hours keeps of its finished work, so that it can be interrupted and go on."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zerosum.data.images import Pixels
from zerosum.files import Rows, atomic


class Diary:
    """Finished work, one JSON object per line.

    Args:
        path: File of the diary; ``None`` to keep nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def find(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The last row that was made with exactly these settings; ``None`` if there is none."""
        wanted = json.loads(json.dumps(settings))
        rows = [] if self.path is None else list(Rows(self.path))
        return next((row for row in reversed(rows) if row.get("settings") == wanted), None)

    def add(self, settings: Mapping[str, Any], **found: Any) -> dict[str, Any]:
        """Keep what was found with these settings, and return the row."""
        row: dict[str, Any] = json.loads(json.dumps({"settings": settings} | found, allow_nan=False))
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            Rows(self.path).append(row, durable=True)
        return row


def keep(path: Path | None, pixels: Pixels) -> None:
    """Write pixels to a file, whole or not at all; do nothing without a path."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as partial:
        np.savez_compressed(partial, pixels=pixels)


def load_kept(path: Path | None, shape: tuple[int, ...]) -> Pixels | None:
    """Pixels that :func:`keep` wrote; ``None`` if the file is missing, damaged, or holds something else."""
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            pixels: Pixels = file["pixels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None
