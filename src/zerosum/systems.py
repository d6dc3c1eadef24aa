"""A system, ready to train and to sample from: what a recipe returns, and the two-player game that most of them are."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zerosum.core.dynamics import Dynamics
from zerosum.core.game import Game, Loss, Player, Steps
from zerosum.core.optim import Optimizer
from zerosum.data.base import Data
from zerosum.latent.priors import Conditional, LabelLaw, Prior, Variable, each, labels

Inputs = Callable[[int, torch.Generator], Tensor | tuple[Tensor, ...]]  # (n, rng) -> what a generator is called with


class Batch(Protocol):
    """What losses see: real samples and the algorithm's random variables, as attributes.

    Attributes:
        x: Real samples, (B, ...).
        y: Their labels, int64 (B,); ``None`` where the data have none.
        z: Latents, (B, latent).

    Others have the names that the recipe gave them in ``draws``, such as ``b.eps``.
    """

    x: Tensor
    y: Tensor
    z: Tensor

    def __getattr__(self, name: str) -> Tensor: ...


@cache
def _batch_type(names: tuple[str, ...]) -> Callable[..., Any]:
    return namedtuple("Batch", names)  # a tuple: it can be cut in parts, and compiled


def batch(**variables: Any) -> Any:
    """A :class:`Batch` of these variables, for recipes that draw it themselves."""
    return _batch_type(tuple(variables))(**variables)


@dataclass(frozen=True)
class Phase:
    """One stage of training: a game, and for how many iterations it is played."""

    game: Game
    steps: int


@dataclass(frozen=True)
class Coupling:
    """What compares the samples of a batch with one another, so that it depends on how a batch is shared out.

    It sees the samples of one process and part (the settings of a run share a batch out among both), and no others.

    Attributes:
        what: What it is, in messages: "the pulling-away term".
        least: Samples that it needs at least.
        multiple: Number by which the samples that it sees must be divisible.
    """

    what: str
    least: int = 1
    multiple: int = 1


@dataclass(frozen=True)
class Recipe:
    """A system, ready to train and to sample from.

    Attributes:
        phases: Stages, played in order; weights are carried from one to the next by name.
        batch_size: Real samples per update.
        draw: ``(x, y, rng) -> batch``, which adds the algorithm's random variables to real samples and labels.
        prior: ``(n, rng) ->`` what the generator is called with to make samples: latents, or a tuple of ``n`` each
            such as (latents, labels) for a conditional one.
        generator: Name of the network that maps latents to samples.
        dynamics: How turns become updates; ``None`` for alternating play.
        coupled: What compares the samples of a batch with one another and needs several of them, but for batch
            normalisation, which is found in the networks. A run whose batches are shared out into parts that are too
            small for it is refused.
    """

    phases: tuple[Phase, ...]
    batch_size: int
    draw: Callable[[Tensor, Tensor | None, torch.Generator], Any]
    prior: Inputs
    generator: str = "G"
    dynamics: Dynamics | None = None
    coupled: tuple[Coupling, ...] = ()

    @property
    def steps(self) -> int:
        """Iterations in all."""
        return sum(phase.steps for phase in self.phases)


def system(
    game: Game,
    *,
    latent: Prior,
    batch_size: int = 64,
    steps: int = 10_000,
    draws: Mapping[str, Variable] | None = None,
    classes: int | LabelLaw = 0,
    dynamics: Dynamics | None = None,
) -> Recipe:
    """A game, the random variables of its batches, and how long it is played.

    Args:
        game: Networks, optimizers and players.
        latent: Distribution of z.
        batch_size: Real samples per update.
        steps: Iterations in all.
        draws: Random variables of a batch beside x and y, by name and in the order in which they are drawn. Latents
            ``z``, as many as there are real samples, come first unless they are among them.
        classes: Law of the labels where the generator is told a class: ``labels_like(data)`` where training takes
            those of the data; K, where it draws all K classes equally likely. 0: it is told none.
        dynamics: How turns become updates; ``None`` for alternating play.
    """
    variables = dict(draws or {})
    if "z" not in variables:
        variables = {"z": each(latent), **variables}

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Any:
        return batch(x=x, y=y, **{name: variable(x, rng) for name, variable in variables.items()})

    prior = Conditional(latent, labels(classes) if isinstance(classes, int) else classes) if classes else latent
    return Recipe((Phase(game, steps),), batch_size, draw, prior, dynamics=dynamics)


def two_player(
    generator: nn.Module,
    critic: nn.Module,
    d_loss: Loss,
    g_loss: Loss,
    *,
    latent: Prior,
    batch_size: int = 64,
    steps: int = 10_000,
    opt: Optimizer | None = None,
    d_opt: Optimizer | None = None,
    g_opt: Optimizer | None = None,
    n_critic: Steps = 1,
    draws: Mapping[str, Variable] | None = None,
    classes: int | LabelLaw = 0,
    dynamics: Dynamics | None = None,
    coupled: tuple[Coupling, ...] = (),
    **rules: Any,
) -> Recipe:
    """The classic game: critic D descends ``d_loss`` ``n_critic`` times, then generator G descends ``g_loss`` once.

    Args:
        generator: G.
        critic: D.
        d_loss: ``(nets, batch, memory) -> {name: scalar}``, minimised by D.
        g_loss: Likewise, minimised by G.
        latent: Distribution of z.
        batch_size: Real samples per update.
        steps: Generator updates in all.
        opt: Optimizer of both players.
        d_opt: The critic's own, where it differs.
        g_opt: The generator's own, where it differs.
        n_critic: Critic updates per generator update.
        draws: Further random variables of a batch; see :func:`system`.
        classes: Law of the labels, or K, where the generator is told a class; see :func:`system`.
        dynamics: How turns become updates; ``None`` for alternating play.
        coupled: What compares the samples of a batch with one another; see :class:`Recipe`.
        rules: Other fields of :class:`~zerosum.core.game.Game`: ``project``, ``average``, ``memory``, ``remember``.

    Raises:
        ValueError: A player has no optimizer, or the critic no update.
    """
    d, g = d_opt or opt, g_opt or opt
    if d is None or g is None:
        raise ValueError("two_player needs an optimizer for each player: give opt, or both d_opt and g_opt")
    if not callable(n_critic) and n_critic < 1:
        raise ValueError(f"n_critic={n_critic}: must be at least 1")
    players = {"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)}
    game = Game({"G": generator, "D": critic}, {"D": d, "G": g}, players, **rules)
    made = system(
        game, latent=latent, batch_size=batch_size, steps=steps, draws=draws, classes=classes, dynamics=dynamics
    )
    return replace(made, coupled=coupled)


def labelled_shape(data: Data, instead: str) -> tuple[int, int, int]:
    """(channels, pixels a side, classes) of labelled images, which conditional recipes need.

    Args:
        data: Data to learn.
        instead: Recipe to name where there are no labels.

    Raises:
        ValueError: The data are points, or have no labels.
    """
    if data.is_points or len(data.classes) < 2:
        raise ValueError(
            f"needs labelled images, such as a folder with a subfolder for each class; without labels try {instead}"
        )
    channels, size, _ = data.shape
    return channels, size, len(data.classes)
