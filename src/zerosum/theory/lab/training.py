"""What experiments play: recipes, single critics, games of numbers; all by the engine that trains runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from zerosum.core.dynamics import Dynamics, alternating
from zerosum.core.game import Game, Loss, Nets, Player, Projection, Said, State, start
from zerosum.core.optim import Optimizer
from zerosum.core.train import train
from zerosum.runs.loop import begin, phases, sampler_of
from zerosum.runs.settings import Settings
from zerosum.runs.setup import Batches, Setup, build
from zerosum.theory.lab.base import Lab

Array = npt.NDArray[np.float64]


class Scalar(nn.Module):
    """A network that is one number, float64, 0 at first: calling it gives that number."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self) -> Tensor:
        """The number, a scalar."""
        return self.value


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Networks built inside get weights that depend on the seed alone; torch's global generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


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


def alone(
    net: nn.Module,
    loss: Loss,
    optimizer: Optimizer,
    batches: Iterator[Any],
    steps: int,
    *,
    lab: Lab,
    label: str,
    project: Mapping[str, Projection] | None = None,
) -> Nets:
    """A critic D that learns with nobody against it; after its training, for use as ``nets.D``.

    Args:
        net: D.
        loss: that it descends.
        optimizer: of it.
        batches: without end.
        steps: of training.
        lab: the room.
        label: of the progress bar.
        project: D's constraint.
    """
    game = Game({"D": net}, {"D": optimizer}, {"D": Player(("D",), loss)}, project=dict(project or {}))
    state = start(game)
    for _, after, _ in lab.track(train(game, state, batches, steps, check_every=steps), label, steps):
        state = after
    return Nets(game, state, None)


def path(
    game: Game, begin: Mapping[str, float], steps: int, dynamics: Dynamics = alternating, *, reach: float = math.inf
) -> Array:
    """Where the players of a game of numbers are before the first step and after each.

    Args:
        game: of networks with one weight, ``value``.
        begin: where each network is to begin.
        steps: to make, on no batches.
        dynamics: how turns become updates.
        reach: the first number beyond it ends the path.

    Returns:
        (steps + 1, networks), in the order of ``begin``, or fewer.
    """
    at = {name: {"value": torch.tensor(place, dtype=torch.float64)} for name, place in begin.items()}
    state = start(game)._replace(weights=at)
    places = [list(begin.values())]
    for _, after, _ in train(game, state, repeat(None), steps, dynamics=dynamics, check_every=steps):
        places.append([float(after.weights[name]["value"]) for name in begin])
        if max(map(abs, places[-1])) > reach:
            break
    return np.array(places)


def growth(distance: Array) -> float:
    """By how much a distance is multiplied at each step: least squares on its logarithm, over the second half.

    Args:
        distance: before the first step and after each, (steps + 1,), above 0.
    """
    logs = np.log(distance)
    late = np.arange(len(logs) // 2, len(logs))
    return math.exp(np.polyfit(late, logs[late], 1)[0])
