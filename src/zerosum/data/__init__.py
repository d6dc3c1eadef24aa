"""Real data: sources of images and points, and batches as pure functions of the seed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zerosum.errors import DataError

if TYPE_CHECKING:
    from zerosum.data.base import Data
    from zerosum.data.check import check_batch, check_data
    from zerosum.data.images import Images
    from zerosum.data.points import Points
    from zerosum.data.sources import SOURCES, is_given, load, resolve

__all__ = [
    "SOURCES",
    "Data",
    "DataError",
    "Images",
    "Points",
    "check_batch",
    "check_data",
    "is_given",
    "load",
    "resolve",
]

_HOME = {
    "SOURCES": "sources",
    "Data": "base",
    "Images": "images",
    "Points": "points",
    "check_batch": "check",
    "check_data": "check",
    "is_given": "sources",
    "load": "sources",
    "resolve": "sources",
}


if not TYPE_CHECKING:  # for checkers of types the names above are all that there are

    def __getattr__(name: str) -> Any:
        # Loaded on first use: `zerosum --help` must not wait for torch.
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
