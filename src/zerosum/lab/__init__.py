"""Experiments: the claims, figures and counter-examples of the field, run on the engine that trains GANs.

Each module of ``experiments/`` is one: its docstring is the page of explanation (with the title as its first line), its
function ``experiment(lab, *, ...)`` carries it out, ``claims(numbers)`` says which of the page's claims the numbers
show, ``FORMULAS`` are those of the page, and ``QUICK`` holds smaller arguments for a first look, which may be too small
to show a claim. ``LEAST_VALUES`` holds the least values of whole numbers, where they are above 1. A new module there is
found without being listed anywhere.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from zerosum.discovery import Modules
from zerosum.errors import UsageError
from zerosum.lab.base import Findings, Lab

EXPERIMENTS = Modules("zerosum.lab.experiments", "experiment", "experiment")


def _no_claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    return {}


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        name: Name as on the command line.
        title: Title, one line.
        text: Page of explanation.
        run: Function that carries it out, ``run(lab, **arguments)``.
        quick: Arguments for a first look.
        claims: Function that says of each claim of the page whether the numbers show it.
        formulas: Formulas in mathtext, each with what it is.
        file: File of the experiment in the repository.
        line: Number of the line on which ``run`` is defined.
        least: Least values of whole numbers among the arguments, where they are above 1.
    """

    name: str
    title: str
    text: str
    run: Callable[..., Findings]
    quick: dict[str, Any]
    claims: Callable[[Mapping[str, Any]], dict[str, bool]] = _no_claims
    formulas: Sequence[tuple[str, str]] = ()
    file: str = ""
    line: int = 1
    least: Mapping[str, int] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """What can be set, with its default."""
        signature = inspect.signature(self.run, eval_str=True)
        return {k: p for k, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY}

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that no experiment can be carried out with.

        Raises:
            UsageError: A whole number is below its least value, another number is negative or not finite, or a list
                is empty.
        """
        for key, value in arguments.items():
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
            least = 0 if isinstance(value, tuple) else self.least.get(key, 1)
            values = value if isinstance(value, tuple) else (value,)
            if not values:
                raise UsageError(f"{key} must have at least one value", argument=key)
            for one in values:
                if isinstance(one, int) and not isinstance(one, bool) and one < least:
                    raise UsageError(f"{key}={shown}: must be at least {least}", argument=key)
                if isinstance(one, float) and not 0 <= one < math.inf:
                    raise UsageError(f"{key}={shown}: must be 0 or more, and finite", argument=key)
            if key == "lr" and not value > 0:
                raise UsageError(f"lr={shown}: must be above 0", argument=key)


@cache
def titles() -> dict[str, str]:
    """Titles of all experiments by name, in alphabetical order. Nothing is imported."""
    return {name: _split(EXPERIMENTS.doc(name))[0] for name in EXPERIMENTS.names}


def find(name: str) -> Experiment:
    """The experiment called ``name``.

    Raises:
        UsageError: There is none; the message names the nearest and all there are.
    """
    module = EXPERIMENTS.load(name)
    title, text = _split(EXPERIMENTS.doc(name))
    file = f"src/zerosum/lab/experiments/{name.replace('-', '_')}.py"
    least = getattr(module, "LEAST_VALUES", {})
    claims, formulas = getattr(module, "claims", _no_claims), getattr(module, "FORMULAS", ())
    return Experiment(name, title, text, module.experiment, module.QUICK, claims, formulas, file, _line_of(name), least)


def _line_of(name: str) -> int:
    """The line on which an experiment's function is defined, or made by another one."""
    for node in EXPERIMENTS.tree(name).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = {getattr(node, "name", ""), *(one.id for one in targets if isinstance(one, ast.Name))}
        if EXPERIMENTS.marker in names:
            return node.lineno
    raise AssertionError(f"{name} has a function {EXPERIMENTS.marker}, or it would not have been found")


def _split(page: str) -> tuple[str, str]:
    title, _, text = page.partition("\n")
    return title.rstrip("."), text.strip()


__all__ = ["EXPERIMENTS", "Experiment", "Findings", "Lab", "find", "titles"]
