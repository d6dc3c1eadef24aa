"""``report.html``: a run on one self-contained page."""

from zerosum.runs.folder import RunFolder


def write_report(folder: RunFolder) -> None:
    """Write the page."""
