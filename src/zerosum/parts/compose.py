"""A two-player game put together from chosen parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zerosum.conditioning import concat
from zerosum.core.game import Game, Loss, Memory, Nets, Player, Terms
from zerosum.data.augment.noise import annealed, count, instance_noise
from zerosum.data.base import Data
from zerosum.latent.priors import Conditional, LabelLaw, labels_like, normal
from zerosum.networks.common import Norm, keep
from zerosum.networks.critic import Judgement
from zerosum.objectives.classification import class_loss
from zerosum.objectives.objective import Goal
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
    Wanted,
)
from zerosum.parts.objectives import GOALS
from zerosum.parts.penalties import PENALTIES, Penalty
from zerosum.parts.play import DYNAMICS, OPTIMIZERS
from zerosum.parts.situation import Held, Situation
from zerosum.systems import Phase, Recipe


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Names of parts, and the numbers that belong to them: the arguments of the recipe ``custom``, explained there."""

    objective: str
    penalty: str
    penalty_weight: float | None
    network: str | None
    conditioning: str
    g_conditioning: str
    constraint: str
    c: float
    norm: str | None
    dropout: float
    noise: float
    dynamics: str
    strength: float
    unroll: int
    optimizer: str
    d_lr: float
    g_lr: float
    beta1: float
    beta2: float
    n_critic: int
    latent: int
    width: int
    kernel: int
    batch_size: int
    steps: int
    strict: bool


class Drawn(NamedTuple):
    """A batch, with all that may be drawn for it; what the chosen parts do not need is empty.

    Attributes:
        x: Real samples.
        y: Their labels; ``None`` where labels are not used.
        given: What G is called with: latents, and the labels y where they are used.
        noise: Noise N(0, I) on what the critic sees, of real and of generated samples.
        drawn: Random numbers of the penalty.
    """

    x: Tensor
    y: Tensor | None
    given: tuple[Tensor, ...]
    noise: tuple[Tensor, ...]
    drawn: tuple[Tensor, ...]


@dataclass(frozen=True)
class Parts:
    """The parts themselves, checked against each other and the data.

    Attributes:
        goal: Objective of both players.
        penalty: Penalty on one of them, if any.
        weight: Weight of the penalty.
        family: Networks of both players.
        conditioning: Way in which labels enter the critic, if they do.
        constraint: Constraint on the critic's weights.
        classes: Number of classes that are told apart; 0 without conditioning.
        norm: Normalisation in the critic.
        label_norm: Normalisation in the generator, if labels enter it there.
    """

    goal: Goal
    penalty: Penalty | None
    weight: float
    family: Networks
    conditioning: Conditioning | None
    constraint: Constraint
    classes: int
    norm: Norm
    label_norm: Norm | None


