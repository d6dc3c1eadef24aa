"""Finds what a package holds by reading its files: adding a recipe, a measure, a verb... is adding one file.

A module counts if it defines a *marker*, such as the function ``recipe``. Names, docstrings and literal values are
read from the source, so a list costs no import; a module is imported when it is used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from zerosum.errors import UsageError, nearest

STRINGS = re.compile(r'"""[\s\S]*?"""')


@dataclass(frozen=True)
class Modules:
    """The modules of a package that define ``marker``, by name; ``_`` in a file's name is ``-`` in its name here.

    Attributes:
        package: Dotted name of the package, which is not imported.
        marker: Name of a function, class or value at the top of a module.
        what: What a module stands for, in messages: "recipe".
    """

    package: str
    marker: str
    what: str

    @property
    def folder(self) -> Path:
        """The package's folder."""
        return Path(__file__).parent.joinpath(*self.package.split(".")[1:])

    @cached_property
    def _texts(self) -> dict[str, str]:
        # A line at the left margin that defines the marker, strings aside: parsing all files would take far longer.
        defines = re.compile(rf"^(?:(?:def|class) {self.marker}\b|{self.marker} *(?::[^=\n]+)?=)", re.M)
        texts = {file.stem: file.read_text("utf-8") for file in sorted(self.folder.glob("[!_]*.py"))}
        return {name.replace("_", "-"): text for name, text in texts.items() if defines.search(STRINGS.sub('""', text))}

    @cached_property
    def _trees(self) -> dict[str, ast.Module]:
        return {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in alphabetical order."""
        return tuple(self._texts)

    def doc(self, name: str) -> str:
        """The docstring of a module."""
        return ast.get_docstring(self.tree(name)) or ""

    def tree(self, name: str) -> ast.Module:
        """The source of a module, parsed.

        Raises:
            UsageError: There is none of this name; the message names the nearest and all there are.
        """
        if name not in self._texts:
            hint = nearest(name, self.names)
            raise UsageError(f"there is no {self.what} {name!r}.{hint} There are: {', '.join(self.names)}")
        if name not in self._trees:
            self._trees[name] = ast.parse(self._texts[name])
        return self._trees[name]

    def literal(self, name: str, variable: str) -> Any:
        """The value of a variable at the top of a module, read from the source; ``None`` where it is not defined.

        A call, such as ``About("Qi", 2017)``, is read as ``(positional arguments, keyword arguments)``; it may stand
        inside a tuple or a list.

        Raises:
            UsageError: There is none of this name; the message names the nearest and all there are.
            ValueError: The value is not a literal.
        """
        value = _assigned(self.tree(name)).get(variable)
        return None if value is None else _literal(value)

    def load(self, name: str) -> ModuleType:
        """Import a module.

        Raises:
            UsageError: There is none of this name; the message names the nearest and all there are.
        """
        self.tree(name)
        return import_module(f"{self.package}.{name.replace('-', '_')}")

    def find(self, name: str) -> Any:
        """The marker of a module: what it defines under that name.

        Raises:
            UsageError: There is none of this name; the message names the nearest and all there are.
        """
        return getattr(self.load(name), self.marker)

    def all(self) -> Iterator[Any]:
        """The markers of all modules, which are imported, in alphabetical order of the modules."""
        return (self.find(name) for name in self.names)


def _assigned(tree: ast.Module) -> dict[str, ast.expr]:
    """The variables at the top of a module, each with the expression that is assigned to it."""
    values: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            values |= {target.id: node.value for target in targets if isinstance(target, ast.Name)}
    return values


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        keywords = {str(keyword.arg): _literal(keyword.value) for keyword in node.keywords}
        return tuple(map(_literal, node.args)), keywords
    if isinstance(node, ast.Tuple | ast.List):
        values = map(_literal, node.elts)
        return tuple(values) if isinstance(node, ast.Tuple) else list(values)
    return ast.literal_eval(node)
