"""What each name of a source means.

A module of this package states the sources that it loads in a value, ``SOURCES``, which is read without importing it::

    SOURCES = (Source("folder:PATH", "a folder of images; subfolders are classes", place=80),)

and has a function ``load_folder(ask)`` for ``folder:PATH``, ``load_swiss_roll(ask)`` for ``swiss-roll``, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.ask import Ask
from zerosum.discovery import Modules
from zerosum.errors import DataError, nearest

if TYPE_CHECKING:
    from zerosum.data.base import Data

MODULES = Modules("zerosum.data", "SOURCES", "source")


@dataclass(frozen=True)
class Source:
    """A kind of source.

    Attributes:
        usage: How it is written, ``"folder:PATH"``.
        summary: Line for people.
        place: Number by which sources are ordered where they are shown.
        splits: Whether it has a test split.
        images: Whether it has images, so that size and channels mean something.
        module: Name of the module that states it, filled in where that is read.
    """

    usage: str
    summary: str
    place: int
    splits: bool = False
    images: bool = True
    module: str = ""

    @property
    def key(self) -> str:
        """The part up to the colon, with it: ``"folder:"``, or the whole name."""
        head, colon, _ = self.usage.partition(":")
        return head + colon

    def load(self, ask: Ask) -> Data:
        """Load what was asked for; the module is imported here.

        Raises:
            DataError: It is absent, empty, damaged or dangerous.
        """
        name = f"load_{self.key.rstrip(':').replace('-', '_')}"
        data: Data = getattr(MODULES.load(self.module), name)(ask)
        return data


def _read_sources() -> dict[str, Source]:
    found = [
        replace(Source(*positional, **keywords), module=module)
        for module in MODULES.names
        if module != "sources"  # this one, where they come together
        for positional, keywords in MODULES.literal(module, "SOURCES")
    ]
    return {source.key: source for source in sorted(found, key=lambda source: source.place)}


SOURCES = _read_sources()  # by key, in the order in which they are shown


def has_splits(source: str) -> bool:
    """Whether the source that ``source`` names has a test split; not so where it names none."""
    found = SOURCES.get(_key_of(source))
    return found is not None and found.splits


def load(
    source: str,
    *,
    size: int | None = None,
    channels: int | None = None,
    cache: str | Path | None = None,
    strict: bool = False,
    progress: bool = True,
    split: str = "train",
) -> Data:
    """Load the data that ``source`` names.

    Args:
        source: Name of a source, as in ``SOURCES``: ``fashion-mini``, ``folder:PATH``, ``ring``...
        size: Side of the images, in pixels. By default what the source has (28 x 28 sets are padded to 32 with black;
            ``digits`` is enlarged to 16), and 64 for ``folder:``, ``zip:`` and ``hf:``. Other images are cut to their
            centre square and resized with an antialiasing filter.
        channels: Number of channels: 1 for grey, 3 for colour; by default 1 when every image is grey.
        cache: Folder for decoded and downloaded files; by default ``$ZEROSUM_CACHE`` or ``~/.cache/zerosum``.
        strict: Whether to raise for a damaged image instead of leaving it out with a note.
        progress: Whether to show a bar on stderr when loading takes longer than two seconds.
        split: ``"train"`` or ``"test"``, for sources that have a test split.

    Raises:
        DataError: The source is unknown, absent, empty, damaged or dangerous, or an argument makes no sense for it.
    """
    ask = Ask(source, size, channels, cache, strict, progress, split)
    found = SOURCES.get(_key_of(source))
    if found is None:
        raise DataError(_explain_unknown(source))
    if split != "train" and not found.splits:
        raise DataError(f"{source} has no test split")
    if not found.images and (size is not None or channels is not None):
        raise DataError(f"{source} draws points in the plane: size and channels do not apply to it")
    return found.load(ask)


def _key_of(source: str) -> str:
    head, colon, _ = source.partition(":")
    return head + colon


def _explain_unknown(source: str) -> str:
    """What is wrong with a source that does not exist, and what there is."""
    head = source.partition(":")[0]
    usages = ", ".join(found.usage for found in SOURCES.values())
    if f"{head}:" in SOURCES:
        return f"{source!r} lacks what it names: write {SOURCES[f'{head}:'].usage}"
    if head in SOURCES:
        return f"{source!r}: {head} takes nothing after it; write just {head}"
    if source and Path(source).expanduser().exists():
        kind = "folder" if Path(source).expanduser().is_dir() else "npz" if source.endswith(".npz") else "zip"
        return f"{source!r} is a path, not a source; write {kind}:{source}. Sources: {usages}"
    hint = nearest(head, [key.rstrip(":") for key in SOURCES])
    return f"there is no source {source!r}.{hint} Sources: {usages}"