def resolve(data: Data, choice: Choice) -> Parts:
    """Names to parts.

    Raises:
        ValueError: A part does not exist, or two of them cannot be combined.
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
    compatible.check_g_conditioning(choice.g_conditioning, choice.conditioning, network, family)
    compatible.check_penalty(choice.penalty, penalty, family, conditioning, choice.dropout)
    name = family.norm or "none"
    if choice.strict:
        compatible.check_norm(choice.norm, constraint, penalty, choice.unroll)
        compatible.check_unrolled(network, family, data.is_points, choice.unroll)
        name = compatible.fitting_norm(family.norm, constraint, penalty, choice.unroll)
    classes = len(data.classes) if conditioning else 0
    label_norm = pick(LABELS, choice.g_conditioning, "conditioning of the generator")
    return Parts(
        goal=goal,
        penalty=penalty,
        weight=choice.penalty_weight if choice.penalty_weight is not None else penalty.weight if penalty else 0.0,
        family=family,
        conditioning=conditioning,
        constraint=constraint,
        classes=classes,
        norm=pick(NORMS, choice.norm or name, "norm"),
        label_norm=label_norm(classes) if label_norm else None,
    )


def check_numbers(choice: Choice) -> None:
    """Numbers that belong to parts must be in their ranges.

    Raises:
        ValueError: One is not; the message names it.
    """
    for name in ("latent", "width", "kernel", "n_critic"):
        compatible.check_number(name, getattr(choice, name), 1)
    for name in ("d_lr", "g_lr"):
        compatible.check_number(name, getattr(choice, name), above=True)
    for name in ("strength", "noise", "unroll", "penalty_weight"):
        if (value := getattr(choice, name)) is not None:
            compatible.check_number(name, value)
    if choice.constraint == "clip":
        compatible.check_number("c", choice.c, above=True)
    compatible.check_turns(choice.dynamics, choice.n_critic)


def networks(shape: tuple[int, ...], parts: Parts, choice: Choice) -> dict[str, nn.Module]:
    """Generator and critic."""
    planes = parts.classes if parts.conditioning is not None and parts.conditioning.planes else 0
    beside = parts.classes > 0 and parts.label_norm is None
    generator, critic = parts.family.pair(
        Wanted(
            shape=shape,
            seen=(shape[0] + planes, *shape[1:]),
            inputs=choice.latent + parts.classes if beside else choice.latent,
            width=choice.width,
            kernel=choice.kernel,
            norm=parts.norm,
            wrap=parts.constraint.wrap,
            dropout=choice.dropout,
            label_norm=parts.label_norm,
        )
    )
    if beside:
        generator = concat.Generator(generator, parts.classes)
    if parts.conditioning is not None:
        critic = parts.conditioning.critic(critic, parts.classes, parts.constraint.wrap if choice.strict else keep)
    return {"G": generator, "D": critic}


Sight = Callable[[Tensor, Drawn, Memory, int], Tensor]  # what the critic sees of samples: (x, b, m, 0 real or 1 fake)


def losses(parts: Parts, sight: Sight, unroll: int) -> tuple[Loss, Loss]:
    """What the critic and the generator minimise."""
    classifies = parts.conditioning is not None and parts.conditioning.classifies
    matches = parts.penalty is not None and parts.penalty.matches
    g_sees_real = parts.goal.needs_real or matches or unroll > 0

    def situation(g: Nets, n: Nets, b: Drawn, m: Memory, real: bool) -> Situation:
        """What there is to look at, with the generator as it is among ``g``, and the critic as it is among ``n``."""
        x, fake = sight(b.x, b, m, 0), sight(g.G(*b.given), b, m, 1)
        return Situation(
            critic=Held(n.D, b.y),
            x=x,
            fake=fake,
            judged=n.D.judge(x, b.y) if real else None,
            judged_fake=n.D.judge(fake, b.y),
            again=lambda: n.D.judge(x, b.y),
            drawn=b.drawn,
        )

    def critic_loss(s: Situation) -> Tensor:
        return parts.goal.d(s.real.logits, s.judged_fake.logits, s.x, s.fake)

    def generator_loss(s: Situation) -> Tensor:
        return parts.goal.g(s.real.logits if parts.goal.needs_real else None, s.judged_fake.logits)

    def penalty(who: str, s: Situation) -> Terms:
        if parts.penalty is None or parts.penalty.of != who:
            return {}
        return {"penalty": parts.weight * parts.penalty.term(s)}

    def classes(b: Drawn, **judged: Judgement | None) -> Terms:
        if not classifies or b.y is None:
            return {}
        return {name: class_loss(some.classes, b.y) for name, some in judged.items() if some is not None}

    def d_loss(n: Nets, b: Drawn, m: Memory) -> Terms:
        s = situation(n, n, b, m, real=True)
        return {
            "adv": critic_loss(s),
            **penalty("D", s),
            **classes(b, **{"class": s.judged, "class_fake": s.judged_fake}),
        }

    def g_loss(n: Nets, b: Drawn, m: Memory) -> Terms:
        # The generator is that of now: what it keeps of this batch (statistics) must not be lost in what is foreseen.
        s = situation(n, n.after("D", unroll) if unroll else n, b, m, real=g_sees_real)
        # What the critic will say of real samples depends on G too (Metz et al. 2017, Eq. 10): all of its loss counts.
        adv = -critic_loss(s) if unroll else generator_loss(s)
        return {"adv": adv, **penalty("G", s), **classes(b, **{"class": s.judged_fake})}

    return d_loss, g_loss


def random_variables(
    parts: Parts, latent: int, noisy: bool, law: LabelLaw | None
) -> tuple[Callable[..., Drawn], Callable[..., Any]]:
    """``Recipe.draw`` and ``Recipe.prior`` of these parts; ``law`` is that of the labels, where they are used."""

    def given(n: int, y: Tensor | None, rng: torch.Generator) -> tuple[Tensor, ...]:
        return (normal(latent)(n, rng),) if y is None else (normal(latent)(n, rng), y)

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Drawn:
        used = y if parts.classes else None
        shape = (2, *x.shape) if noisy else (0,)
        noise = tuple(torch.randn(shape, generator=rng, device=x.device))
        drawn = parts.penalty.draw(x, rng) if parts.penalty else ()
        return Drawn(x, used, given(len(x), used, rng), noise, drawn)

    return draw, normal(latent) if law is None else Conditional(normal(latent), law, first=True)


def compose(data: Data, choice: Choice) -> Recipe:
    """The recipe of these parts.

    Raises:
        ValueError: A part does not exist, or two of them cannot be combined; before anything is trained.
    """
    check_numbers(choice)
    parts, playing = resolve(data, choice), pick(DYNAMICS, choice.dynamics, "kind of dynamics")
    nets = networks(data.shape, parts, choice)
    fade = annealed(choice.noise, choice.steps)

    def sight(x: Tensor, b: Drawn, m: Memory, which: int) -> Tensor:
        return instance_noise(x, b.noise[which], fade(m["t"])) if b.noise else x

    d_loss, g_loss = losses(parts, sight, choice.unroll)
    make = pick(OPTIMIZERS, choice.optimizer, "optimizer")
    project = parts.constraint.project
    game = Game(
        nets,
        opts={
            name: playing.wrap(make(rate, choice.beta1, choice.beta2))
            for name, rate in (("D", choice.d_lr), ("G", choice.g_lr))
        },
        players={"D": Player(("D",), d_loss, steps=choice.n_critic), "G": Player(("G",), g_loss)},
        project={} if project is None else {"D": project(nets["D"], choice.c)},
        memory={"t": torch.zeros((), dtype=torch.int64)} if choice.noise else {},
        remember=count if choice.noise else Game.remember,
    )
    dynamics = None if playing.dynamics is None else playing.dynamics(choice.strength)
    if dynamics is not None:
        dynamics(game)  # refuses what it cannot play

    # Labels of generated samples are those of the real ones in training, so they are as frequent in samples.
    law = labels_like(data) if parts.classes else None
    draw, prior = random_variables(parts, choice.latent, bool(choice.noise), law)
    compares = parts.penalty.compares if parts.penalty else None
    coupled = () if compares is None else (compares,)
    return Recipe((Phase(game, choice.steps),), choice.batch_size, draw, prior, dynamics=dynamics, coupled=coupled)
