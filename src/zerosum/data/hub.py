"""Images of a Hugging Face dataset, by its name on the hub or its folder on this machine."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zerosum.data.ask import Ask
from zerosum.data.files import Item, Listing, load_listing
from zerosum.data.images import Images
from zerosum.data.sources import Source
from zerosum.errors import DataError, UnknownData

SOURCES = (
    Source(
        "hf:NAME",
        "a dataset of the Hugging Face hub (NAME or NAME#CONFIG), or its folder here",
        place=110,
        splits=True,
    ),
)


def load_hf(ask: Ask) -> Images:
    """The images of ``NAME``, ``NAME#CONFIG`` or a folder saved by ``save_to_disk``."""
    found, kind = find_rows(ask)
    return load_listing(found, ask, kind)


def find_rows(ask: Ask) -> tuple[Listing, str]:
    """The rows of a data set, and what tells this data set from others.

    Raises:
        DataError: There is no such data set, or it holds no images.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"{ask.source} needs the package datasets: pip install 'zerosum[data]'") from error
    table = _open(datasets, ask)
    image, label, notes = _find_columns(datasets, table, ask)
    table = table.cast_column(image, datasets.Image(decode=False))
    classes = () if label is None else tuple(table.features[label].names)
    labels = None if label is None else _read_labels(table[label], ask)
    items = tuple(Item(f"row {i}", (i, 0), _make_reader(table, image, i)) for i in range(len(table)))
    if not items:
        raise DataError(f"{ask.source}: the {ask.split} split holds no rows")
    # The fingerprint of a dataset changes with its content and with every operation on it.
    return Listing(items, labels, classes, notes), f"hf:{table._fingerprint}"


def _open(datasets: Any, ask: Ask) -> Any:
    """The split that was asked for."""
    name, _, config = ask.where.partition("#")
    if not name:
        raise UnknownData(f"{ask.source!r} names no dataset: write hf:NAME, hf:NAME#CONFIG or hf:FOLDER")
    folder = Path(name).expanduser()
    saved = (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()
    try:
        if not saved:
            return datasets.load_dataset(str(folder) if folder.is_dir() else name, config or None, split=ask.split)
        found = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{ask.source}: the dataset could not be opened ({error})") from error
    if not isinstance(found, datasets.DatasetDict):
        return found
    if ask.split not in found:
        raise DataError(f"{ask.source}: it has the splits {', '.join(found)}, not {ask.split!r}")
    return found[ask.split]


def _find_columns(datasets: Any, table: Any, ask: Ask) -> tuple[str, str | None, tuple[str, ...]]:
    """Names of the image and the label column (``None`` without one), and notes when there were several."""
    images = [name for name, kind in table.features.items() if isinstance(kind, datasets.Image)]
    labels = [name for name, kind in table.features.items() if isinstance(kind, datasets.ClassLabel)]
    if not images:
        raise DataError(f"{ask.source}: none of its columns ({', '.join(table.features)}) holds images")
    image, image_notes = _choose(images, ("image", "img"), "images")
    if not labels:
        return image, None, image_notes
    label, label_notes = _choose(labels, ("label", "labels"), "labels")
    return image, label, image_notes + label_notes


def _choose(names: Sequence[str], usual: Sequence[str], what: str) -> tuple[str, tuple[str, ...]]:
    chosen = next((name for name in usual if name in names), names[0])
    notes = (f"of the columns {', '.join(names)} with {what}, {chosen!r} was taken",) if len(names) > 1 else ()
    return chosen, notes


def _read_labels(column: Sequence[int | None], ask: Ask) -> tuple[int, ...] | None:
    values = list(column)
    if all(value == -1 for value in values):
        return None  # how a test split without labels is marked
    missing = [i for i, value in enumerate(values) if value is None or value < 0]
    if missing:
        raise DataError(f"{ask.source}: {len(missing)} rows have no label, the first is row {missing[0]}")
    return tuple(value for value in values if value is not None)


def _make_reader(table: Any, column: str, row: int) -> Callable[[], bytes]:
    def read() -> bytes:
        cell = table[row][column]
        if cell is None:
            raise ValueError("the row holds no image")
        content: bytes | None = cell["bytes"]
        return Path(cell["path"]).read_bytes() if content is None else content

    return read
