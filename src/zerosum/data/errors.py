"""The one exception for mistakes a user can make about data."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """A source is missing, malformed or asked for in a way that makes no sense; the message says what to do."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` for the known word closest to ``word``, or an empty string when none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
