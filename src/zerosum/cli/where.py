"""``zerosum where WORDS``."""

from __future__ import annotations

import difflib
import textwrap
from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum.equations import SOURCE, equations, search
from zerosum.recipe import UsageError

SHOWN = 20


@dataclass(frozen=True)
class Options:
    """Find the code of a published equation, algorithm, system or measure, e.g. "gradient penalty" or "1704.00028".

    Attributes:
        words: that its name, file or description holds; an author's name or an arXiv number will do.
    """

    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="WORDS")]


def run(argv: list[str]) -> int:
    """Print what is found as ``file:line``, the nearest first; imports none of it, and so not torch."""
    words = " ".join(tyro.cli(Options, args=argv, prog="zerosum where").words)
    if not words.strip():
        raise UsageError('say what to look for, such as: zerosum where "gradient penalty"')
    found = search(words)
    if not found:
        known = {word for e in equations() for word in f"{e.name} {e.said}".lower().replace(".", " ").split()}
        near = difflib.get_close_matches(words.lower(), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else " docs/EQUATIONS.md lists all there is."
        raise UsageError(f"nothing here speaks of {words!r}.{hint}")
    for e in found[:SHOWN]:
        print(f"{SOURCE / e.file}:{e.line}  {e.name}")
        print(textwrap.fill(e.said, 110, initial_indent="    ", subsequent_indent="    "))
    if len(found) > SHOWN:
        print(f"... and {len(found) - SHOWN} more: add a word")
    return 0
