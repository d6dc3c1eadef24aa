"""Recipes played from within an experiment, by the engine that trains runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from zerosum.core.game import Game, Said, State
from zerosum.runs.loop import begin, phases, sampler_of
from zerosum.runs.settings import Settings
from zerosum.runs.setup import Batches, Setup, build


class Scalar(nn.Module):
    """A network that is one number, float64: calling it gives that number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self) -> Tensor:
        """The number, a scalar."""
        return self.value


def prepare(name: str, *, data: str, seed: int, steps: int, **arguments: Any) -> Setup:
    """A recipe with its data, on the CPU in float32.

    Args:
        name: of the recipe.
        data: its source.
        seed: of everything random.
        steps: generator updates.
        arguments: the recipe's own.

    Raises:
        UsageError: the recipe refuses them.
    """
    settings = Settings(data=data, seed=seed, device="cpu", precision="float32", compile="off")
    return build(name, {**arguments, "steps": steps}, settings)


def play(setup: Setup) -> Iterator[tuple[int, State, Said]]:
    """``(step, state, said)``: first the untrained state, as step 0 without losses, then after each iteration."""
    state = begin(setup, setup.recipe.phases[0].game)
    yield 0, state, {}
    yield from phases(setup, Batches(setup), state, 0)


def samples(setup: Setup, state: State, count: int) -> Tensor:
    """What the generator makes at a state, from latents that are the same at every call: (count, ...)."""
    with torch.no_grad():
        return sampler_of(setup, state, 0)(0, count)


def game_of(setup: Setup) -> Game:
    """The rules of a recipe's first phase."""
    return setup.recipe.phases[0].game


def growth(distance: npt.NDArray[np.float64]) -> float:
    """By how much a distance is multiplied at each step: least squares on its logarithm, over the second half.

    Args:
        distance: before the first step and after each, (steps + 1,), above 0.
    """
    logs = np.log(distance)
    late = np.arange(len(logs) // 2, len(logs))
    return math.exp(np.polyfit(late, logs[late], 1)[0])
