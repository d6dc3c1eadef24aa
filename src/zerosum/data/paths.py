"""Which source a bare path means: ``photos/`` is ``folder:photos``, ``faces.npz`` is ``npz:faces.npz``."""

import zipfile
from pathlib import Path

from zerosum.data.ask import expand, is_there
from zerosum.errors import DataError, nearest
from zerosum.files import printable

_KINDS = {".zip": "zip", ".npz": "npz"}
_TABLES = ("dataset_dict.json", "state.json")  # of what `save_to_disk` of the package datasets leaves in a folder
_ADVICE = {
    "an archive": "unpack it and give the folder, or pack the images as .zip",
    "one array": "save it with numpy.savez(PATH, images=array) and give the .npz, or give the array itself from Python",
    "a file of pickles": "it can run any code and is not opened; load it yourself and give the arrays from Python",
    "a table": "give the folder that holds it to hf:, or its images from Python",
}
_OTHERS = {
    **dict.fromkeys((".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"), "an archive"),
    ".npy": "one array",
    **dict.fromkeys((".pt", ".pth", ".pkl", ".pickle", ".ckpt"), "a file of pickles"),
    **dict.fromkeys((".parquet", ".arrow", ".csv", ".json", ".jsonl"), "a table"),
}


def kind_at(path: Path) -> str | None:
    """``"folder"``, ``"zip"``, ``"npz"``, ``"hf"`` (a saved data set), or ``None`` where a path is none of them."""
    if not is_there(path):
        return None
    if path.is_dir():
        saved = any((path / name).is_file() for name in _TABLES) and "#" not in str(path)
        return "hf" if saved else "folder"
    return _KINDS.get(path.suffix.lower())


def source_at(text: str) -> str | None:
    """The source that a bare path means, such as ``folder:photos``; ``None`` where there is nothing at that path.

    Args:
        text: Path as it was written; ``~`` is the home folder.

    Raises:
        DataError: There is something else than a folder, a .zip or an .npz; the message says what to do.
    """
    path = expand(text)
    if not text or not is_there(path):
        return None
    kind = kind_at(path)
    if kind is None:
        raise DataError(f"{printable(text)} is {_what_is(path)}")
    if kind == "folder" and (path / "run.json").is_file() and (path / "state").is_dir():
        raise DataError(
            f"{printable(text)} is the folder of a run, not of images; sample from it first, or "
            f"write folder:{printable(text)} to take its pictures all the same"
        )
    return f"{kind}:{Path(text)}"


def paths_beside(path: Path) -> list[str]:
    """Names in the folder of a path that could be given as data."""
    try:
        return [entry.name for entry in path.parent.iterdir() if kind_at(entry)]
    except (OSError, ValueError):
        return []


def explain_missing(text: str) -> str | None:
    """What is wrong with a path that leads nowhere; ``None`` for what does not look like a path."""
    path = expand(text)
    if "/" not in text and "\\" not in text and not text.startswith("~") and path.suffix.lower() not in _KINDS:
        return None
    hint = nearest(path.name, paths_beside(path))
    return f"there is no file or folder {printable(text)!r}{'.' if hint else ''}{hint}"


def _what_is(path: Path) -> str:
    """What a path that is not read leads to, and what to do."""
    from zerosum.data.decode import SUFFIXES  # here: it needs numpy

    if not path.is_file():
        return "a pipe or a device; give a folder of images, a .zip or an .npz"
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return f"a single image; give the folder that holds it: {printable(str(path.parent))}"
    if suffix in _OTHERS:
        what = _OTHERS[suffix]
        return f"{what}; {_ADVICE[what]}"
    if zipfile.is_zipfile(path):
        return f"not called .zip; if it is a zip file of images, write zip:{printable(str(path))}"
    return "not a folder of images, a .zip or an .npz"
