"""The text of a run's own recipe: kept with the run, and compared before it is used again."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from zerosum import own, registry
from zerosum.errors import UsageError
from zerosum.files import write_text
from zerosum.folder import RunFolder
from zerosum.pages import Origin, Page

SHOWN = 40  # largest number of lines of a difference that a message has


def keep(folder: RunFolder, page: Page) -> dict[str, Any]:
    """Copy the text of a recipe of one's own into the run's folder, and say what ``run.json`` says of it.

    Args:
        folder: Folder of the run.
        page: The recipe, which has been called.

    Returns:
        ``{}`` for a recipe of zerosum.
    """
    if page.origin is None:
        return {}
    origin = page.origin()
    for name, text in origin.files.items():
        path = folder.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    files = {name: _digest(text) for name, text in origin.files.items()}
    stated = {"kind": origin.kind, "path": origin.path, "function": origin.function, "package": origin.package}
    return {"source": stated | {"files": files}}


def page_of(folder: RunFolder, record: Mapping[str, Any], given: Any = None, *, goes_on: bool = False) -> Page:
    """The recipe of a run, which must be as it was when the run was started.

    Args:
        folder: Folder of the run.
        record: Contents of ``run.json``.
        given: The recipe, where the run cannot find it by itself; see :func:`zerosum.registry.page`.
        goes_on: Whether the run is to be trained further. Then the file that it was started from must not have changed
            either, if it still exists: whoever edits it expects that to count.

    Raises:
        UsageError: The recipe is gone, or has changed; the message shows the difference.
    """
    # The run keeps its name, which its checkpoints state: a file may be called otherwise now.
    return replace(_unchanged(folder, record, given, goes_on=goes_on), name=str(record["recipe"]))


def _unchanged(folder: RunFolder, record: Mapping[str, Any], given: Any, *, goes_on: bool) -> Page:
    source = record.get("source")
    if source is None:
        page = registry.page(str(record["recipe"]) if given is None else given)
        if page.origin is not None or page.name != record["recipe"]:
            raise UsageError(
                f"recipe={page.name}: {folder.path} was trained with zerosum's {record['recipe']!r}; leave recipe out",
                argument="recipe",
            )
        return page
    kept = _kept(folder, source)
    if given is not None:
        page = registry.page(given)
        origin = page.origin() if page.origin is not None else Origin("value", "", "")
        named = given if isinstance(given, str) else page.name
        _refuse_changes(folder, kept, _same_part(origin, kept), f"recipe={named}")
        return page
    if source["kind"] == "file":
        return _of_file(folder, source, kept, goes_on=goes_on)
    if source["kind"] == "module":
        page = own.from_module(
            source["path"], source["function"], name=str(record["recipe"]), package=source["package"]
        )
        assert page.origin is not None
        _refuse_changes(folder, kept, page.origin().files, f"{source['package'] or source['path']}")
        return page
    return _of_session(folder, source, kept)


def _of_file(folder: RunFolder, source: Mapping[str, Any], kept: Mapping[str, str], *, goes_on: bool) -> Page:
    entry, before = next(iter(kept)), Path(source["path"])
    if goes_on and before.parent.resolve() != folder.source.resolve():
        now = {name: text for name in kept if (text := _text(before.parent / name)) is not None}
        if entry in now:
            _refuse_changes(folder, {name: kept[name] for name in now}, now, str(before), moved=True)
    return own.from_file(folder.source / entry, source["function"])


def _of_session(folder: RunFolder, source: Mapping[str, Any], kept: Mapping[str, str]) -> Page:
    known = own.from_session(next(iter(kept.values())).rstrip("\n")) if kept else None
    if known is not None:
        return own.from_function(known)
    what = f"the function {source['function']!r}" if source["kind"] == "session" else "a Recipe"
    raise UsageError(
        f"{folder.path} was trained with {what} of a Python session, which no file holds: give it again, as in "
        f'zerosum.resume("{folder.path}", recipe={source["function"] or "recipe"})'
    )


def _same_part(origin: Origin, kept: Mapping[str, str]) -> dict[str, str]:
    """The texts of a recipe under the names under which they were kept: its own file may be called otherwise now."""
    if not origin.files or not kept:
        return dict(origin.files)
    first, entry = next(iter(origin.files)), next(iter(kept))
    return {entry if name == first else name: text for name, text in origin.files.items()}


def _kept(folder: RunFolder, source: Mapping[str, Any]) -> dict[str, str]:
    """The texts in the run's folder, as they were recorded.

    Raises:
        UsageError: A text is missing, or is not what was recorded.
    """
    found = {}
    for name, digest in source["files"].items():
        path = folder.source / name
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UsageError(f"{folder.record_file}: {name!r} does not lie in the run's folder")
        text = _text(path)
        if text is None:
            raise UsageError(f"{path} is missing: the run keeps its recipe there; put it back")
        if _digest(text) != digest:
            original = _text(Path(source["path"]).parent / name) if source["kind"] == "file" else None
            shown = original if original is not None and _digest(original) == digest else None
            changes = f":\n{_difference({name: shown}, {name: text})}" if shown is not None else ""
            raise UsageError(f"{path} has changed since the run was started with it; put it back as it was{changes}")
        found[name] = text
    return found


def _refuse_changes(
    folder: RunFolder, kept: Mapping[str, str], now: Mapping[str, str], where: str, *, moved: bool = False
) -> None:
    if all(now.get(name) == text for name, text in kept.items()):
        return
    aside = f", or move it away, and the copy in {folder.source} is used" if moved else ""
    raise UsageError(
        f"{where} is not what {folder.path} was trained with; train a new run with it, or put it back as it "
        f"was{aside}:\n{_difference(kept, now)}"
    )


def _difference(kept: Mapping[str, str], now: Mapping[str, str]) -> str:
    lines = [
        line.rstrip("\n")
        for name, text in kept.items()
        for line in difflib.unified_diff(
            text.splitlines(), now.get(name, "").splitlines(), f"{name} (of the run)", f"{name} (now)", "", "", 1, ""
        )
    ]
    more = len(lines) - SHOWN
    return "\n".join([*lines[:SHOWN], *([f"... and {more} more lines"] if more > 0 else [])])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
