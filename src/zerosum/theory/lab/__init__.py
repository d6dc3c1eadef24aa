"""Experiments: the claims, figures and counter-examples of the field, run on the engine that trains GANs.

One file per experiment: its docstring is the page of explanation (the first line its title), its function
``experiment(lab, *, ...)`` does it, and ``QUICK`` holds the smaller arguments of ``--quick``. A file that is put here
is found by itself.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from zerosum.theory.lab.base import Found, Lab

HELPERS = {"base", "convolutional", "drawing", "frozen", "results", "training"}


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


def names() -> tuple[str, ...]:
    """All experiments, in alphabetical order."""
    files = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in files if name not in HELPERS))


def find(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        KeyError: there is none.
    """
    if name not in names():
        raise KeyError(name)
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    title, _, text = inspect.cleandoc(module.__doc__ or "").partition("\n")
    return Experiment(name, title.rstrip("."), text.strip(), module.experiment, module.QUICK)


__all__ = ["Experiment", "Found", "Lab", "find", "names"]
