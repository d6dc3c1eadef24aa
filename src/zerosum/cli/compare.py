"""``zerosum compare A B ...``."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from zerosum.cli.common import open_output, png_path

VERB = ("put runs side by side", 50)  # what it does, and its place in the list


@dataclass(frozen=True)
class CompareOptions:
    """Put runs side by side: a table of their last scores, and curves of all scores.

    Runs that differ only in their seed are one row, with mean ± standard deviation (number of seeds), and one curve
    with a band. Scores that were not measured alike are refused, and the message says what differs. Where there is no
    score that all have, losses and times are compared.

    Attributes:
        contestants: Folders of runs, or files that `zerosum eval --out` wrote.
        metrics: Names of scores, separated by commas. None: those that all contestants have.
        across: Fields of the protocol that may differ, separated by commas, such as ema.
        each: Whether every run has a row of its own, even if it differs from another only in its seed.
        json: Whether to print one JSON document instead of a table.
        out: Picture of the curves, FILE.png. None: comparison.png next to the first contestant, if there are curves;
            with --json, none.
    """

    contestants: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="A B ...")]
    metrics: str | None = None
    across: str = ""
    each: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    out: str | None = None


def run(argv: list[str]) -> int:
    """Compare runs."""
    options = tyro.cli(CompareOptions, args=argv, prog="zerosum compare")
    out = png_path(options.out) if options.out else None
    from zerosum.runs.comparison import compare

    found = compare(*options.contestants, metrics=options.metrics, across=options.across, each=options.each)
    if not options.json:
        print(found)
        if found.curves:
            out = out or Path(options.contestants[0]).parent / "comparison.png"
    if out is not None:
        with open_output(out) as file:
            found.figure().savefig(file)
    if options.json:
        document = {"metrics": found.names, "rows": found.rows, "notes": found.notes, "picture": out and str(out)}
        print(json.dumps(_plain(document), indent=1, allow_nan=False))
    elif out is not None:
        print(out)
    return 0


def _plain(value: Any) -> Any:
    """The same value as JSON can hold it: numbers that are not finite, such as losses that diverged, become null."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
