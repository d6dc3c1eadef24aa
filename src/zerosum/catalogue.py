"""What every recipe is made of, read from the values on its page, and what it scored. No recipe is imported.

A page states ``ABOUT``; how often each player moves is in the defaults of the recipe's arguments. Scores come from
``recipes/measured.json``, which ``tools/recipes_table.py`` writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from zerosum import registry

MEASURED = Path(__file__).parent / "recipes" / "measured.json"


class Facts(NamedTuple):
    """What the page of a recipe says, as text.

    Attributes:
        name: Name that users type.
        source: Authors of the publication.
        year: Year of publication. "": there is none.
        players: Players in turn order, with the number of their updates where it is not 1.
        objective: Name of what the players minimise.
        penalty: Name of what regularises the critic or the generator. "": nothing does.
    """

    name: str
    source: str
    year: str
    players: str
    objective: str
    penalty: str


def facts(name: str) -> Facts:
    """What the page of the recipe ``name`` says.

    Raises:
        UsageError: There is no such recipe. The message names the nearest one.
    """
    page = registry.about(name)
    updates = registry.defaults(name).get("n_critic", 1)
    players = [f"{who} x{updates}" if who == "D" and updates != 1 else who for who in page.players]
    return Facts(
        name, page.authors, str(page.year) if page.year else "", ", ".join(players), page.objective, page.penalty
    )


def figures() -> dict[str, dict[str, Any]]:
    """What was measured, by recipe and data: ``{recipe: {"fashion-mini": {...}, "ring": {...}, "grid": {...}}}``."""
    recipes: dict[str, dict[str, Any]] = json.loads(MEASURED.read_text("utf-8"))["recipes"] if MEASURED.exists() else {}
    return recipes
