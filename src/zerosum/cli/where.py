"""``zerosum where WORDS``."""

from __future__ import annotations

import shutil
import sys
import textwrap
from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum.equations import SOURCE, Lookup, address, equations, look_up
from zerosum.errors import UsageError, nearest

VERB = ("find the code of an equation", 140)  # what it does, and its place in the list

SHOWN = 20  # largest number of places that are printed
WIDEST = 110  # characters of a line of text


@dataclass(frozen=True)
class WhereOptions:
    """Find the code of a published equation, algorithm, system or measure, such as "gradient penalty" or "1704.00028".

    British and American spelling are the same here, and so are synonyms and abbreviations of the field, such as EMD.

    Attributes:
        words: Words in its name, file or description, such as the name of an author or an arXiv number.
    """

    words: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="WORDS")]


def run(argv: list[str]) -> int:
    """Print what is found as ``file:line``, the nearest first. None of it is imported, and so torch is not either."""
    words = " ".join(tyro.cli(WhereOptions, args=argv, prog="zerosum where").words)
    if not words.strip():
        raise UsageError('say what to look for, such as: zerosum where "gradient penalty"')
    found = look_up(words)
    if not found.hits:
        raise UsageError(_refusal(words, found))
    for typed, taken in found.read_as.items():
        print(f"note: nothing mentions {typed!r}; this is what mentions {taken!r}", file=sys.stderr)
    width = min(WIDEST, shutil.get_terminal_size().columns)
    for e in found.hits[:SHOWN]:
        print(f"{SOURCE / e.file}:{e.line}  {e.name}")
        print(textwrap.fill(e.summary, width, initial_indent="    ", subsequent_indent="    "))
    if len(found.hits) > SHOWN:
        print(f"... and {len(found.hits) - SHOWN} more: add a word")
    return 0


def _refusal(words: str, found: Lookup) -> str:
    """Why nothing was found, and what to do."""
    everything = f" Everything that there is: {address('docs/EQUATIONS.md')}"
    if found.missing:
        known = {word for e in equations() for word in f"{e.name} {e.summary}".lower().replace(".", " ").split()}
        hint = nearest(found.missing[0], known, cutoff=0.6) or everything
        return f"nothing here mentions {' or '.join(map(repr, found.missing))}.{hint}"
    if found.fewer:
        word, count = max(found.fewer, key=lambda pair: pair[1])
        return f"nothing here mentions all of {words!r}; without {word!r} there are {count}: leave it out"
    return f"nothing here mentions all of {words!r}; give fewer words.{everything}"
