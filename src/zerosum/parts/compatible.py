"""What cannot be combined, with the reason and the nearest thing that works."""

from __future__ import annotations

import math

from zerosum.objectives.objective import ENERGIES, Goal
from zerosum.parts.critics import Conditioning, Constraint, Networks
from zerosum.parts.penalties import Penalty


def check_objective(objective: str, goal: Goal, network: str, family: Networks) -> None:
    """An objective of logits needs a critic that gives logits, one of energies an autoencoder.

    Raises:
        ValueError: It has another.
    """
    if goal.reads == family.gives:
        return
    if goal.reads == ENERGIES:
        raise ValueError(
            f"the objective {objective!r} reads energies, which are at least 0 and small for real samples, and the "
            f"critic {network!r} gives logits of any sign: use network='autoencoder'"
        )
    raise ValueError(
        f"the objective {objective!r} reads logits, and an autoencoder gives energies, which are never negative: use "
        "objective='energy-based', or another network such as dcgan"
    )


def check_critic(network: str, family: Networks, constraint: Constraint, norm: str | None, dropout: float) -> None:
    """Norm, dropout and wrapped layers need a place in the critic.

    Raises:
        ValueError: There is none.
    """
    if norm not in (None, "none") and family.norm is None:
        raise ValueError(f"the critic of {network!r} has no place for {norm} norm: leave norm out, or take dcgan")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout}: must be at least 0 and below 1")
    if dropout and not family.dropout:
        raise ValueError(f"the critic of {network!r} has no place for dropout: take mlp, dcgan or resnet, or dropout=0")
    if constraint.wrap is not Constraint().wrap and not family.wrapped:
        raise ValueError(
            f"the layers of {network!r} are not wrapped: constrain another network, or take constraint='none' or 'clip'"
        )


def check_conditioning(name: str, chosen: Conditioning | None, family: Networks, classes: int, points: bool) -> None:
    """Labels need labelled images, and a critic with a linear layer at its end.

    Raises:
        ValueError: Something is missing.
    """
    if chosen is None:
        return
    if classes < 2 or points:
        raise ValueError(
            f"conditioning={name!r} needs labelled images, such as a folder with a subfolder for each class; without "
            "labels use conditioning='none'"
        )
    if family.gives == ENERGIES:
        raise ValueError(
            f"conditioning={name!r} builds on a critic's features and logit, and an autoencoder has none: use "
            "conditioning='none', or network='dcgan' with an objective of logits"
        )


def check_g_conditioning(name: str, conditioning: str, network: str, family: Networks) -> None:
    """Labels that enter the generator by normalisation need a critic that knows them, and layers to enter.

    Raises:
        ValueError: One of them is missing.
    """
    if name == "concat":
        return
    if conditioning == "none":
        raise ValueError(f"g_conditioning={name!r} needs a critic that knows the label: use conditioning='projection'")
    if name not in family.label_norms:
        allowed = " or ".join(map(repr, ("concat", *family.label_norms)))
        raise ValueError(f"the generator of {network!r} has no layers for g_conditioning={name!r}: use {allowed}")


def check_penalty(
    name: str, chosen: Penalty | None, family: Networks, conditioning: Conditioning | None, dropout: float
) -> None:
    """A penalty needs what it reads.

    Raises:
        ValueError: The critic has no logits, codes, features or dropout.
    """
    if chosen is None:
        return
    energies = family.gives == ENERGIES
    if "logits" in chosen.needs and energies:
        raise ValueError(
            f"the penalty {name!r} acts on the slope of a critic's logit, and an autoencoder gives energies: use "
            "penalty='pulling-away' or 'none'"
        )
    if "codes" in chosen.needs and not energies:
        raise ValueError(
            f"the penalty {name!r} compares codes, which only an autoencoder has: use network='autoencoder' with "
            "objective='energy-based', or penalty='feature-matching'"
        )
    if "features" in chosen.needs and (conditioning is not None or energies):
        raise ValueError(
            f"the penalty {name!r} reads the features of a critic that is given only samples and is not an "
            "autoencoder: use conditioning='none' and a network such as dcgan"
        )
    if "dropout" in chosen.needs and not dropout:
        raise ValueError(
            f"the penalty {name!r} compares two passes under dropout, and without it they are the same: set dropout, "
            "such as 0.5"
        )


def fitting_norm(own: str | None, constraint: Constraint, penalty: Penalty | None, unroll: int) -> str:
    """The critic's normalisation where none is asked for.

    Args:
        own: What its network has by itself; ``None`` where there is no place for one.
        constraint: Constraint on its weights.
        penalty: Penalty on one of the players, if any.
        unroll: Updates of the critic that the generator looks ahead.
    """
    if own is None or constraint.bounds_slope or unroll or (penalty is not None and penalty.matches):
        return "none"
    return "layer" if own == "batch" and penalty is not None and penalty.on_slope else own


def check_norm(norm: str | None, constraint: Constraint, penalty: Penalty | None, unroll: int) -> None:
    """A normalisation that is asked for must leave intact what the constraint, the penalty or unrolling is about.

    Raises:
        ValueError: It does not.
    """
    if norm in (None, "none"):
        return
    if constraint.bounds_slope:
        raise ValueError(
            f"norm={norm!r} divides by a standard deviation, however small, and so undoes the bound of spectral "
            "normalisation on the critic's slope: use norm='none'"
        )
    if penalty is not None and penalty.matches:
        hidden = "how their means differ" if norm == "batch" else "the contrast of each sample"
        raise ValueError(f"norm={norm!r} hides from the features that are matched {hidden}: use norm='none'")
    if norm == "batch" and penalty is not None and penalty.on_slope:
        raise ValueError(
            "norm='batch' makes what the critic says of a sample depend on its batch, and the penalty is on its slope "
            "at the sample alone: use norm='layer'"
        )
    if norm == "batch" and unroll:
        raise ValueError(
            "norm='batch' would let the generator foresee updates through the statistics of one batch: use "
            "norm='layer' or 'none', or unroll=0"
        )


def check_unrolled(network: str, family: Networks, points: bool, unroll: int) -> None:
    """A critic that is unrolled must have no batch normalisation of its own.

    Raises:
        ValueError: It is an autoencoder of images, which has.
    """
    if unroll and family.gives == ENERGIES and not points:
        raise ValueError(
            f"unroll={unroll}: the critic {network!r} has batch norm, which would let the generator foresee updates "
            "through the statistics of one batch: use unroll=0, or network='dcgan' with an objective of logits"
        )


def check_turns(dynamics: str, n_critic: int) -> None:
    """Where all players move at once, each makes one update.

    Raises:
        ValueError: The critic is to make more.
    """
    if n_critic != 1 and dynamics != "alternating":
        raise ValueError(
            f"n_critic={n_critic}: with dynamics={dynamics!r} all players move at once; use n_critic=1, or "
            "dynamics='alternating'"
        )


def check_number(name: str, value: float, least: float = 0.0, *, above: bool = False) -> None:
    """A number must be finite, and at least or above another.

    Raises:
        ValueError: It is not.
    """
    if not (value > least if above else value >= least) or not math.isfinite(value):
        raise ValueError(f"{name}={value}: must be {'above' if above else 'at least'} {least:g}, and finite")
