"""Results of experiments at full size, and experiments whose numbers are given."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from zerosum import lab
from zerosum.lab.base import Findings

ROOT = Path(__file__).parents[2]
FULL = {name: json.loads((ROOT / "results" / "lab" / f"{name}.json").read_text()) for name in lab.titles()}
NOT_REPRODUCED = {"architectures", "random-architectures"}  # see results/lab/README.md


def one_of(
    name: str, *, numbers: Any = None, arguments: dict[str, Any] | None = None, **changes: Any
) -> lab.Experiment:
    """An experiment whose numbers are given."""
    found = Findings(FULL[name]["numbers"] if numbers is None else numbers, ("found",))
    return replace(lab.find(name), run=lambda room, **_: found, **changes)
