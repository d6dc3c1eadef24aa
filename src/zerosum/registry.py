"""The recipes there are: every module of ``recipes/`` that defines ``recipe``, by the name that people type."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from zerosum.arguments import RENAMED
from zerosum.discovery import Modules
from zerosum.errors import UsageError, nearest

if TYPE_CHECKING:
    from zerosum.system import Recipe

RECIPES = Modules("zerosum.recipes", "recipe", "recipe")


class About(NamedTuple):
    """What a recipe's page says of itself in a value, ``ABOUT``, that is read without importing the page.

    Attributes:
        authors: Of the publication.
        year: Of the publication; 0 where there is none.
        arxiv: Number of the publication, "1704.00028"; "" where there is none.
        objective: Name of what the players minimise.
        penalty: Name of what regularises the critic or the generator; "" where nothing does.
        players: Names of the players in turn order.
    """

    authors: str
    year: int
    arxiv: str = ""
    objective: str = ""
    penalty: str = ""
    players: tuple[str, ...] = ("D", "G")


def names() -> tuple[str, ...]:
    """Names of all recipes. Nothing is imported."""
    return RECIPES.names


def describe(name: str) -> str:
    """The docstring of a recipe's page: the paper, and the departures from it. Nothing is imported.

    Raises:
        UsageError: There is no such recipe; the message names the nearest.
    """
    return RECIPES.doc(name)


def about(name: str) -> About:
    """What a recipe's page says of itself as a value. Nothing is imported.

    Raises:
        UsageError: There is no such recipe; the message names the nearest.
    """
    positional, keywords = RECIPES.literal(name, "ABOUT") or (("", 0), {})
    return About(*positional, **keywords)


def find(name: str) -> Callable[..., Recipe]:
    """The recipe called ``name``.

    Raises:
        UsageError: There is none; the message names the nearest.
    """
    found: Callable[..., Recipe] = RECIPES.find(name)
    return found


def arguments(name: str) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a recipe, which are its configuration.

    Raises:
        UsageError: There is no such recipe; the message names the nearest.
    """
    parameters = inspect.signature(find(name), eval_str=True).parameters
    return {k: p for k, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def defaults(name: str) -> dict[str, Any]:
    """Defaults of a recipe's arguments, where they are literals. Nothing is imported.

    Raises:
        UsageError: There is no such recipe; the message names the nearest.
    """
    body = RECIPES.tree(name).body
    function = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == "recipe")
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return {arg.arg: default.value for arg, default in pairs if isinstance(default, ast.Constant)}


def renamed(name: str) -> dict[str, str]:
    """Names that a recipe's arguments had in earlier versions, with those of today."""
    known = arguments(name)
    old = RENAMED | (RECIPES.literal(name, "RENAMED") or {})
    return {before: now for before, now in old.items() if now in known and before not in known}


def current(name: str, given: Mapping[str, Any], *, note: bool = True) -> dict[str, Any]:
    """Arguments for a recipe, those with names of earlier versions under their names of today.

    Args:
        name: Name of the recipe.
        given: Arguments by name.
        note: Whether to warn of a name that has changed.

    Raises:
        UsageError: The recipe has no such argument, or one is given under both of its names.
    """
    known, old = arguments(name), renamed(name)
    found: dict[str, Any] = {}
    for key, value in given.items():
        now = old.get(key, key)
        if now not in known:
            raise UsageError(
                f"recipe {name!r} has no argument {key!r}.{nearest(key, known)} It has: {', '.join(known)}"
            )
        if now in found:
            raise UsageError(f"recipe {name!r}: {now!r} is given twice, once under its earlier name")
        if now != key and note:
            warnings.warn(f"recipe {name!r}: the argument {key!r} is now called {now!r}", stacklevel=3)
        found[now] = value
    return found
