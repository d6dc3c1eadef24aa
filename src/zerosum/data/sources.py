"""``--data SOURCE``: what each source name means."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zerosum.data.ask import Ask
from zerosum.data.base import Data
from zerosum.data.errors import DataError, nearest

Loader = Callable[[str, Ask], Data]
"""``(what stands after the colon, what was asked) -> Data``"""


@dataclass(frozen=True)
class Source:
    """A kind of source: how it is written (``"folder:PATH"``), a line for people, and its loader."""

    usage: str
    summary: str
    splits: bool
    images: bool
    load: Loader

    @property
    def key(self) -> str:
        """The part up to the colon, with it: ``"folder:"``, or the whole name."""
        head, colon, _ = self.usage.partition(":")
        return head + colon


SOURCES: dict[str, Source] = {}
"""By key, in the order in which they are shown."""


def source(usage: str, summary: str, *, splits: bool = False, images: bool = True) -> Callable[[Loader], Loader]:
    """Register a loader. ``splits``: it has a test split; ``images``: size and channels mean something."""

    def register(loader: Loader) -> Loader:
        found = Source(usage, summary, splits, images, loader)
        SOURCES[found.key] = found
        return loader

    return register


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
        source: one of ``SOURCES``: ``fashion-mini``, ``folder:PATH``, ``ring``...
        size: side of the images in pixels. By default what the source has (28 x 28 sets are padded to 32 with black;
            ``digits`` is enlarged to 16), and 64 for ``folder:``, ``zip:`` and ``hf:``. Other images are cut to their
            centre square and resized with an antialiasing filter.
        channels: 1 for grey, 3 for colour; by default 1 when every image is grey.
        cache: folder for decoded and downloaded files; by default ``$ZEROSUM_CACHE`` or ``~/.cache/zerosum``.
        strict: raise for a damaged image instead of leaving it out with a note.
        progress: show a bar on stderr when loading takes longer than two seconds.
        split: ``"train"`` or ``"test"``, for sources that have a test split.

    Raises:
        DataError: the source is unknown, absent, empty, damaged or dangerous, or an argument makes no sense for it.
    """
    ask = Ask(source, size, channels, cache, strict, progress, split)
    head, colon, rest = source.partition(":")
    found = SOURCES.get(head + colon)
    if found is None:
        raise DataError(_unknown(source, head))
    if split != "train" and not found.splits:
        raise DataError(f"{source} has no test split.")
    if not found.images and (size is not None or channels is not None):
        raise DataError(f"{source} draws points in the plane: size and channels do not apply to it.")
    return found.load(rest, ask)


def _unknown(source: str, head: str) -> str:
    usages = ", ".join(found.usage for found in SOURCES.values())
    if f"{head}:" in SOURCES:
        return f"{source!r} lacks what it names: write {SOURCES[f'{head}:'].usage}."
    if head in SOURCES:
        return f"{source!r}: {head} takes nothing after it; write just {head}."
    if source and Path(source).expanduser().exists():
        kind = "folder" if Path(source).expanduser().is_dir() else "npz" if source.endswith(".npz") else "zip"
        return f"{source!r} is a path, not a source; write {kind}:{source}. Sources: {usages}."
    return f"There is no source {source!r}.{nearest(head, [key.rstrip(':') for key in SOURCES])} Sources: {usages}."


@source("fashion-mini", "10,000 images of Fashion-MNIST, 1,000 a class, shipped with zerosum")
def _fashion_mini(_: str, ask: Ask) -> Data:
    from zerosum.data.packaged import load_fashion_mini

    return load_fashion_mini(ask)


@source("fashion-mnist", "Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28 x 28 padded to 32", splits=True)
def _fashion_mnist(_: str, ask: Ask) -> Data:
    from zerosum.data.published import load_fashion_mnist

    return load_fashion_mnist(ask)


@source("mnist", "MNIST: 60,000 + 10,000 handwritten digits, 28 x 28 padded to 32", splits=True)
def _mnist(_: str, ask: Ask) -> Data:
    from zerosum.data.published import load_mnist

    return load_mnist(ask)


@source("cifar10", "CIFAR-10: 50,000 + 10,000 colour images, 32 x 32", splits=True)
def _cifar10(_: str, ask: Ask) -> Data:
    from zerosum.data.published import load_cifar10

    return load_cifar10(ask)


@source("digits", "scikit-learn's 1,797 digits, 8 x 8 enlarged to 16")
def _digits(_: str, ask: Ask) -> Data:
    from zerosum.data.packaged import load_digits

    return load_digits(ask)


@source("stacked-digits", "50,000 stacks of three of scikit-learn's digits in red, green and blue: 1,000 classes")
def _stacked_digits(_: str, ask: Ask) -> Data:
    from zerosum.data.stacked import load_stacked

    return load_stacked(ask)


@source("triangles", "60,000 + 10,000 random triangles, black on white, 28 x 28 padded to 32", splits=True)
def _triangles(_: str, ask: Ask) -> Data:
    from zerosum.data.polygons import load_triangles

    return load_triangles(ask)


@source("folder:PATH", "a folder of PNG, JPEG, WebP, GIF or BMP files; subfolders are classes")
def _folder(where: str, ask: Ask) -> Data:
    from zerosum.data.folder import load_folder

    return load_folder(where, ask)


@source("zip:PATH", "a zip file of such images, read without extracting it")
def _zip(where: str, ask: Ask) -> Data:
    from zerosum.data.archive import load_zip

    return load_zip(where, ask)


@source("npz:PATH", "NumPy arrays: images (uint8, or floats in [0, 1] or [-1, 1]) and, if any, labels")
def _npz(where: str, ask: Ask) -> Data:
    from zerosum.data.arrays import load_npz

    return load_npz(where, ask)


@source("hf:NAME", "a dataset of the Hugging Face hub (NAME or NAME#CONFIG), or its folder here", splits=True)
def _hf(where: str, ask: Ask) -> Data:
    from zerosum.data.hub import load_hub

    return load_hub(where, ask)


@source("ring", "8 Gaussians on a circle, in the plane", images=False)
def _ring(_: str, ask: Ask) -> Data:
    from zerosum.data.points import ring

    return ring(ask.source)


@source("grid", "25 Gaussians on a grid, in the plane", images=False)
def _grid(_: str, ask: Ask) -> Data:
    from zerosum.data.points import grid

    return grid(ask.source)


@source("swiss-roll", "a noisy spiral, in the plane", images=False)
def _swiss_roll(_: str, ask: Ask) -> Data:
    from zerosum.data.points import swiss_roll

    return swiss_roll(ask.source)
