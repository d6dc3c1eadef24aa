"""The form that objectives have: what each side of the classic two-player game minimises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

LOGITS, ENERGIES = "logits", "energies"  # logits have any sign, large for real; energies are >= 0, small for real


class Objective(NamedTuple):
    """What each side of the classic two-player game minimises, given the logits of both kinds of sample.

    Attributes:
        d: Loss of the critic: (real logits, fake logits) -> scalar.
        g: Loss of the generator: (real logits, fake logits) -> scalar.
        needs_real: Whether ``g`` reads the real logits (relativistic objectives do); where it does not, pass ``None``.
    """

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Any, Tensor], Tensor]
    needs_real: bool = False


@dataclass(frozen=True)
class Goal:
    """An objective as the recipe ``custom`` plays it, which may read more than logits, or energies in their place.

    A module offers objectives to ``custom`` by ``OBJECTIVES = {name: objective}``; those that read the logits and
    nothing else are given as an :class:`Objective`, others as a goal.

    Attributes:
        d: Loss of the critic: (real logits, fake logits, real samples, generated samples) -> scalar.
        g: Loss of the generator: (real logits, fake logits) -> scalar.
        needs_real: Whether ``g`` reads the real logits; where it does not, pass ``None``.
        reads: Kind of number that the critic must give: ``LOGITS`` or ``ENERGIES``.
    """

    d: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    g: Callable[[Any, Tensor], Tensor]
    needs_real: bool = False
    reads: str = LOGITS

    @classmethod
    def of(cls, objective: Objective, reads: str = LOGITS) -> Goal:
        """The goal of an objective that reads logits, or energies, and nothing else."""
        return cls(lambda real, fake, x, made: objective.d(real, fake), objective.g, objective.needs_real, reads)
