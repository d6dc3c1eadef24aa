"""How found numbers are compared with recorded ones: to the last bits on the machine that made them, else roughly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Tolerance(NamedTuple):
    """How far a number may be off: ``absolute + relative * |recorded|``."""

    relative: float
    absolute: float


SAME = Tolerance(1e-6, 1e-12)  # the same processor and torch


def differences(found: Any, recorded: Any, tolerance: Tolerance, path: str = "") -> Iterator[str]:
    """What differs between two values as JSON holds them, a line each: names, lengths, words, and numbers beyond it."""
    if isinstance(recorded, Mapping):
        if not isinstance(found, Mapping) or found.keys() != recorded.keys():
            names = sorted(found) if isinstance(found, Mapping) else found
            yield f"{path}: has {names}, recorded {sorted(recorded)}"
            return
        for key in recorded:
            yield from differences(found[key], recorded[key], tolerance, f"{path}/{key}")
    elif _listed(recorded):
        if not _listed(found) or len(found) != len(recorded):
            yield f"{path}: is {found}, recorded {recorded}"
            return
        for number, (one, other) in enumerate(zip(found, recorded, strict=True)):
            yield from differences(one, other, tolerance, f"{path}/{number}")
    elif _number(recorded) and _number(found):
        near = abs(found - recorded) <= tolerance.absolute + tolerance.relative * abs(recorded)
        if not (near or found == recorded or (math.isnan(found) and math.isnan(recorded))):
            yield f"{path}: is {found!r}, recorded {recorded!r}"
    elif found != recorded or type(found) is not type(recorded):
        yield f"{path}: is {found!r}, recorded {recorded!r}"


def check(found: Any, recorded: Any, tolerance: Tolerance) -> None:
    """Compare.

    Raises:
        AssertionError: something differs; the first differences are listed.
    """
    lines = list(differences(found, recorded, tolerance))
    assert not lines, "\n".join([f"{len(lines)} differ (tolerance {tolerance}):", *lines[:10]])


def _listed(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
