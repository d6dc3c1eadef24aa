"""``zerosum data [SOURCE]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum.cli.common import open_output, png_path

VERB = ("list the sources of data, or inspect one", 150)  # what it does; its place in the list


@dataclass(frozen=True)
class DataOptions:
    """List the sources of data; or say what one holds, and draw some of it where asked to.

    Attributes:
        source: Source of data, as `--data` of `zerosum train` takes it: a name, or the path of a folder of images, a
            .zip or an .npz. Left out: list the sources.
        size: Side of the images, in pixels; None: the source's own.
        out: Picture to write, FILE.png, with 64 of the images, or with points. None: no picture.
        strict: Whether to fail at a damaged image, instead of leaving it out with a note.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[SOURCE]")] = ""
    size: int | None = None
    out: str | None = None
    strict: bool = False


def run(argv: list[str]) -> int:
    """List or inspect."""
    options = tyro.cli(DataOptions, args=argv, prog="zerosum data")
    if not options.source:
        print(listing())
        return 0
    path = None if options.out is None else png_path(options.out)
    from zerosum.data import load
    from zerosum.data.describe import save_picture, summary

    data = load(options.source, size=options.size, strict=options.strict)
    print(summary(data))
    if path is None:
        print(f"picture      none written; add --out {default_name(data.name)} for one")
        return 0
    with open_output(path) as file:
        save_picture(data, file)
    print(f"picture      {path}")
    return 0


def listing() -> str:
    """All sources, each with what it is."""
    from zerosum.data import SOURCES

    sources = list(SOURCES.values())
    width = max(len(source.usage) for source in sources)
    lines = [f"{source.usage:<{width}}  {source.summary}" for source in sources]
    return "\n".join(
        [
            *lines,
            "",
            "A bare path of a folder, a .zip or an .npz is a source, too.",
            "`zerosum data SOURCE` says what one holds; with `--out FILE.png` it draws some of it.",
        ]
    )


def default_name(source: str) -> str:
    """A file name for the picture of a source."""
    stem = re.sub(r"[^\w.-]+", "-", source.rpartition("/")[2]).strip("-.")
    return f"data-{stem}.png"
