"""Text that fits the terminal."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TextIO

NARROWEST, WIDEST = 40, 120
FRAME = " │╭╰"  # what lines of a frame, or in one without lines, begin with


def columns() -> int:
    """Characters of a line: those of the terminal, within reason."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))


def beside(texts: Mapping[str, str], indent: str = "") -> str:
    """Names, each with its text beside it, which goes on below itself; addresses and names with hyphens stay whole."""
    width = max(map(len, texts), default=0)
    wrapper = textwrap.TextWrapper(columns(), break_long_words=False, break_on_hyphens=False)
    wrapper.subsequent_indent = " " * (len(indent) + width + 2)
    lines = []
    for name, text in texts.items():
        wrapper.initial_indent = f"{indent}{name:<{width}}  "
        lines.append(wrapper.fill(text))
    return "\n".join(lines)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def table(rows: Sequence[Sequence[str]], spare: Sequence[str], *, rule: bool = False) -> list[str]:
    """The lines of a table. Where a terminal is too narrow, columns are left out, and the last line says which.

    Args:
        rows: The rows, the head first.
        spare: Heads of columns that may be left out, those that are missed least first.
        rule: Whether there is a line below the head.
    """
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    shown, left_out = [list(row) for row in rows], list[str]()
    while room is not None and max(map(len, align(shown))) > room and len(left_out) < len(spare):
        left_out.append(spare[len(left_out)])
        at = shown[0].index(left_out[-1])
        shown = [row[:at] + row[at + 1 :] for row in shown]
    note = [f"(no room here for: {', '.join(left_out)}; a wider terminal or a file has them)"] if left_out else []
    head, *lines = align(shown)
    return [head, *["-" * max(map(len, [head, *lines]))] * rule, *lines, *note]


class Wrapped(io.TextIOBase):
    """A stream whose paragraphs are wrapped at words; lines that fit stay as they are, as do frames.

    Args:
        stream: Where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text that begins at the beginning of a line."""
        wrapper = textwrap.TextWrapper(columns(), break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines(keepends=True):
            body = line.rstrip("\n")
            paragraph = len(body) > columns() and body[0] not in FRAME
            self._stream.write(line.replace(body, wrapper.fill(body)) if paragraph else line)
        return len(text)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the stream, which decides how frames are drawn."""
        return self._stream.encoding

    def flush(self) -> None:
        """Let out what was written."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether the text is shown on a terminal."""
        return self._stream.isatty()
