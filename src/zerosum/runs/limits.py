"""What the arguments of zerosum's recipes can be, where it follows from their names: one name has one meaning.

It is looked at before a recipe is called, so that a message names the argument, and not what it was to become.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerosum.errors import UsageError
from zerosum.pages import Page

COUNTS = frozenset({"latent", "width", "g_width", "d_width", "n_critic", "batch_size", "steps"})
RATES = frozenset({"lr", "g_lr", "d_lr"})
DECAYS = frozenset({"beta1", "beta2"})


def check(page: Page, arguments: Mapping[str, Any]) -> None:
    """Refuse a count below 1, a learning rate that is not above 0, and the like.

    Args:
        page: The recipe. One's own may mean something else by these names, and is not looked at.
        arguments: All of its arguments. Those that are ``None`` have a default that the recipe chooses.

    Raises:
        UsageError: A value makes no sense; the message names the argument.
    """
    if page.origin is not None:
        return
    for name, value in arguments.items():
        if value is not None and (must := _must_be(name, value, arguments)):
            raise UsageError(f"recipe {page.name!r}: {name}={value}: must be {must}", argument=name)


def _must_be(name: str, value: Any, arguments: Mapping[str, Any]) -> str:
    """What a value must be; ``""`` where it is."""
    if name in COUNTS and not value >= 1:
        return "at least 1"
    if name in RATES and not value > 0:
        return "above 0, as a learning rate"
    if name in DECAYS and not 0 <= value < 1:
        return "at least 0 and below 1"
    steps = arguments.get("steps")  # None: the recipe knows how many, and looks for itself
    if name == "decay_after" and (value < 0 or (steps is not None and value >= steps)):
        return f"at least 0 and below steps={steps}" if steps is not None else "at least 0"
    return ""
