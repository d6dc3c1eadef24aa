"""The options of verbs and recipes, read from the text of their files: nothing is imported."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

from zerosum.arguments import documented, texts_of
from zerosum.cli.main import VERBS, option_of
from zerosum.discovery import Modules
from zerosum.errors import UsageError

PACKAGE = Path(__file__).parents[1]
RECIPES = Modules("zerosum.recipes", "recipe", "recipe")  # as in `registry`, which also asks installed packages
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


class OptionFacts(NamedTuple):
    """An option of the command line.

    Attributes:
        name: As it is typed, ``--n-critic``.
        text: What it means, one sentence, or ``""``.
        values: All values that it can have; ``()`` where these are not words of a list.
        takes_value: Whether a value follows.
    """

    name: str
    text: str
    values: tuple[str, ...]
    takes_value: bool = True


def of_verb(verb: str) -> dict[str, OptionFacts]:
    """The options of a verb: the fields of the class that it has parsed, and options that its text mentions alone."""
    tree = VERBS.tree(verb)
    found: dict[str, OptionFacts] = {}
    for call in _parsed(tree):
        found |= _of_class(tree, call)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"--[a-z][a-z-]+", node.value)
        ):
            found.setdefault(node.value, OptionFacts(node.value, "", (), takes_value=False))
    return {name: one for name, one in found.items() if not name.startswith("--no-") or f"--{name[5:]}" not in found}


def positionals_of(verb: str) -> list[str]:
    """What a verb calls its words that are not options, in order, such as RUN and IMAGE."""
    tree = VERBS.tree(verb)
    texts = [ast.unparse(field.annotation) for name in _parsed(tree) for field in _fields(tree, name).values()]
    metavars = [re.search(r"metavar='(.*?)'|$", text) for text in texts if "tyro.conf.Positional" in text]
    return [((match and match[1]) or "WORD").strip("[]") for match in metavars]


def of_class(module: str, name: str) -> dict[str, OptionFacts]:
    """The fields of a class of the package as options."""
    return _of_class(_tree_of(module), name)


def of_recipe(name: str) -> dict[str, OptionFacts]:
    """The arguments of a recipe, by name or by the path of its file, as options; none where it cannot be read."""
    tree = _page(name)
    if tree is None:
        return {}
    own = next((node.name for node in tree.body if isinstance(node, FUNCTIONS) and _is_recipe(node)), "recipe")
    return of_function(tree, own)


def title_of(recipe: str) -> str:
    """What the first line of a recipe's page says; ``""`` where it is not one of zerosum's. The rest is not read."""
    try:
        with (RECIPES.folder / f"{recipe.replace('-', '_')}.py").open(encoding="utf-8") as file:
            return file.readline().strip().strip('"')
    except OSError:
        return ""


def of_function(tree: ast.Module, name: str) -> dict[str, OptionFacts]:
    """The arguments of a function as options, all but the first."""
    function = next((node for node in tree.body if isinstance(node, FUNCTIONS) and node.name == name), None)
    if function is None:
        return {}
    page = ast.get_docstring(tree) or ""
    texts = texts_of(ast.get_docstring(function) or "")
    positional, given = [*function.args.posonlyargs, *function.args.args], function.args.defaults
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given))
    pairs = [*zip(positional, [*defaults, *given], strict=True)][1:]
    pairs += zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    found = [_option(one.arg, one.annotation, default, texts, tree, page) for one, default in pairs]
    return {one.name: one for one in found}


def _is_recipe(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = [ast.unparse(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list]
    return node.name == "recipe" or any(name.split(".")[-1] == "recipe" for name in names)


def _page(name: str) -> ast.Module | None:
    try:
        return ast.parse(Path(name).expanduser().read_text("utf-8")) if name.endswith(".py") else RECIPES.tree(name)
    except (UsageError, OSError, ValueError, SyntaxError):  # not zerosum's, or not readable: nothing is known of it
        return None


def _parsed(tree: ast.Module) -> list[str]:
    """Names of the classes that a module has parsed: ``tyro.cli(NAME, ...)``."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "tyro.cli"]
    names = [call.args[0].id for call in calls if call.args and isinstance(call.args[0], ast.Name)]
    known = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    return [name for name in names if name in known] or [name for name in sorted(known) if name.endswith("Options")]


def _of_class(tree: ast.Module, name: str) -> dict[str, OptionFacts]:
    texts = _texts(tree, name)
    fields = _fields(tree, name).values()
    options = [
        _option(field.target.id, field.annotation, field.value, texts, tree)
        for field in fields
        if isinstance(field.target, ast.Name) and "tyro.conf.Positional" not in ast.unparse(field.annotation)
    ]
    return {one.name: one for one in options}


def _fields(tree: ast.Module, name: str) -> dict[str, ast.AnnAssign]:
    """The fields of a class and of those that it is made from, by name."""
    found: dict[str, ast.AnnAssign] = {}
    for node in _classes(tree, name):
        found |= {ast.unparse(one.target): one for one in node.body if isinstance(one, ast.AnnAssign)}
    return found


def _texts(tree: ast.Module, name: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for node in _classes(tree, name):
        texts |= documented(ast.get_docstring(node) or "")
    return texts


def _classes(tree: ast.Module, name: str) -> list[ast.ClassDef]:
    """A class after those that it is made from."""
    node = next((one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name), None)
    if node is not None:
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        return [*(one for base in bases for one in _classes(tree, base)), node]
    for one in tree.body:
        if isinstance(one, ast.ImportFrom) and (one.module or "").startswith("zerosum"):
            for alias in one.names:
                if (alias.asname or alias.name) == name:
                    return _classes(_tree_of(one.module or ""), alias.name)
    return []


def _tree_of(module: str) -> ast.Module:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text("utf-8")) if file.is_file() else ast.Module([], [])


def _option(
    name: str,
    annotation: ast.expr | None,
    default: ast.expr | None,
    texts: dict[str, str],
    tree: ast.Module,
    page: str = "",
) -> OptionFacts:
    text = re.split(r"(?<=\.)\s", texts.get(name, ""))[0]
    value = default.value if isinstance(default, ast.Constant) else None
    if isinstance(value, bool):
        off = f"--no-{option_of(name)[2:]}"
        return OptionFacts(off if value else option_of(name), text, (), takes_value=False)
    return OptionFacts(option_of(name), text, _literals(annotation, tree) or _words(name, page))


def _literals(annotation: ast.expr | None, tree: ast.Module) -> tuple[str, ...]:
    """The words of ``Literal[...]`` in an annotation, which may have a name of its own in the module."""
    if annotation is None:
        return ()
    named = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    found: list[str] = []
    for node in ast.walk(annotation):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] == "Literal":
            found += [str(one.value) for one in ast.walk(node.slice) if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.Name) and node.id in named:
            found += _literals(named[node.id], ast.Module([], []))
    return tuple(dict.fromkeys(found))


def _words(name: str, page: str) -> tuple[str, ...]:
    """What a page lists for an argument, as that of ``custom`` does: ``penalty: none, wgan-gp, r1.``"""
    listed = re.search(rf"\b{name}: ((?:[a-z0-9-]+[,;]\s+)+[a-z0-9-]+)", page)
    return tuple(re.split(r"[,;]\s+", listed[1])) if listed else ()
