"""``zerosum compare A B ...``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from zerosum.cli.common import align, open_output, png_path
from zerosum.errors import UsageError

VERB = ("put runs side by side", 50)  # what it does, and its place in the list


@dataclass(frozen=True)
class CompareOptions:
    """Put runs side by side: a table of their last scores, and curves of all scores.

    Scores that were not measured alike are refused, and the message says what differs.

    Attributes:
        contestants: Folders of runs, or files that `zerosum eval --out` wrote.
        metrics: Names of scores, separated by commas. None: those that all contestants have.
        across: Fields of the protocol that may differ, separated by commas, such as ema.
        out: Picture of the curves, FILE.png. None: comparison.png next to the first contestant.
    """

    contestants: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="A B ...")]
    metrics: str | None = None
    across: str = ""
    out: str | None = None


def run(argv: list[str]) -> int:
    """Compare runs."""
    options = tyro.cli(CompareOptions, args=argv, prog="zerosum compare")
    out = png_path(options.out) if options.out else None
    if len(options.contestants) < 2:
        raise UsageError("name at least two runs to compare")
    from zerosum.runs import comparison

    contestants = [comparison.read(path) for path in options.contestants]
    names = comparison.shared_names(contestants, options.metrics.split(",") if options.metrics else ())
    unlike = comparison.check_alike(contestants, names, frozenset(filter(None, options.across.split(","))))
    print("\n".join(align(comparison.table(contestants, names))))
    for field, (ours, theirs) in unlike.items():
        print(f"note: measured across {field}: {ours} and {theirs}")
    figure = comparison.curves(contestants, names)
    if figure is not None:
        path = out or Path(options.contestants[0]).parent / "comparison.png"
        with open_output(path) as file:
            figure.savefig(file)
        print(path)
    return 0
