"""Every error that is meant for users, and the hint at what they may have meant. Imports nothing heavy.

A message says what was asked for (the file, option or argument), what is wrong with it, and what to do. Any other
exception that reaches the command line is a bug, and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZerosumError(Exception):
    """A message for users: what all errors below have in common.

    Args:
        message: What is wrong, and what to do.
        argument: Name of the argument at fault, where the message begins with it: the command line writes it as an
            option.
    """

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class UsageError(ZerosumError, ValueError):
    """Something that was asked for does not exist or cannot be done."""


class DataError(ZerosumError, ValueError):
    """A source of data is missing, damaged, or asked for in a way that makes no sense."""


class UnknownData(DataError, UsageError):
    """A source, file or folder of data that is asked for is not there."""


class CheckpointError(ZerosumError, ValueError):
    """A checkpoint cannot be written or read."""


class NonFiniteLoss(ZerosumError, FloatingPointError):
    """A loss became nan or infinite. The message names the iteration, the player and the term."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """``" Did you mean 'x'?"`` for the known word that is closest to ``word``, or ``""`` where none is close.

    Args:
        word: Word that was typed.
        known: Words that there are.
        cutoff: Least similarity, from 0 (anything) to 1 (the same word).
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f" Did you mean {close[0]!r}?" if close else ""
