"""What each name of a source means.

A module of this package states the sources that it loads in a value, ``SOURCES``, which is read without importing it::

    SOURCES = (Source("folder:PATH", "a folder of images; subfolders are classes", place=80),)

and has a function ``load_folder(ask)`` for ``folder:PATH``, ``load_swiss_roll(ask)`` for ``swiss-roll``, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike, fsdecode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.data.ask import Ask, expand, is_there
from zerosum.data.paths import explain_missing, kind_at, paths_beside, source_at
from zerosum.discovery import Modules
from zerosum.errors import DataError, UnknownData, nearest

if TYPE_CHECKING:
    from zerosum.data.base import Data
    from zerosum.data.given import MapStyle

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
    found = SOURCES.get(_key_of(source)) or SOURCES.get(f"{kind_at(expand(source))}:")
    return found is not None and found.splits


def is_source(name: str) -> bool:
    """Whether a name is written like a source, so that ``load`` would take it for one; no path is looked at."""
    return _key_of(name) in SOURCES


def is_given(data: Data) -> bool:
    """Whether data came as an object of Python (an array, a data set...), so that no source leads to them again.

    This is read from their name alone, which is a source's for all that ``load`` finds by name or path, and
    ``"array"``, ``"tensor"``, ``"list"``, ``"dataset"`` or the name of a class for others.
    """
    return not is_source(data.name)


def resolve(source: str | PathLike[str]) -> tuple[str, tuple[str, ...]]:
    """The source that a name or a bare path means, such as ``folder:photos`` for ``photos/``, and notes on that.

    A text that is a source's name means that source, whatever else is called so; a note says it. A ``Path`` is a path
    where there is one.

    Raises:
        UnknownData: There is neither such a source nor such a path.
        DataError: The path leads to what is not read.
    """
    text = fsdecode(source)
    if is_source(text) and not (isinstance(source, PathLike) and is_there(expand(text))):
        if SOURCES[_key_of(text)].key == text and expand(text).is_dir():
            return text, (f"the source {text} was taken, not the folder of that name, which is folder:{text}",)
        return text, ()
    found = source_at(text)
    if found is None:
        raise UnknownData(_explain_unknown(text))
    return found, ()


def load(
    source: str | PathLike[str] | Data | MapStyle,
    *,
    labels: Any = None,
    size: int | None = None,
    channels: int | None = None,
    cache: str | Path | None = None,
    strict: bool = False,
    progress: bool = True,
    split: str = "train",
) -> Data:
    """Load data by name or path, or from what there is in Python.

    A path is that of a folder of images (subfolders are classes), a .zip of such a folder, or an .npz of arrays.
    Where a folder is called like a source, the source is taken, and a note says so; ``./NAME`` is the folder.

    Arrays and tensors are images ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``, C = 1 or 3: uint8, bools, whole
    numbers from 0 to 255, or floating point in [0, 1], [-1, 1] or (whole numbers) [0, 255], whichever first holds all
    of them. Where both the second and the last axis could be the channels, it is the one that leaves square images,
    else the last for arrays and the second for tensors. Images are rounded to 8 bits. An array ``(N, 2)`` holds points
    in the plane, which are drawn with replacement. All are copied. ``notes`` say what was assumed.

    A map-style data set has ``__len__`` and ``__getitem__``, as those of torch and Hugging Face, and lists. Its items
    are images, alone, in pairs ``(image, label)`` or under names (``image``, ``label``): arrays or tensors as above
    without the first axis, or pictures of Pillow. Each is read once, in order, in this process, and kept in memory.

    Args:
        source: Name of a source, as in ``SOURCES``: ``fashion-mini``, ``folder:PATH``, ``ring``...; path; array or
            tensor; data set; or ``Data``, which are returned as they are.
        labels: Labels of the images of an array or a data set: an array or a list of N whole numbers from 0, or of
            texts. Their sorted distinct values are the classes.
        size: Side of the images, in pixels. By default what the source has (28 x 28 sets are padded to 32 with black;
            ``digits`` is enlarged to 16), and 64 for ``folder:``, ``zip:`` and ``hf:``. Other images are cut to their
            centre square and resized with an antialiasing filter.
        channels: Number of channels: 1 for grey, 3 for colour; by default 1 when every image is grey.
        cache: Folder for decoded and downloaded files; by default ``$ZEROSUM_CACHE`` or ``~/.cache/zerosum``.
        strict: Whether to raise for a damaged image file instead of leaving it out with a note.
        progress: Whether to show a bar on stderr when loading takes longer than two seconds.
        split: ``"train"`` or ``"test"``, for sources that have a test split.

    Raises:
        DataError: The source is unknown, absent, empty, damaged or dangerous, or an argument makes no sense for it.
    """
    if not isinstance(source, str | PathLike):
        from zerosum.data.given import load_given

        return load_given(source, labels, Ask("data", size, channels, cache, strict, progress, split))
    name, notes = resolve(source)
    if labels is not None:
        raise DataError(f"labels: {name} has its own; give labels beside an array or a data set", argument="labels")
    data = _load_named(Ask(name, size, channels, cache, strict, progress, split))
    return replace(data, notes=(*notes, *data.notes)) if notes else data


def _load_named(ask: Ask) -> Data:
    found = SOURCES[_key_of(ask.source)]
    if ask.split != "train" and not found.splits:
        raise DataError(f"{ask.source} has no test split")
    if not found.images and (ask.size is not None or ask.channels is not None):
        raise DataError(f"{ask.source} draws points in the plane: size and channels do not apply to it")
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
    keys = [key.rstrip(":") for key in SOURCES]
    hint = nearest(head, keys, cutoff=0.6) if head != source else ""
    missing = None if hint else explain_missing(source)
    if missing:
        return f"{missing}{'' if missing.endswith('?') else '.'} Sources: {usages}"
    hint = hint or nearest(source, [*keys, *paths_beside(Path(source))], cutoff=0.6)
    return f"there is no source {source!r}.{hint} Sources: {usages}, or a path"
