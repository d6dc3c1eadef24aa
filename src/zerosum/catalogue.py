"""What every recipe is made of, read from its page, and what was measured of it; imports none of them.

The page is the only source: authors and year stand in its docstring, players in its ``Game``, objectives and penalties
are what it imports. Figures are those of ``recipes/measured.json``, which ``tools/recipes_table.py`` writes.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from zerosum import recipe as recipes

FOLDER = Path(recipes.__file__).parent / "recipes"
MEASURED = FOLDER / "measured.json"
REGULARISERS = ("zerosum.penalties", "zerosum.constraints", "zerosum.data.noise")
HELPERS = {"power_iteration", "chain", "in_float32", "wide"}  # imported beside a constraint, or to make one
CITATION = re.compile(r"(?P<who>[A-Z][^.;:()]*?(?: et al\.)?),? (?P<year>(?:19|20)\d\d)\b")


class Facts(NamedTuple):
    """One recipe.

    Attributes:
        name: as users type it.
        source: authors.
        year: of publication; "" where there is none.
        players: in turn order, with the number of their updates where it is not 1.
        objective: names of the objectives that the page imports, or of the file it takes several from.
        penalty: the same of penalties, constraints and noise.
    """

    name: str
    source: str
    year: str
    players: str
    objective: str
    penalty: str


def facts(name: str) -> Facts:
    """What the page of the recipe ``name`` says."""
    tree = ast.parse((FOLDER / f"{name.replace('-', '_')}.py").read_text())
    # The title comes first: the citation is in what follows.
    said = " ".join((ast.get_docstring(tree) or "").split()).partition(". ")[2]
    cited = CITATION.search(said)
    source, year = (cited["who"], cited["year"]) if cited else ("", "")
    return Facts(
        name, source, year, _players(tree), _imported(tree, ("zerosum.objectives",)), _imported(tree, REGULARISERS)
    )


def measured() -> dict[str, dict[str, Any]]:
    """Figures by recipe and data, ``{recipe: {"fashion-mini": {...}, "ring": {...}, "grid": {...}}}``."""
    found: dict[str, dict[str, Any]] = json.loads(MEASURED.read_text())["recipes"] if MEASURED.exists() else {}
    return found


def _imported(tree: ast.Module, packages: tuple[str, ...]) -> str:
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(packages):
            functions = [alias.name for alias in node.names if alias.name.islower() and alias.name not in HELPERS]
            whole = len(functions) > 1 and str(node.module).count(".") > 1  # several from one file: its name says it
            names += [str(node.module).rsplit(".", 1)[1]] if whole else functions
    return ", ".join(dict.fromkeys(name.replace("_", "-") for name in names))


def _players(tree: ast.Module) -> str:
    defaults = _defaults(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict) and node.values and all(_is_player(value) for value in node.values):
            return ", ".join(_player(key, value, defaults) for key, value in zip(node.keys, node.values, strict=True))
    return ""


def _is_player(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Player"


def _player(key: ast.expr | None, value: ast.expr, defaults: dict[str, str]) -> str:
    name = str(key.value) if isinstance(key, ast.Constant) else "?"
    said = next((k.value for k in getattr(value, "keywords", ()) if k.arg == "steps"), ast.Constant(1))
    steps = ast.unparse(said.orelse if isinstance(said, ast.IfExp) else said)  # a schedule is asked for, if at all
    count = defaults.get(steps, steps)
    return f"{name} x{count}" if count.isdigit() and count != "1" else name


def _defaults(tree: ast.Module) -> dict[str, str]:
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "recipe")
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return {argument.arg: ast.unparse(default) for argument, default in pairs if default is not None}
