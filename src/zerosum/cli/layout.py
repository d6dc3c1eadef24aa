"""Text that fits the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping

NARROWEST, WIDEST = 40, 120


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
