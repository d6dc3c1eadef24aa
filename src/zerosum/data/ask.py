"""What is asked of a source, checked once."""

from dataclasses import dataclass, replace
from operator import index
from pathlib import Path

from zerosum.errors import DataError, UnknownData, nearest
from zerosum.files import printable

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
        if self.size is not None and hasattr(self.size, "__index__") and type(self.size) is not bool:  # numpy's, too
            object.__setattr__(self, "size", index(self.size))
        if self.size is not None and (type(self.size) is not int or not 1 <= self.size <= MAX_SIZE):
            raise DataError(
                f"size={self.size!r}: give the side of the images in pixels, a whole number from 1 to {MAX_SIZE}",
                argument="size",
            )
        if self.channels not in (None, 1, 3) or isinstance(self.channels, bool):
            raise DataError(
                f"channels={self.channels!r}: give 1 for grey, 3 for colour, or nothing to decide by the images",
                argument="channels",
            )
        if self.split not in ("train", "test"):
            raise DataError(f"split={self.split!r}: give 'train' or 'test'", argument="split")

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
        UnknownData: It names none, or one that does not exist; the message has the most similar name beside it.
    """
    if not ask.where:
        raise UnknownData(f"{ask.source!r} names no path: write it after the colon, as in {ask.source}PATH")
    path = expand(ask.where)
    if not is_there(path):
        beside = (
            [entry.name for entry in path.parent.iterdir()]
            if is_there(path.parent / ".") and path.parent.is_dir()
            else []
        )
        hint = nearest(path.name, beside)
        where = printable(str(path.absolute()))
        raise UnknownData(f"{printable(ask.source)}: there is no {where}{'.' if hint else ''}{hint}")
    return path


def find_file(ask: Ask) -> Path:
    """The file that a source names.

    Raises:
        DataError: As for :func:`find_path`; or it is a folder, or a pipe or a device, which might never end.
    """
    path = find_path(ask)
    if path.is_dir():
        raise DataError(f"{ask.source}: {path} is a folder. Write folder:{ask.where}")
    if not path.is_file():
        raise DataError(f"{ask.source}: {path} is not an ordinary file")
    return path


def expand(text: str) -> Path:
    """A path as it is written, with the home folder for ``~``."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # "~name" of somebody who does not exist: a file may be called so
        return Path(text)


def is_there(path: Path) -> bool:
    """Whether there is something at a path; not so where the path is too long or has characters that none can have."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
