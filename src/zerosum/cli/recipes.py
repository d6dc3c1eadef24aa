"""``zerosum recipes [NAME]``."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum import own, registry
from zerosum.arguments import texts_of
from zerosum.catalogue import facts, figures
from zerosum.cli import layout
from zerosum.cli.main import option_of
from zerosum.pages import Page

VERB = ("list the recipes, or show one", 130)  # what it does, and its place in the list

WIDTH = 100
HEAD = ("recipe", "source", "players", "objective", "regularised by", "fd_fashion", "ring", "grid")
SPARE = ("regularised by", "objective", "players")
LEGEND = """fd_fashion: Fréchet distance in the shipped features after 64,000 images of fashion-mini; lower is better.
ring, grid: modes found, of 8 and of 25, mean of five seeds, on small budgets: results/recipes.md of the repository."""


@dataclass(frozen=True)
class RecipesOptions:
    """List the recipes; or show one: its paper, its departures from the paper, its arguments and its file.

    Attributes:
        name: Name of the recipe to show, or the path of a file with one. Without it, all recipes are listed.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = ""


def run(argv: list[str]) -> int:
    """List the recipes or show one. No recipe of zerosum is imported, and so torch is not either."""
    name = tyro.cli(RecipesOptions, args=argv, prog="zerosum recipes").name
    if not name:
        print(f"{table()}\n\n{LEGEND}\n`zerosum recipes NAME` shows one.")
        for point, registered in own.installed().items():
            print(f"{point}: of {' and of '.join(map(own.package_of, registered))}")
        return 0
    print(page(name) if name in registry.names() and name not in own.installed() else own_page(registry.page(name)))
    return 0


def table() -> str:
    """All recipes, one on each line, with what was measured."""
    return "\n".join(layout.table([HEAD, *map(_row, registry.names())], SPARE, rule=True))


def _row(name: str) -> tuple[str, ...]:
    about, by_data = facts(name), figures().get(name, {})
    clothes, modes = by_data.get("fashion-mini"), [by_data.get(data) for data in ("ring", "grid")]
    numbers = [f"{clothes['fd_fashion']:.1f}" if clothes else "", *(f"{m['modes'][0]:.1f}" if m else "" for m in modes)]
    return (name, f"{about.source} {about.year}".strip(), about.players, about.objective, about.penalty, *numbers)


def page(name: str) -> str:
    """Everything about a recipe that can be known without running it."""
    options, texts = arguments(registry.RECIPES.tree(name))
    source = registry.RECIPES.folder / f"{name.replace('-', '_')}.py"
    return _page(registry.describe(name), options, texts, str(source), name)


def own_page(page: Page) -> str:
    """The same of a recipe of one's own or of a package, which has been imported."""
    options = {key: f"{option_of(key)} {p.default!r}" for key, p in page.arguments.items()}
    origin = page.origin() if page.origin is not None else None
    return _page(page.text, options, page.texts, origin.path if origin else "", origin.path if origin else page.name)


def _page(text: str, options: Mapping[str, str], texts: Mapping[str, str], source: str, name: str) -> str:
    width = max((len(option) for option in options.values()), default=0) + 4
    lines = [text, "", "arguments:"]
    for key, option in options.items():
        wrapped = textwrap.wrap(texts.get(key, ""), WIDTH - width) or [""]
        lines += [f"  {option:<{width - 2}}{wrapped[0]}", *(" " * width + line for line in wrapped[1:])]
    return "\n".join([*lines, "", f"file: {source}", f"to train it: zerosum train {name}"])


def arguments(tree: ast.Module) -> tuple[dict[str, str], dict[str, str]]:
    """A recipe's arguments as options with their defaults, and their meanings, read from the text of its page."""
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "recipe")
    options = {
        argument.arg: f"{option_of(argument.arg)} {ast.unparse(default) if default else '(required)'}"
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    }
    return options, texts_of(ast.get_docstring(function) or "")
