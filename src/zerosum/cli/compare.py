"""``zerosum compare A B ...``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from zerosum.cli.common import png_only, writing
from zerosum.recipe import UsageError


@dataclass(frozen=True)
class Options:
    """Put runs side by side: a table of their last scores, and curves of how these went.

    Scores that were not measured alike are refused, with what differs.

    Attributes:
        contestants: runs' folders, or files that `zerosum eval --out` wrote.
        metrics: names of scores with commas between; None: all that every contestant has.
        across: fields of the protocol that may differ, with commas between, such as ema.
        out: FILE.png of the curves; None: comparison.png beside the first.
    """

    contestants: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="A B ...")]
    metrics: str | None = None
    across: str = ""
    out: str | None = None


def run(argv: list[str]) -> int:
    """Compare."""
    options = tyro.cli(Options, args=argv, prog="zerosum compare")
    out = png_only(options.out) if options.out else None
    if len(options.contestants) < 2:
        raise UsageError("name at least two runs to compare")
    from zerosum.runs import comparison

    found = [comparison.read(path) for path in options.contestants]
    names = comparison.common(found, options.metrics.split(",") if options.metrics else ())
    unlike = comparison.check_alike(found, names, frozenset(filter(None, options.across.split(","))))
    show(comparison.table(found, names))
    for field, (ours, theirs) in unlike.items():
        print(f"note: measured across {field}: {ours} and {theirs}")
    figure = comparison.curves(found, names)
    if figure is not None:
        path = out or Path(options.contestants[0]).parent / "comparison.png"
        with writing(path) as file:
            figure.savefig(file)
        print(path)
    return 0


def show(rows: list[list[str]]) -> None:
    """Print a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
