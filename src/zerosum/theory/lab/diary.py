"""A diary of finished work, so that an experiment of hours can be interrupted and go on."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


class Diary:
    """Finished work, one JSON object a line, so that an interrupted experiment can go on.

    Args:
        path: of the file; ``None``: nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def find(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The last row that was made with exactly these settings; lines that are not whole are passed over."""
        wanted = json.loads(json.dumps(settings))
        return next((row for row in reversed(self._rows()) if row.get("settings") == wanted), None)

    def add(self, settings: Mapping[str, Any], **found: Any) -> dict[str, Any]:
        """Keep what was found with these settings; gives the row."""
        row: dict[str, Any] = json.loads(json.dumps({"settings": settings} | found, allow_nan=False))
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
            with self.path.open("a") as file:
                file.write(("\n" if torn else "") + json.dumps(row) + "\n")
                file.flush()
                os.fsync(file.fileno())
        return row

    def _rows(self) -> list[dict[str, Any]]:
        if self.path is None or not self.path.exists():
            return []
        parsed = (_parsed(text) for text in self.path.read_text(errors="replace").splitlines())
        return [row for row in parsed if isinstance(row, dict)]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def keep(path: Path | None, pixels: Pixels) -> None:
    """Write pixels to a file, all or nothing; without a path, nothing."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_file = path.with_suffix(".partial")
    with partial_file.open("wb") as file:
        np.savez_compressed(file, pixels=pixels)
    partial_file.replace(path)


def kept(path: Path | None, shape: tuple[int, ...]) -> Pixels | None:
    """Pixels that were written to a file; ``None`` where it is not there, not whole, or holds something else."""
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            pixels: Pixels = file["pixels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None
