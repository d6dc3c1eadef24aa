"""A two-player game put together from chosen parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.conditioning import concat
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.data.base import Data
from zerosum.data.noise import annealed, count, instance_noise
from zerosum.data.priors import labels, normal
from zerosum.networks.common import Norm
from zerosum.objectives.logits import wide
from zerosum.parts import compatible, pick
from zerosum.parts.critics import (
    CONDITIONINGS,
    CONSTRAINTS,
    LABELS,
    NETWORKS,
    NORMS,
    Conditioning,
    Constraint,
    Networks,
    Plan,
    conditional,
)
from zerosum.parts.objectives import GOALS, Goal
from zerosum.parts.penalties import PENALTIES, Penalty
from zerosum.parts.play import DYNAMICS, OPTIMIZERS
from zerosum.parts.situation import Held, Look, Seen, Situation
from zerosum.recipe import Phase, Recipe


class Choice(NamedTuple):
    """Names of parts, and the numbers that belong to them; see the recipe ``custom``."""

    objective: str
    penalty: str
    penalty_weight: float | None
    network: str | None
    conditioning: str
    labels: str
    constraint: str
    c: float
    norm: str | None
    dropout: float
    dynamics: str


class Batch(NamedTuple):
    """All that may be drawn; what the chosen parts do not need is empty."""

    x: Tensor  # real samples
    y: Tensor | None  # their labels, where labels are used
    given: tuple[Tensor, ...]  # what G is called with: latents, and the labels y
    noise: tuple[Tensor, ...]  # N(0, I) for what the critic sees, of real and of generated samples
    drawn: tuple[Tensor, ...]  # for the penalty


@dataclass(frozen=True)
class Parts:
    """The parts themselves, checked against each other and the data."""

    goal: Goal
    penalty: Penalty | None
    weight: float
    family: Networks
    conditioning: Conditioning | None
    constraint: Constraint
    classes: int  # that are used: 0 without conditioning
    label_norm: Norm | None  # of the generator, if labels enter it there


def resolve(data: Data, choice: Choice) -> Parts:
    """Names to parts.

    Raises:
        ValueError: there is no such part, or two of them cannot be combined.
    """
    network = choice.network or ("mlp" if data.is_points else "dcgan")
    family = pick(NETWORKS, network, "network")
    if data.is_points and not family.points:
        raise ValueError(f"network {network!r} needs images, and {data.name} has points: use network='mlp'")
    goal = pick(GOALS, choice.objective, "objective")
    penalty = pick(PENALTIES, choice.penalty, "penalty")
    conditioning = pick(CONDITIONINGS, choice.conditioning, "conditioning")
    constraint = pick(CONSTRAINTS, choice.constraint, "constraint")
    compatible.check_objective(choice.objective, goal, network, family)
    compatible.check_critic(network, family, constraint, choice.norm, choice.dropout)
    compatible.check_conditioning(choice.conditioning, conditioning, family, len(data.classes), data.is_points)
    compatible.check_labels(choice.labels, choice.conditioning, network, family)
    compatible.check_penalty(choice.penalty, penalty, family, conditioning, choice.dropout)
    weight = choice.penalty_weight if choice.penalty_weight is not None else penalty.weight if penalty else 0.0
    if weight < 0:
        raise ValueError(f"penalty_weight={weight}: must be at least 0 (0, or penalty='none', is without it)")
    classes = len(data.classes) if conditioning else 0
    norm = pick(LABELS, choice.labels, "labels")
    return Parts(goal, penalty, weight, family, conditioning, constraint, classes, norm(classes) if norm else None)


def networks(
    shape: tuple[int, ...], parts: Parts, choice: Choice, latent: int, width: int, kernel: int
) -> tuple[dict[str, nn.Module], Look]:
    """Both networks, and how to ask the critic."""
    planes = parts.classes if parts.conditioning is not None and parts.conditioning.planes else 0
    seen = (shape[0] + planes, *shape[1:])
    norm = pick(NORMS, choice.norm or parts.family.norm or "none", "norm")
    beside = parts.classes > 0 and parts.label_norm is None
    inputs = latent + parts.classes if beside else latent
    generator, critic = parts.family.pair(
        Plan(shape, seen, inputs, width, kernel, norm, parts.constraint.wrap, choice.dropout, parts.label_norm)
    )
    if beside:
        generator = concat.Generator(generator, parts.classes)
    critic, look = conditional(critic, parts.family, parts.conditioning, parts.classes)
    return {"G": generator, "D": critic}, look


Loss = Callable[[Nets, Batch, Memory], Terms]
Sight = Callable[[Tensor, Batch, Memory, int], Tensor]  # what the critic sees of samples: (x, b, m, 0 real or 1 fake)


def losses(parts: Parts, look: Look, sight: Sight, unroll: int) -> tuple[Loss, Loss]:
    """What the critic and the generator minimise."""
    classifies = parts.conditioning is not None and parts.conditioning.classifies
    matches = parts.penalty is not None and parts.penalty.of == "G" and "features" in parts.penalty.needs
    g_sees_real = parts.goal.needs_real or matches or unroll > 0

    def situation(n: Nets, b: Batch, m: Memory, real: bool) -> Situation:
        x, fake = sight(b.x, b, m, 0), sight(n.G(*b.given), b, m, 1)
        seen = look(n.D, x, b.y) if real else None
        return Situation(Held(look, n.D, b.y), x, fake, seen, look(n.D, fake, b.y), lambda: look(n.D, x, b.y), b.drawn)

    def penalty(who: str, s: Situation) -> Terms:
        if parts.penalty is None or parts.penalty.of != who:
            return {}
        return {"penalty": parts.weight * parts.penalty.term(s)}

    def classes(b: Batch, **seen: Seen | None) -> Terms:
        return {key: class_loss(some, b.y) for key, some in seen.items()} if classifies else {}

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        s = situation(n, b, m, real=True)
        return {"adv": parts.goal.d(s), **penalty("D", s), **classes(b, **{"class": s.seen, "class_fake": s.seen_fake})}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        s = situation(n.after("D", unroll) if unroll else n, b, m, real=g_sees_real)
        # What the critic will say of real samples depends on G too (Metz et al. 2017, Eq. 10): all of its loss counts.
        adv = -parts.goal.d(s) if unroll else parts.goal.g(s)
        return {"adv": adv, **penalty("G", s), **classes(b, **{"class": s.seen_fake})}

    return d_loss, g_loss


def class_loss(seen: Seen | None, y: Tensor | None) -> Tensor:
    """-E log P(C = y | x), of an auxiliary classifier."""
    assert seen is not None
    assert seen.classes is not None
    assert y is not None
    return F.cross_entropy(wide(seen.classes), y)


def random_variables(parts: Parts, latent: int, noisy: bool) -> tuple[Callable[..., Batch], Callable[..., Any]]:
    """``Recipe.draw`` and ``Recipe.prior``."""

    def given(n: int, y: Tensor | None, rng: torch.Generator) -> tuple[Tensor, ...]:
        return (normal(n, latent, rng),) if y is None else (normal(n, latent, rng), y)

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        used = y if parts.classes else None
        shape = (2, *x.shape) if noisy else (0,)
        noise = tuple(torch.randn(shape, generator=rng, device=x.device))
        drawn = parts.penalty.draw(x, rng) if parts.penalty else ()
        return Batch(x, used, given(len(x), used, rng), noise, drawn)

    def prior(n: int, rng: torch.Generator) -> Tensor | tuple[Tensor, ...]:
        y = labels(n, parts.classes, rng) if parts.classes else None
        drawn = given(n, y, rng)
        return drawn if parts.classes else drawn[0]

    return draw, prior


def compose(
    data: Data,
    choice: Choice,
    *,
    strength: float,
    noise: float,
    unroll: int,
    optimizer: str,
    rates: dict[str, float],
    betas: tuple[float, float],
    n_critic: int,
    latent: int,
    width: int,
    kernel: int,
    batch_size: int,
    steps: int,
) -> Recipe:
    """The recipe.

    Raises:
        ValueError: something does not exist, or cannot be combined; before anything is trained.
    """
    if unroll < 0:
        raise ValueError(f"unroll={unroll}: must be at least 0 (0 is without looking ahead; published: 5 and 10)")
    parts, playing = resolve(data, choice), pick(DYNAMICS, choice.dynamics, "dynamics")
    nets, look = networks(data.shape, parts, choice, latent, width, kernel)
    fade = annealed(noise, steps)

    def sight(x: Tensor, b: Batch, m: Memory, which: int) -> Tensor:
        return instance_noise(x, b.noise[which], fade(m["t"])) if b.noise else x

    d_loss, g_loss = losses(parts, look, sight, unroll)
    make = pick(OPTIMIZERS, optimizer, "optimizer")
    project = parts.constraint.project
    game = Game(
        nets,
        opts={name: playing.wrap(make(rate, *betas)) for name, rate in rates.items()},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
        project={} if project is None else {"D": project(nets["D"], choice.c)},
        memory={"t": torch.zeros((), dtype=torch.int64)} if noise else {},
        remember=count if noise else Game.remember,
    )
    dynamics = None if playing.dynamics is None else playing.dynamics(strength)
    if dynamics is not None:
        dynamics(game)  # refuses what it cannot play

    draw, prior = random_variables(parts, latent, bool(noise))
    return Recipe((Phase(game, steps),), batch_size, draw, prior, dynamics=dynamics)
