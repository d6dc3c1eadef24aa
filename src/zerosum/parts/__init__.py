"""Every part that a two-player game can be put together from, by name: what the recipe ``custom`` chooses among.

A part says what it needs of the others, so that what cannot work together is refused before training starts, with the
reason. A new objective becomes available by an entry in ``OBJECTIVES`` of its own module in :mod:`zerosum.objectives`;
a new penalty, network or conditioning by an entry in its table here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from zerosum.errors import nearest

Part = TypeVar("Part")


def pick(parts: Mapping[str, Part], name: str, what: str) -> Part:
    """The part called ``name``.

    Args:
        parts: Parts by name.
        name: Name of one of them.
        what: What a part is, in messages: "objective".

    Raises:
        ValueError: There is none of this name; the message names the nearest and all there are.
    """
    if name not in parts:
        raise ValueError(f"there is no {what} {name!r}.{nearest(name, parts)} There are: {', '.join(parts)}")
    return parts[name]
