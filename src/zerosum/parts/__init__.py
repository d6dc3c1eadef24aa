"""Every part that a two-player game can be put together from, by name: what the recipe ``custom`` chooses among.

A part says what it needs of the others, so that what cannot work together is refused before training starts, with the
reason. A new objective, penalty, network or conditioning becomes available by one entry in its table here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

Part = TypeVar("Part")


def pick(parts: Mapping[str, Part], name: str, what: str) -> Part:
    """The part called ``name``.

    Raises:
        ValueError: there is none; suggests the nearest.
    """
    if name in parts:
        return parts[name]
    near = difflib.get_close_matches(name, parts, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"there is no {what} {name!r}.{hint} There is: {', '.join(parts)}")
