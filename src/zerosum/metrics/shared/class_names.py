"""Classes of two sets, paired by their names: the number of a class says only which place it has in its own set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from zerosum.errors import UsageError

LISTED = 12  # names of a set that a message lists


def pair_names(ours: Sequence[str], theirs: Sequence[str]) -> tuple[int, ...] | None:
    """The place among ``theirs`` of each of ``ours``; ``None`` where they cannot be paired.

    A name stands for the one that is equal to it. Names that have no equal may differ in case and in what separates
    words (spaces, ``_``, ``-``, ``/``, ``.``), where this leaves exactly one on either side.

    Args:
        ours: Names of classes.
        theirs: Names of classes, which may be more.
    """
    places = {name: place for place, name in enumerate(theirs)}
    if len(places) < len(theirs) or len(set(ours)) < len(ours):
        return None
    found = [places.get(name) for name in ours]
    taken = {place for place in found if place is not None}
    open_ours = _forgiving(ours[i] for i, place in enumerate(found) if place is None)
    open_theirs = _forgiving(name for name, place in places.items() if place not in taken)
    for i, place in enumerate(found):
        if place is None:
            plain = plain_name(ours[i])
            if plain not in open_ours or plain not in open_theirs:
                return None
            found[i] = places[open_theirs[plain]]
    return tuple(place for place in found if place is not None)


def plain_name(name: str) -> str:
    """A name without case and without what separates words."""
    return re.sub(r"[\s_\-/.]+", "", name.casefold())


def _forgiving(names: Iterable[str]) -> dict[str, str]:
    """Plain names -> names, of those that no other name shares its plain name with."""
    listed = list(names)
    shared = Counter(map(plain_name, listed))
    return {plain_name(name): name for name in listed if plain_name(name) and shared[plain_name(name)] == 1}


def check_pairs(ours: Sequence[str], whose: str, theirs: Sequence[str], other: str) -> tuple[int, ...]:
    """The place among ``theirs`` of each of ``ours``, as :func:`pair_names` finds it.

    Args:
        ours: Names of classes.
        whose: Name of the set that has them, for the message.
        theirs: Names of classes, which may be more.
        other: Name of the set that has those.

    Raises:
        UsageError: They cannot be paired; the message lists both.
    """
    found = pair_names(ours, theirs)
    if found is None:
        raise UsageError(
            f"labels: the classes of {whose} ({list_names(ours, theirs)}) cannot be paired by name with those of "
            f"{other} ({list_names(theirs, ours)}): give each class one name in both"
        )
    return found


def list_names(names: Sequence[str], others: Sequence[str] = ()) -> str:
    """Names of classes for a message; of many, first those that the others do not have."""
    known = set(map(plain_name, others))
    alone = [name for name in names if plain_name(name) not in known]
    shown = names if len(names) <= LISTED else [*alone, *(name for name in names if name not in set(alone))][:LISTED]
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return f"{', '.join(shown)}{more}"


def are_numbers(names: Sequence[str]) -> bool:
    """Whether the names are the numbers of the classes and nothing else: "0", "1", "2"..."""
    return tuple(names) == tuple(map(str, range(len(names))))


def renumber(labels: Tensor, places: Sequence[int]) -> Tensor:
    """Labels (N,) as numbers of the classes that theirs were paired with, int64 on the CPU."""
    return torch.tensor(places, dtype=torch.int64)[labels.cpu()]
