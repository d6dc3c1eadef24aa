"""What a recipe returns, and how recipes are found: every module in ``recipes/`` that defines ``recipe`` is one."""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zerosum.core.dynamics import Dynamics
    from zerosum.core.game import Game
    from zerosum.data.base import Data

    Prior = Callable[[int, torch.Generator], Tensor | tuple[Tensor, ...]]


class UsageError(ValueError):
    """Something the user asked for cannot be done; the message says what, why, and what to do instead."""


class Batch(NamedTuple):
    """What most losses see; recipes with more random variables define their own."""

    x: Tensor  # real samples
    z: Tensor  # latents


class ClassBatch(NamedTuple):
    """What class-conditional losses see where real and generated samples have labels of their own."""

    x: Tensor  # real samples
    y: Tensor  # their labels, int64
    z: Tensor  # latents
    c: Tensor  # the classes that are asked of the generator, int64


@dataclass(frozen=True)
class Phase:
    """One stage of training: a game, and for how many iterations it is played."""

    game: Game
    steps: int


@dataclass(frozen=True)
class Recipe:
    """A published system, ready to train and to sample from.

    Attributes:
        phases: played in order; weights are carried from one to the next by name.
        batch_size: real samples per update.
        draw: ``(x, y, rng) -> batch``: adds the algorithm's random variables to real samples and labels.
        prior: ``(n, rng) ->`` what the generator is called with, to sample: latents, or a tuple of ``n`` each such as
            (latents, labels) for a conditional one.
        generator: name of the network that maps latents to samples.
        dynamics: how turns become updates; ``None`` for alternating play.
    """

    phases: tuple[Phase, ...]
    batch_size: int
    draw: Callable[[Tensor, Tensor | None, torch.Generator], Any]
    prior: Prior
    generator: str = "G"
    dynamics: Dynamics | None = None

    @property
    def steps(self) -> int:
        """Iterations in all."""
        return sum(phase.steps for phase in self.phases)


def labelled_images(data: Data, instead: str) -> tuple[int, int, int]:
    """(channels, pixels a side, classes) of labelled images, which conditional recipes need.

    Args:
        data: what to learn.
        instead: the recipe to name where there are no labels.

    Raises:
        ValueError: the data are points, or have no labels.
    """
    if data.is_points or len(data.classes) < 2:
        raise ValueError(
            f"needs labelled images, such as a folder with a subfolder for each class; without labels try {instead}"
        )
    channels, size, _ = data.shape
    return channels, size, len(data.classes)


@cache
def names() -> tuple[str, ...]:
    """The recipes there are, without importing any."""
    folder = Path(__file__).parent / "recipes"
    return tuple(sorted(p.stem.replace("_", "-") for p in folder.glob("*.py") if not p.stem.startswith("_")))


def describe(name: str) -> str:
    """The docstring of a recipe's page: the paper, and the departures from it. Imports nothing."""
    source = Path(__file__).parent / "recipes" / f"{name.replace('-', '_')}.py"
    return ast.get_docstring(ast.parse(source.read_text())) or ""


def find(name: str) -> Callable[..., Recipe]:
    """The recipe called ``name``.

    Raises:
        UsageError: there is none; suggests the nearest.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"there is no recipe {name!r}.{hint} Recipes: {', '.join(names())}")
    found: Callable[..., Recipe] = importlib.import_module(f"zerosum.recipes.{name.replace('-', '_')}").recipe
    return found


def arguments(name: str) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a recipe, which are its configuration."""
    parameters = inspect.signature(find(name), eval_str=True).parameters
    return {k: p for k, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
