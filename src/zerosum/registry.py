"""The recipes there are: modules of ``recipes/`` that define ``recipe``, those of installed packages, and one's own."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zerosum import own
from zerosum.discovery import Modules
from zerosum.errors import UsageError, nearest
from zerosum.pages import Page

if TYPE_CHECKING:
    from zerosum.systems import Recipe

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


def page(recipe: str | Path | Page | Callable[..., Recipe] | Recipe) -> Page:
    """A recipe, however it is given.

    Args:
        recipe: Name of a recipe of zerosum or of an installed package; path of a file, ``FILE.py`` or
            ``FILE.py:FUNCTION``; ``MODULE:FUNCTION``; a function; or a finished ``Recipe``.

    Raises:
        UsageError: There is no such recipe, or what is given is not one. The message says what to do.
    """
    if isinstance(recipe, Page):
        return recipe
    if isinstance(recipe, str):
        return _named(recipe)
    if isinstance(recipe, Path):
        return own.from_file(recipe.expanduser())
    if callable(recipe) and not isinstance(recipe, type):
        module = getattr(recipe, "__module__", None) or ""
        return _built_in(_name_of(module)) if _is_built_in(module, recipe) else own.from_function(recipe)
    if hasattr(recipe, "phases") and not isinstance(recipe, type):
        return own.from_value(recipe)
    raise UsageError(
        f"{recipe!r} is not a recipe; give a name, the path of a .py file, a function of the data, or a Recipe"
    )


def _named(name: str) -> Page:
    points = own.installed().get(name, ())
    rivals = [f"zerosum ({name})"] if name in RECIPES.names else []
    rivals += [f"{own.package_of(point)} ({point.module}:{point.attr or 'recipe'})" for point in points]
    if len(rivals) > 1:
        raise UsageError(
            f"there are {len(rivals)} recipes {name!r}: of {' and of '.join(rivals)}; name one by MODULE:FUNCTION, "
            f"zerosum's by zerosum.recipes.{name.replace('-', '_')}:recipe"
        )
    if name in RECIPES.names:
        return _built_in(name)
    if points:
        return own.from_package(points[0])
    if name.startswith("zerosum.recipes.") and name.endswith(":recipe"):
        return _built_in(_name_of(name.removesuffix(":recipe")))
    found = own.from_text(name)
    if found is not None:
        return found
    beside = f" To take the file, write ./{name}.py." if Path(f"{name}.py").is_file() else ""
    known = (*RECIPES.names, *own.installed())
    raise UsageError(
        f"there is no recipe {name!r}.{nearest(name, known, cutoff=0.6)}{beside} There are: {', '.join(known)}; "
        "or the path of a .py file"
    )


def _built_in(name: str) -> Page:
    return Page(
        name,
        RECIPES.find(name),
        RECIPES.doc(name),
        RECIPES.literal(name, "RENAMED") or {},
        RECIPES.literal(name, "MOVED") or {},
        RECIPES.literal(name, "ADDED") or {},
    )


def _name_of(module: str) -> str:
    return module.split(".")[-1].replace("_", "-")


def _is_built_in(module: str, function: Callable[..., Any]) -> bool:
    name = _name_of(module)
    return module.startswith("zerosum.recipes.") and name in RECIPES.names and RECIPES.find(name) is function


def find(name: str) -> Callable[..., Recipe]:
    """The recipe called ``name``, as a function of the data.

    Raises:
        UsageError: There is none; the message names the nearest.
    """
    return page(name).function


def arguments(name: str) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a recipe, which are its configuration.

    Raises:
        UsageError: There is no such recipe; the message names the nearest.
    """
    return page(name).arguments


def defaults(name: str) -> dict[str, Any]:
    """Defaults of a recipe's arguments, where they are literals. Nothing is imported.

    Raises:
        UsageError: There is no such recipe; the message names the nearest.
    """
    body = RECIPES.tree(name).body
    function = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == "recipe")
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return {arg.arg: default.value for arg, default in pairs if isinstance(default, ast.Constant)}
