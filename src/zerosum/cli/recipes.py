"""``zerosum recipes [NAME]``."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from zerosum import recipe as recipes
from zerosum.catalogue import facts, measured
from zerosum.cli.arguments import documented

WIDTH = 100
HEAD = ("recipe", "source", "players", "objective", "regularised by", "fd_fashion", "ring", "grid")
LEGEND = """fd_fashion: Fréchet distance in the shipped features after 64,000 images of fashion-mini, lower is better;
ring, grid: modes found of 8 and 25, mean of five seeds. Budgets are small: results/recipes.md says how it was done."""


@dataclass(frozen=True)
class Options:
    """List the recipes; or show one: its paper, its departures from it, its arguments and its file.

    Attributes:
        name: of the recipe; left out: list all.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = ""


def run(argv: list[str]) -> int:
    """List or show; imports no recipe, and so not torch."""
    name = tyro.cli(Options, args=argv, prog="zerosum recipes").name
    if not name:
        print(f"{table()}\n\n{LEGEND}\n`zerosum recipes NAME` shows one.")
        return 0
    if name not in recipes.names():
        recipes.find(name)  # says what there is
    print(page(name))
    return 0


def table() -> str:
    """All recipes, a line each, with what was measured of them."""
    rows = [HEAD, *map(_row, recipes.names())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _row(name: str) -> tuple[str, ...]:
    said, found = facts(name), measured().get(name, {})
    clothes, modes = found.get("fashion-mini"), [found.get(data) for data in ("ring", "grid")]
    figures = [f"{clothes['fd_fashion']:.1f}" if clothes else "", *(f"{m['modes'][0]:.1f}" if m else "" for m in modes)]
    return (name, f"{said.source} {said.year}".strip(), said.players, said.objective, said.penalty, *figures)


def page(name: str) -> str:
    """All there is to know of a recipe without running it."""
    source = Path(recipes.__file__).parent / "recipes" / f"{name.replace('-', '_')}.py"
    said, texts = arguments(source)
    width = max((len(option) for option in said.values()), default=0) + 4
    lines = [recipes.describe(name), "", "arguments:"]
    for key, option in said.items():
        filled = textwrap.wrap(texts.get(key, ""), WIDTH - width) or [""]
        lines += [f"  {option:<{width - 2}}{filled[0]}", *(" " * width + line for line in filled[1:])]
    return "\n".join([*lines, "", f"file: {source}", f"to train it: zerosum train {name}"])


def arguments(source: Path) -> tuple[dict[str, str], dict[str, str]]:
    """A recipe's arguments as options with their defaults, and what its docstring says of each, read from its text."""
    body = ast.parse(source.read_text()).body
    function = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == "recipe")
    defaults = {
        argument.arg: f"--{argument.arg.replace('_', '-')} {ast.unparse(default) if default else '(required)'}"
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    }
    return defaults, documented(ast.get_docstring(function) or "")
