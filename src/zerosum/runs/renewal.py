"""The report of a run, renewed while it trains."""

from __future__ import annotations

import time

from zerosum.folder import RunFolder
from zerosum.report.write import write_report
from zerosum.runs.log import Display

APART = 60.0  # seconds from one renewal to the next
SHARE = 0.01  # largest share of the time that renewals take
FIRST_COST = 0.3  # seconds that the first one is taken to last: it comes after half a minute


class ReportRenewal:
    """Writes ``report.html`` now and then: after checkpoints and each minute, but never more than 1% of the time.

    Args:
        folder: Folder of the run.
        display: Where a failure is shown.
    """

    def __init__(self, folder: RunFolder, display: Display) -> None:
        self.folder, self.display = folder, display
        self.cost = FIRST_COST
        self._ended = time.monotonic()
        self._failed = False

    def update(self, *, saved: bool) -> None:
        """Write the report if it is time. A report that cannot be written is mentioned once, and training goes on.

        Args:
            saved: Whether a checkpoint was just written.
        """
        apart = self.cost / SHARE if saved else max(APART, self.cost / SHARE)
        begun = time.monotonic()
        if begun - self._ended < apart:
            return
        try:
            write_report(self.folder)
        except Exception as error:  # a page is no reason to stop training; the one at the end raises what is wrong
            if not self._failed:
                self.display.say(f"note: {self.folder.report} was not renewed ({type(error).__name__}: {error})")
            self._failed = True
        self._ended = time.monotonic()
        self.cost = self._ended - begun
