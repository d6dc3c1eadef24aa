"""Command-line options made from a recipe's signature and from the settings of a run."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import tyro

from zerosum import recipe as recipes

if TYPE_CHECKING:
    from zerosum.runs.settings import Settings


def parse(name: str, argv: list[str], prog: str, defaults: dict[str, Any] | None = None) -> dict[str, Any]:
    """Parse the options of recipe ``name``: its own arguments and the settings of a run, in one flat dict.

    Args:
        name: of the recipe.
        argv: the words of the command line.
        prog: what `--help` calls the command.
        defaults: instead of the recipe's and the settings' own.
    """
    from zerosum.runs.settings import Settings

    own = recipes.arguments(name)
    texts = documented(recipes.find(name).__doc__ or "") | documented(Settings.__doc__ or "")
    hints = get_type_hints(Settings)
    given = {k: p.default for k, p in own.items()} | {f.name: f.default for f in dataclasses.fields(Settings)}
    given |= defaults or {}
    types = {k: p.annotation for k, p in own.items()} | {f.name: hints[f.name] for f in dataclasses.fields(Settings)}
    fields = [
        (key, Annotated[kind, tyro.conf.arg(help=texts.get(key, ""))], dataclasses.field(default=given[key]))
        for key, kind in types.items()
    ]
    options = dataclasses.make_dataclass("Options", fields)
    chosen: Any = tyro.cli(options, args=argv, prog=prog, description=recipes.describe(name))
    return {key: getattr(chosen, key) for key in types}


def split(name: str, options: dict[str, Any]) -> tuple[dict[str, Any], Settings]:
    """A recipe's own arguments, and the settings of the run."""
    from zerosum.runs.settings import Settings

    own = recipes.arguments(name)
    arguments = {k: v for k, v in options.items() if k in own}
    return arguments, Settings(**{k: v for k, v in options.items() if k not in own})


def documented(docstring: str) -> dict[str, str]:
    """What the ``Args:`` or ``Attributes:`` section of a docstring says of each name."""
    section = re.search(r"^\s*(?:Args|Attributes):\n(.*?)(?:\n\s*\n|\Z)", docstring, re.S | re.M)
    texts: dict[str, str] = {}
    last = ""
    for line in (section.group(1) if section else "").splitlines():
        entry = re.match(r"\s*(\w+): (.*)", line)
        if entry:
            last = entry.group(1)
            texts[last] = entry.group(2)
        elif last:
            texts[last] += " " + line.strip()
    return texts
