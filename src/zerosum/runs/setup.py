"""From a recipe's name, arguments and settings to everything that a run needs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from zerosum import registry
from zerosum.core import parallel
from zerosum.core.dynamics import consensus
from zerosum.core.ema import Average, warmed_up
from zerosum.core.game import Player
from zerosum.core.random import generator, reseed, seed_for
from zerosum.data import Data, check_batch, check_data, load
from zerosum.errors import UsageError
from zerosum.pages import Page
from zerosum.runs import limits
from zerosum.runs.blame import blaming
from zerosum.runs.settings import RESERVED, Settings, autocast_for, backend_for, device_for
from zerosum.runs.sharing import check_sharing
from zerosum.systems import Phase, Recipe


@dataclass(frozen=True)
class Setup:
    """What is trained: names and values as given, and what they became.

    Attributes:
        page: The recipe as it was found.
        arguments: All arguments of the recipe.
        settings: Settings of the run.
        data: Data to learn.
        recipe: What the recipe made of them, ready to train.
        device: Device to compute on.
        autocast: Precision of the losses. ``None``: float32.
        backend: Backend of ``torch.compile``. ``None``: nothing is compiled.
    """

    page: Page
    arguments: dict[str, Any]
    settings: Settings
    data: Data
    recipe: Recipe
    device: torch.device
    autocast: torch.dtype | None
    backend: str | None

    @property
    def name(self) -> str:
        """Name of the recipe."""
        return self.page.name

    def images(self, steps: int) -> int:
        """Number of real samples that the busiest player of the first game sees in ``steps`` iterations."""
        players = [p for p in self.recipe.phases[0].game.players.values() if p.every == 1]
        return self.recipe.batch_size * max(_turns(p, steps) for p in players)


def _turns(player: Player, steps: int) -> int:
    """Number of a player's updates in ``steps`` iterations."""
    return sum(map(player.updates, range(steps))) if callable(player.steps) else player.steps * steps


def build(
    recipe: str | Page,
    arguments: Mapping[str, Any],
    settings: Settings,
    *,
    progress: bool = False,
    data: Any = None,
    labels: Any = None,
    stand_in: bool = False,
) -> Setup:
    """Load the data and build the recipe.

    Args:
        recipe: The recipe, or the name of one.
        arguments: Arguments of the recipe. Those that are missing have their defaults.
        settings: Settings of the run.
        progress: Whether to show a progress bar while images are decoded.
        data: Data instead of those that the settings name; see :func:`zerosum.data.load`. ``None``: those.
        labels: Labels of an array or tensor.
        stand_in: Whether ``data`` stand for the real ones, where only their shape matters.

    Raises:
        UsageError: There is no such argument, or the recipe refuses a value.
        DataError: The data cannot be loaded.
    """
    page = registry.page(recipe)
    full = _complete(page, arguments)
    limits.check(page, full)
    device = device_for(settings)
    if not stand_in:
        wanted = settings.data if data is None else data
        ready = isinstance(wanted, Data) and wanted.shape[-1] == settings.size
        data = load(wanted, labels=labels, size=None if ready else settings.size, progress=progress)
        check_data(data)
        settings = replace(settings, data=data.name)
    torch.manual_seed(seed_for(settings.seed, "init"))
    made = _call(page, data, full)
    autocast = autocast_for(settings, device, points=data.is_points)
    made = replace(made, phases=tuple(_adapt(p, made, settings, autocast) for p in made.phases))
    _check(page.name, made, settings, None if stand_in else data)
    return Setup(page, full, settings, data, made, device, autocast, backend_for(settings, device))


def _complete(page: Page, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a recipe.

    Raises:
        UsageError: There is no such argument, it cannot have that value, or its name is that of a setting.
    """
    refuse_clashes(page)
    full = page.defaults | page.current(arguments)
    for key, value in full.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"recipe {page.name!r}: {key}={value!r} cannot be recorded; arguments are numbers, texts, True, False, "
                "None, or lists of these"
            ) from error
    return full


def refuse_clashes(page: Page) -> None:
    """Refuse a recipe with an argument that is called as a setting of every run is.

    Raises:
        UsageError: There is such an argument.
    """
    for key in page.arguments:
        if key in RESERVED:
            raise UsageError(f"recipe {page.name!r}: every run has a setting {key!r}; give the argument another name")


def _call(page: Page, data: Data, arguments: Mapping[str, Any]) -> Recipe:
    """What a recipe makes of the data.

    Raises:
        UsageError: The recipe refuses the data or an argument, fails, or does not return a ``Recipe``.
    """
    with blaming(page, f"on {data.name}"):
        try:
            recipe = page.function(data, **arguments)
        except ValueError as error:
            named = re.match(r"(\w+)=", str(error))  # messages of recipes begin with the argument, as in "width=0: ..."
            argument = named[1] if named and named[1] in arguments else None
            raise UsageError(f"recipe {page.name!r} on {data.name}: {error}", argument=argument) from error
    if not isinstance(recipe, Recipe):
        raise UsageError(
            f"recipe {page.name!r} returned {type(recipe).__name__}, not a Recipe; return what two_player(...) or "
            "system(...) gives"
        )
    return recipe


def _adapt(phase: Phase, recipe: Recipe, settings: Settings, autocast: torch.dtype | None) -> Phase:
    average = phase.game.average
    if settings.ema is not None:
        average = {recipe.generator: Average(warmed_up(settings.ema))} if settings.ema else {}
    game = replace(phase.game, average=average, autocast=autocast, accumulate=settings.accumulate)
    return replace(phase, game=game)


def _check(name: str, recipe: Recipe, settings: Settings, data: Data | None) -> None:
    world = parallel.world()
    for key, value in (("batch_size", recipe.batch_size), *(("steps", phase.steps) for phase in recipe.phases)):
        if type(value) is not int:
            raise UsageError(f"recipe {name!r}: its {key} must be a whole number, not {value!r}")
        if value < 1:
            raise UsageError(f"recipe {name!r}: its {key}={value} must be at least 1", argument=key)
    networks = recipe.phases[0].game.nets if recipe.phases else {}
    if recipe.generator not in networks:
        raise UsageError(
            f"recipe {name!r}: its generator is called {recipe.generator!r}, but its networks are "
            f"{', '.join(networks) or 'none'}; give Recipe(generator=...) one of these"
        )
    if world > 1 and getattr(recipe.dynamics, "__code__", None) is consensus(0).__code__:
        raise UsageError(
            f"recipe {name!r}: consensus takes the squared length of the gradients of a whole batch, which is not the "
            f"mean of those that {world} processes find in their parts: train with 1 process"
        )
    if data is not None:
        check_sharing(name, recipe, settings.accumulate, data)
        check_batch(data, recipe.batch_size // world, seed=settings.seed, rank=parallel.rank(), world=world)


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
