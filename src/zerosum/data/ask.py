"""What is asked of a source, checked once."""

from dataclasses import dataclass, replace
from pathlib import Path

from zerosum.errors import DataError, nearest

MAX_SIZE = 4096


@dataclass(frozen=True)
class Ask:
    """The arguments of ``load``; see there.

    Raises:
        DataError: An argument that no source could satisfy.
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
                f"size={self.size!r}: give the side of the images in pixels, a whole number from 1 to {MAX_SIZE}",
                argument="size",
            )
        if self.channels not in (None, 1, 3) or isinstance(self.channels, bool):
            raise DataError(
                f"channels={self.channels!r}: give 1 for grey, 3 for colour, or nothing to decide by the images"
            )
        if self.split not in ("train", "test"):
            raise DataError(f"split={self.split!r}: give 'train' or 'test'")

    @property
    def where(self) -> str:
        """What stands after the colon of the source: ``PATH`` of ``folder:PATH``."""
        return self.source.partition(":")[2]

    def sized(self, size: int) -> "Ask":
        """The same with another size."""
        return replace(self, size=size)


def find_path(ask: Ask) -> Path:
    """The path that a source names.

    Raises:
        DataError: It names none, or one that does not exist; the message has the most similar name beside it.
    """
    if not ask.where:
        raise DataError(f"{ask.source!r} names no path: write it after the colon, as in {ask.source}PATH")
    path = Path(ask.where).expanduser()
    if not path.exists():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside)
        raise DataError(f"{ask.source}: there is no {path.absolute()}{'.' if hint else ''}{hint}")
    return path
