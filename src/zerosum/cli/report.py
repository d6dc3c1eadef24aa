"""``zerosum report RUN``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum.errors import UsageError
from zerosum.folder import RunFolder
from zerosum.report.write import write_report

VERB = ("write a run's report.html again", 120)  # what it does, and its place in the list


@dataclass(frozen=True)
class ReportOptions:
    """Write a run's report.html again, from the files in its folder.

    Attributes:
        run: Folder of the run.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


def run(argv: list[str]) -> int:
    """Write the report."""
    folder = RunFolder(tyro.cli(ReportOptions, args=argv, prog="zerosum report").run)
    folder.record()
    try:
        write_report(folder)
    except OSError as error:
        raise UsageError(f"{folder.report} cannot be written ({error.strerror or error})") from error
    print(folder.report)
    return 0
