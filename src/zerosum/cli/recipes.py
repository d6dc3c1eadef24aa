"""``zerosum recipes [NAME]``."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from typing import Annotated

import tyro

from zerosum import registry
from zerosum.arguments import texts_of
from zerosum.catalogue import facts, figures
from zerosum.cli.common import align
from zerosum.cli.main import option_of

VERB = ("list the recipes, or show one", 130)  # what it does, and its place in the list

WIDTH = 100
HEAD = ("recipe", "source", "players", "objective", "regularised by", "fd_fashion", "ring", "grid")
LEGEND = """fd_fashion: Fréchet distance in the shipped features after 64,000 images of fashion-mini; lower is better.
ring, grid: modes found, of 8 and of 25, mean of five seeds. Budgets are small; results/recipes.md gives the details."""


@dataclass(frozen=True)
class RecipesOptions:
    """List the recipes; or show one: its paper, its departures from the paper, its arguments and its file.

    Attributes:
        name: Name of the recipe to show. Without it, all recipes are listed.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = ""


def run(argv: list[str]) -> int:
    """List the recipes or show one. No recipe is imported, and so torch is not either."""
    name = tyro.cli(RecipesOptions, args=argv, prog="zerosum recipes").name
    if not name:
        print(f"{table()}\n\n{LEGEND}\n`zerosum recipes NAME` shows one.")
        return 0
    print(page(name))
    return 0


def table() -> str:
    """All recipes, one on each line, with what was measured."""
    lines = align([HEAD, *map(_row, registry.names())])
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _row(name: str) -> tuple[str, ...]:
    about, by_data = facts(name), figures().get(name, {})
    clothes, modes = by_data.get("fashion-mini"), [by_data.get(data) for data in ("ring", "grid")]
    numbers = [f"{clothes['fd_fashion']:.1f}" if clothes else "", *(f"{m['modes'][0]:.1f}" if m else "" for m in modes)]
    return (name, f"{about.source} {about.year}".strip(), about.players, about.objective, about.penalty, *numbers)


def page(name: str) -> str:
    """Everything about a recipe that can be known without running it."""
    options, texts = arguments(registry.RECIPES.tree(name))
    source = registry.RECIPES.folder / f"{name.replace('-', '_')}.py"
    width = max((len(option) for option in options.values()), default=0) + 4
    lines = [registry.describe(name), "", "arguments:"]
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
