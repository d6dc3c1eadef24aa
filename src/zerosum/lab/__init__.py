"""Experiments: the claims, figures and counter-examples of the field, run on the engine that trains GANs.

Each module of ``experiments/`` is one: its docstring is the page of explanation (with the title as its first line), its
function ``experiment(lab, *, ...)`` carries it out, and ``QUICK`` holds smaller arguments for a first look. A new
module there is found without being listed anywhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from zerosum.discovery import Modules
from zerosum.lab.base import Findings, Lab

EXPERIMENTS = Modules("zerosum.lab.experiments", "experiment", "experiment")


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        name: Name as on the command line.
        title: Title, one line.
        text: Page of explanation.
        run: Function that carries it out, ``run(lab, **arguments)``.
        quick: Arguments for a first look.
    """

    name: str
    title: str
    text: str
    run: Callable[..., Findings]
    quick: dict[str, Any]

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """What can be set, with its default."""
        signature = inspect.signature(self.run, eval_str=True)
        return {k: p for k, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY}


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
    return Experiment(name, title, text, module.experiment, module.QUICK)


def _split(page: str) -> tuple[str, str]:
    title, _, text = page.partition("\n")
    return title.rstrip("."), text.strip()


__all__ = ["EXPERIMENTS", "Experiment", "Findings", "Lab", "find", "titles"]
