"""``zerosum where WORDS``."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum.equations import SOURCE, equations, search
from zerosum.errors import UsageError, nearest

VERB = ("find the code of an equation", 140)  # what it does, and its place in the list

SHOWN = 20  # largest number of places that are printed


@dataclass(frozen=True)
class WhereOptions:
    """Find the code of a published equation, algorithm, system or measure, such as "gradient penalty" or "1704.00028".

    Attributes:
        words: Words in its name, file or description, such as the name of an author or an arXiv number.
    """

    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="WORDS")]


def run(argv: list[str]) -> int:
    """Print what is found as ``file:line``, the nearest first. None of it is imported, and so torch is not either."""
    words = " ".join(tyro.cli(WhereOptions, args=argv, prog="zerosum where").words)
    if not words.strip():
        raise UsageError('say what to look for, such as: zerosum where "gradient penalty"')
    hits = search(words)
    if not hits:
        known = {word for e in equations() for word in f"{e.name} {e.summary}".lower().replace(".", " ").split()}
        hint = nearest(words.lower(), known, cutoff=0.6) or " docs/EQUATIONS.md lists everything."
        raise UsageError(f"nothing here mentions {words!r}.{hint}")
    for e in hits[:SHOWN]:
        print(f"{SOURCE / e.file}:{e.line}  {e.name}")
        print(textwrap.fill(e.summary, 110, initial_indent="    ", subsequent_indent="    "))
    if len(hits) > SHOWN:
        print(f"... and {len(hits) - SHOWN} more: add a word")
    return 0
