"""``zerosum report RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum.recipe import UsageError
from zerosum.runs.folder import RunFolder
from zerosum.runs.report import write_report


@dataclass(frozen=True)
class Options:
    """Write a run's report.html again, from what its folder holds.

    Attributes:
        run: the run's folder.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


def run(argv: list[str]) -> int:
    """Report."""
    folder = RunFolder(tyro.cli(Options, args=argv, prog="zerosum report").run)
    folder.record()
    try:
        write_report(folder)
    except OSError as error:
        raise UsageError(f"{folder.report} cannot be written ({error.strerror or error})") from error
    print(folder.report)
    return 0
