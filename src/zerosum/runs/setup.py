"""From a recipe's name, its arguments and settings to everything a run needs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

import torch

from zerosum import recipe as recipes
from zerosum.core import parallel
from zerosum.core.ema import Average, warmed_up
from zerosum.core.game import Player
from zerosum.core.random import generator, reseed, seed_for
from zerosum.data import Data, load
from zerosum.recipe import Phase, Recipe, UsageError
from zerosum.runs.settings import Settings, autocast_for, backend_for, device_for


@dataclass(frozen=True)
class Setup:
    """A run about to start: names and values as given, and what they were turned into."""

    name: str
    arguments: dict[str, Any]
    settings: Settings
    data: Data
    recipe: Recipe
    device: torch.device
    autocast: torch.dtype | None
    backend: str | None

    def images(self, steps: int) -> int:
        """Real samples that the busiest player of the first game sees in ``steps`` iterations."""
        players = [p for p in self.recipe.phases[0].game.players.values() if p.every == 1]
        return self.recipe.batch_size * max(_turns(p, steps) for p in players)


def _turns(player: Player, steps: int) -> int:
    """A player's updates in ``steps`` iterations."""
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
        name: of the recipe.
        arguments: its own; the rest are its defaults.
        settings: of the run.
        progress: show a bar while images are decoded.
        stand_in: instead of the real data, where only their shape matters.

    Raises:
        UsageError: no such recipe or argument, or values that the recipe refuses.
        DataError: the data cannot be had.
    """
    known = recipes.arguments(name)
    for key in arguments:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"recipe {name!r} has no argument {key!r}.{hint} It has: {', '.join(known)}")
    full = {key: arguments.get(key, parameter.default) for key, parameter in known.items()}
    for key, parameter in known.items():
        choices = get_args(parameter.annotation) if get_origin(parameter.annotation) is Literal else ()
        if choices and full[key] not in choices:  # the command line has refused it already
            raise UsageError(f"recipe {name!r}: {key} must be one of {', '.join(map(str, choices))}, not {full[key]!r}")
    device = device_for(settings)
    data = stand_in or load(settings.data, size=settings.size, progress=progress)
    torch.manual_seed(seed_for(settings.seed, "init"))
    try:
        recipe = recipes.find(name)(data, **full)
        autocast = autocast_for(settings, device)
        recipe = replace(recipe, phases=tuple(_adapt(p, recipe, settings, autocast) for p in recipe.phases))
    except ValueError as error:
        raise UsageError(f"recipe {name!r} on {settings.data}: {error}") from error
    _check(name, recipe, settings, None if stand_in else data)
    return Setup(name, full, settings, data, recipe, device, autocast, backend_for(settings, device))


def _adapt(phase: Phase, recipe: Recipe, settings: Settings, autocast: torch.dtype | None) -> Phase:
    average = {recipe.generator: Average(warmed_up(settings.ema))} if settings.ema else phase.game.average
    game = replace(phase.game, average=average, autocast=autocast, accumulate=settings.accumulate)
    return replace(phase, game=game)


def _check(name: str, recipe: Recipe, settings: Settings, data: Data | None) -> None:
    world = parallel.world()
    if recipe.batch_size < 1 or recipe.steps < 1:
        raise UsageError(f"recipe {name!r} needs at least one sample per batch and one step")
    if recipe.batch_size % (world * settings.accumulate):
        raise UsageError(
            f"a batch of {recipe.batch_size} cannot be shared equally by {world} process(es) in {settings.accumulate} "
            "part(s) each: change --batch-size or --accumulate"
        )
    if data is not None:
        data.batch(0, recipe.batch_size // world, seed=settings.seed, rank=parallel.rank(), world=world)


class Batches:
    """The batches of a run, in order; ``position`` is the number of the next one, and all there is to remember."""

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
        # Random layers (dropout) use torch's global generator: it too becomes a function of k.
        reseed(seed, "layers", self.rank, k, device=setup.device)
        return setup.recipe.draw(x, y, generator(seed, "draw", self.rank, k, device=setup.device))
