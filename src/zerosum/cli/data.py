"""``zerosum data [SOURCE]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from zerosum.cli.common import png_only, writing


@dataclass(frozen=True)
class Options:
    """List the sources of data; or say what one holds, and draw some of it.

    Attributes:
        source: what `--data` of `zerosum train` takes; left out: list the sources.
        size: pixels a side, for images; None: the source's own.
        out: FILE.png; None: data-SOURCE.png in the current folder.
        strict: fail at a damaged image, instead of leaving it out with a note.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[SOURCE]")] = ""
    size: int | None = None
    out: str | None = None
    strict: bool = False


def run(argv: list[str]) -> int:
    """List or inspect."""
    options = tyro.cli(Options, args=argv, prog="zerosum data")
    if not options.source:
        print(listing())
        return 0
    path = png_only(options.out or default_name(options.source))
    from zerosum.data import load
    from zerosum.data.describe import grid, summary

    data = load(options.source, size=options.size, strict=options.strict)
    print(summary(data))
    with writing(path) as file:
        grid(data, file)
    print(f"picture      {path}")
    return 0


def listing() -> str:
    """Every source with what it is."""
    from zerosum.data import SOURCES

    sources = list(SOURCES.values())
    width = max(len(source.usage) for source in sources)
    lines = [f"{source.usage:<{width}}  {source.summary}" for source in sources]
    return "\n".join([*lines, "", "`zerosum data SOURCE` says what one holds, and draws some of it."])


def default_name(source: str) -> str:
    """A file name for the picture of a source."""
    stem = re.sub(r"[^\w.-]+", "-", source).strip("-.")
    return str(Path(f"data-{stem}.png"))
