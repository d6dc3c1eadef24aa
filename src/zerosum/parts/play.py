"""Dynamics and optimizers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zerosum.core.dynamics import Dynamics, consensus, extragradient, optimistic, simultaneous
from zerosum.core.optim import Optimizer, adam, rmsprop, sgd


@dataclass(frozen=True)
class Playing:
    """How turns become updates.

    Attributes:
        dynamics: Dynamics of a given strength; ``None`` for alternating play.
        wrap: Change that is made to each player's optimizer.
    """

    dynamics: Callable[[float], Dynamics] | None = None
    wrap: Callable[[Optimizer], Optimizer] = lambda optimizer: optimizer


DYNAMICS = {
    "alternating": Playing(),
    "simultaneous": Playing(lambda strength: simultaneous),
    "extragradient": Playing(lambda strength: extragradient),
    "optimistic": Playing(lambda strength: simultaneous, optimistic),
    "consensus": Playing(consensus),
}
OPTIMIZERS: dict[str, Callable[[float, float, float], Optimizer]] = {
    "adam": lambda lr, beta1, beta2: adam(lr, beta1=beta1, beta2=beta2),
    "rmsprop": lambda lr, beta1, beta2: rmsprop(lr),
    "sgd": lambda lr, beta1, beta2: sgd(lr, momentum=beta1),
}
