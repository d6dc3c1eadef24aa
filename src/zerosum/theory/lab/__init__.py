"""Experiments: the claims, figures and counter-examples of the field, run on the engine that trains GANs.

One file per experiment: its docstring is the page of explanation (the first line its title), its function
``experiment(lab, *, ...)`` does it, and ``QUICK`` holds the smaller arguments of ``--quick``. A file that is put here
is found by itself.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from zerosum.theory.lab.base import Found, Lab


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        name: as on the command line.
        title: in one line.
        text: the page of explanation.
        run: ``run(lab, **arguments)``.
        quick: arguments for a first look.
    """

    name: str
    title: str
    text: str
    run: Callable[..., Found]
    quick: dict[str, Any]

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """What can be set, with its default."""
        signature = inspect.signature(self.run, eval_str=True)
        return {k: p for k, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY}


@cache
def titles() -> dict[str, str]:
    """All experiments, in alphabetical order, each with its title. Nothing is imported: the files are read."""
    trees = {file.stem: ast.parse(file.read_text()) for file in sorted(Path(__file__).parent.glob("*.py"))}
    return {
        name.replace("_", "-"): _split(ast.get_docstring(tree))[0]
        for name, tree in trees.items()
        if any(isinstance(node, ast.FunctionDef) and node.name == "experiment" for node in tree.body)
    }


def find(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        KeyError: there is none.
    """
    if name not in titles():
        raise KeyError(name)
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    title, text = _split(inspect.getdoc(module))
    return Experiment(name, title, text, module.experiment, module.QUICK)


def _split(docstring: str | None) -> tuple[str, str]:
    title, _, text = (docstring or "").partition("\n")
    return title.rstrip("."), text.strip()


__all__ = ["Experiment", "Found", "Lab", "find", "titles"]
