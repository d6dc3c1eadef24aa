"""Objectives by name: all that the modules of :mod:`zerosum.objectives` offer in ``OBJECTIVES``."""

from __future__ import annotations

from zerosum.discovery import Modules
from zerosum.objectives.objective import Goal, Objective


def _goals() -> dict[str, Goal]:
    offered: dict[str, Objective | Goal] = {}
    for some in Modules("zerosum.objectives", "OBJECTIVES", "objective").all():
        offered |= some
    return {name: one if isinstance(one, Goal) else Goal.of(one) for name, one in sorted(offered.items())}


GOALS = _goals()
