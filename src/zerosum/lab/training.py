"""What experiments play: recipes, single critics, games of numbers; all on the engine that trains runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zerosum.core.dynamics import Dynamics, alternating
from zerosum.core.game import Game, Loss, Memory, Nets, Player, Projection, Said, State, Terms, start
from zerosum.core.optim import Optimizer
from zerosum.core.train import train
from zerosum.lab.base import Lab
from zerosum.runs.phases import begin, phases, sampler_of
from zerosum.runs.settings import Settings
from zerosum.runs.setup import Batches, Setup, build
from zerosum.theory.arrays import Array


class Scalar(nn.Module):
    """A network that is one number, float64 and at first 0; a call returns that number."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self) -> Tensor:
        """The number, a scalar."""
        return self.value


@contextmanager
def seed_weights(seed: int) -> Iterator[None]:
    """Give networks that are built in the block weights that depend only on the seed.

    The global generator of torch is left as it was.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def prepare(name: str, *, data: str, seed: int, steps: int, **arguments: Any) -> Setup:
    """A recipe with its data, on the CPU in float32.

    Args:
        name: Name of the recipe.
        data: Source of the data.
        seed: Seed of everything random.
        steps: Generator updates.
        arguments: Further arguments of the recipe.

    Raises:
        UsageError: The recipe refuses them.
    """
    return build(name, {**arguments, "steps": steps}, plain_settings(data, seed))


def plain_settings(data: str, seed: int) -> Settings:
    """Settings under which results depend on nothing but the seed: CPU, float32, not compiled.

    Args:
        data: Source of the data.
        seed: Seed of everything random.
    """
    return Settings(data=data, seed=seed, device="cpu", precision="float32", compile="off")


def play(setup: Setup) -> Iterator[tuple[int, State, Said]]:
    """Iterate over ``(step, state, said)``: the untrained state as step 0 without losses, then each iteration's."""
    state = begin(setup, setup.recipe.phases[0].game)
    yield 0, state, {}
    yield from phases(setup, Batches(setup), state, 0)


def samples(setup: Setup, state: State, count: int) -> Tensor:
    """What the generator makes at a state, (count, ...), from latents that are the same at every call."""
    with torch.no_grad():
        return sampler_of(setup, state, 0)(0, count)


def game_of(setup: Setup) -> Game:
    """The rules of a recipe's first phase."""
    return setup.recipe.phases[0].game


def train_critic(
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
    """Train a critic D that nobody plays against; the result holds it after training, as ``nets.D``.

    Args:
        net: The critic D.
        loss: Loss that it descends.
        optimizer: Optimizer of the critic.
        batches: Endless batches.
        steps: Updates to make.
        lab: Seed, folder and progress bars.
        label: Label of the progress bar.
        project: Constraint on D.
    """
    game = Game({"D": net}, {"D": optimizer}, {"D": Player(("D",), loss)}, project=dict(project or {}))
    state = start(game)
    for _, after, _ in lab.track(train(game, state, batches, steps, check_every=steps), label, steps):
        state = after
    return Nets(game, state, None)


def zero_sum_game(value: Callable[[Tensor, Tensor], Tensor], optimizer: Optimizer) -> Game:
    """The game of two numbers x and y in which x minimises a value and y maximises it.

    Args:
        value: The value as a function of x and y.
        optimizer: Optimizer of both players.
    """

    def x_loss(n: Nets, b: None, m: Memory) -> Terms:
        return {"value": value(n.x(), n.y())}

    def y_loss(n: Nets, b: None, m: Memory) -> Terms:
        return {"value": -value(n.x(), n.y())}

    players = {"x": Player(("x",), x_loss), "y": Player(("y",), y_loss)}
    return Game({"x": Scalar(), "y": Scalar()}, {"x": optimizer, "y": optimizer}, players)


def path(
    game: Game, begin: Mapping[str, float], steps: int, dynamics: Dynamics = alternating, *, reach: float = math.inf
) -> Array:
    """Where the players of a game of numbers are before the first step and after each.

    Args:
        game: Game of networks with one weight, ``value``.
        begin: Place at which each network begins.
        steps: Steps to make, on no batches.
        dynamics: How turns become updates.
        reach: Limit that ends the path once a number is beyond it.

    Returns:
        Places, (steps + 1, networks) or fewer, with the networks in the order of ``begin``.
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
    """The factor by which a distance grows at each step: least squares on its logarithm, over the second half.

    Args:
        distance: Distance before the first step and after each, (steps + 1,), above 0.
    """
    logs = np.log(distance)
    late = np.arange(len(logs) // 2, len(logs))
    return math.exp(np.polyfit(late, logs[late], 1)[0])
