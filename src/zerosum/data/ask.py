"""What is asked of a source, checked once."""

from dataclasses import dataclass, replace
from pathlib import Path

from zerosum.data.errors import DataError

MAX_SIZE = 4096


@dataclass(frozen=True)
class Ask:
    """The arguments of ``load``; see there.

    Raises:
        DataError: an argument that no source could satisfy.
    """

    source: str
    size: int | None = None
    channels: int | None = None
    cache: str | Path | None = None
    strict: bool = False
    progress: bool = True
    split: str = "train"

    def __post_init__(self) -> None:
        if self.size is not None and (type(self.size) is not int or not 1 <= self.size <= MAX_SIZE):
            raise DataError(
                f"size={self.size!r}: give the side of the images in pixels, a whole number from 1 to {MAX_SIZE}."
            )
        if self.channels not in (None, 1, 3) or isinstance(self.channels, bool):
            raise DataError(
                f"channels={self.channels!r}: give 1 for grey, 3 for colour, or nothing to decide by the images."
            )
        if self.split not in ("train", "test"):
            raise DataError(f"split={self.split!r}: give 'train' or 'test'.")

    def sized(self, size: int) -> "Ask":
        """The same with another size."""
        return replace(self, size=size)
