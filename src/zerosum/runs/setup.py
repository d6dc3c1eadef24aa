"""From a recipe's name, arguments and settings to everything that a run needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

import torch

from zerosum import registry
from zerosum.core import parallel
from zerosum.core.ema import Average, warmed_up
from zerosum.core.game import Player
from zerosum.core.random import generator, reseed, seed_for
from zerosum.data import Data, load
from zerosum.errors import UsageError
from zerosum.runs.settings import Settings, autocast_for, backend_for, device_for
from zerosum.system import Phase, Recipe


@dataclass(frozen=True)
class Setup:
    """What is trained: names and values as given, and what they became.

    Attributes:
        name: Name of the recipe.
        arguments: All arguments of the recipe.
        settings: Settings of the run.
        data: Data to learn.
        recipe: The recipe, ready to train.
        device: Device to compute on.
        autocast: Precision of the losses. ``None``: float32.
        backend: Backend of ``torch.compile``. ``None``: nothing is compiled.
    """

    name: str
    arguments: dict[str, Any]
    settings: Settings
    data: Data
    recipe: Recipe
    device: torch.device
    autocast: torch.dtype | None
    backend: str | None

    def images(self, steps: int) -> int:
        """Number of real samples that the busiest player of the first game sees in ``steps`` iterations."""
        players = [p for p in self.recipe.phases[0].game.players.values() if p.every == 1]
        return self.recipe.batch_size * max(_turns(p, steps) for p in players)


def _turns(player: Player, steps: int) -> int:
    """Number of a player's updates in ``steps`` iterations."""
    return sum(map(player.updates, range(steps))) if callable(player.steps) else player.steps * steps


def build(
    name: str,
    arguments: Mapping[str, Any],
    settings: Settings,
    *,
    progress: bool = False,
    stand_in: Data | None = None,
) -> Setup:
    """Load the data and build the recipe.

    Args:
        name: Name of the recipe.
        arguments: Arguments of the recipe. Those that are missing have their defaults.
        settings: Settings of the run.
        progress: Whether to show a progress bar while images are decoded.
        stand_in: Data to use instead of the real ones, where only their shape matters.

    Raises:
        UsageError: There is no such recipe or argument, or the recipe refuses a value.
        DataError: The data cannot be loaded.
    """
    arguments, known = registry.current(name, arguments), registry.arguments(name)
    full = {key: arguments.get(key, parameter.default) for key, parameter in known.items()}
    for key, parameter in known.items():
        choices = get_args(parameter.annotation) if get_origin(parameter.annotation) is Literal else ()
        if choices and full[key] not in choices:  # only from Python: the command line refuses it itself
            raise UsageError(f"recipe {name!r}: {key} must be one of {', '.join(map(str, choices))}, not {full[key]!r}")
    device = device_for(settings)
    data = stand_in or load(settings.data, size=settings.size, progress=progress)
    torch.manual_seed(seed_for(settings.seed, "init"))
    try:
        recipe = registry.find(name)(data, **full)
        autocast = autocast_for(settings, device)
        recipe = replace(recipe, phases=tuple(_adapt(p, recipe, settings, autocast) for p in recipe.phases))
    except ValueError as error:
        raise UsageError(f"recipe {name!r} on {settings.data}: {error}") from error
    _check(name, recipe, settings, None if stand_in else data)
    return Setup(name, full, settings, data, recipe, device, autocast, backend_for(settings, device))


def _adapt(phase: Phase, recipe: Recipe, settings: Settings, autocast: torch.dtype | None) -> Phase:
    average = phase.game.average
    if settings.ema is not None:
        average = {recipe.generator: Average(warmed_up(settings.ema))} if settings.ema else {}
    game = replace(phase.game, average=average, autocast=autocast, accumulate=settings.accumulate)
    return replace(phase, game=game)


def _check(name: str, recipe: Recipe, settings: Settings, data: Data | None) -> None:
    world = parallel.world()
    if recipe.batch_size < 1 or recipe.steps < 1:
        raise UsageError(f"recipe {name!r} needs at least one sample per batch and one step")
    if recipe.batch_size % (world * settings.accumulate):
        raise UsageError(
            f"a batch of {recipe.batch_size} cannot be shared equally among {world} process(es) in "
            f"{settings.accumulate} part(s) each: change batch_size or accumulate"
        )
    if data is not None:
        data.batch(0, recipe.batch_size // world, seed=settings.seed, rank=parallel.rank(), world=world)


class Batches:
    """The batches of a run, in order. The number of the next one is all that has to be remembered.

    Args:
        setup: What is trained.
        position: Number of the next batch.
    """

    def __init__(self, setup: Setup, position: int = 0) -> None:
        self.setup, self.position = setup, position
        self.rank, self.world = parallel.rank(), parallel.world()

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Any:
        """Batch ``position``: real samples, and the algorithm's random variables drawn for it."""
        setup, k, seed = self.setup, self.position, self.setup.settings.seed
        self.position += 1
        size = setup.recipe.batch_size // self.world
        x, y = setup.data.batch(k, size, seed=seed, rank=self.rank, world=self.world, device=setup.device)
        # Random layers (dropout) use torch's global generator, which becomes a function of k as well.
        reseed(seed, "layers", self.rank, k, device=setup.device)
        return setup.recipe.draw(x, y, generator(seed, "draw", self.rank, k, device=setup.device))
