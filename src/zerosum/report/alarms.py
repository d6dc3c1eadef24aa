"""Alarms on the page: what was seen, since when, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from zerosum.files import Row


def box(rows: Sequence[Row]) -> str:
    """A box with all alarms of the run, or nothing if there were none."""
    entries = "".join(
        f"<dt>{escape(row['name'])} <small>seen at step {row['step']:,}, since step {row['since']:,}</small></dt>"
        f"<dd>{escape(row['seen'])}. <em>To try:</em> {escape(row['advice'])}.</dd>"
        for row in rows
    )
    return f'<aside class="alarm" role="alert"><h2>Alarms</h2><dl>{entries}</dl></aside>' if rows else ""
