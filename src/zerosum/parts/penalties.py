"""Penalties by name, each with what it needs of the critic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.parts.situation import Seen, Situation
from zerosum.penalties.consistency import Seen as Pass
from zerosum.penalties.consistency import consistency
from zerosum.penalties.gradient import dragan, one_sided, r1, r2, wgan_div, wgan_gp
from zerosum.penalties.matching import feature_matching
from zerosum.penalties.pulling_away import pulling_away


@dataclass(frozen=True)
class Penalty:
    """A penalty.

    Attributes:
        term: what it costs, without its weight.
        weight: the published one.
        draw: its random numbers, ``(x, rng) ->``.
        of: the player who pays, ``"D"`` or ``"G"``.
        needs: of the critic: ``"logits"``, ``"features"``, ``"codes"`` (of an autoencoder), ``"dropout"``.
    """

    term: Callable[[Situation], Tensor]
    weight: float
    draw: Callable[[Tensor, torch.Generator], tuple[Tensor, ...]] = lambda x, rng: ()
    of: str = "D"
    needs: frozenset[str] = frozenset({"logits"})


def _per_sample(x: Tensor, rng: torch.Generator) -> tuple[Tensor, ...]:
    return (torch.rand(len(x), generator=rng, device=x.device),)


def _around(x: Tensor, rng: torch.Generator) -> tuple[Tensor, ...]:
    return torch.rand(x.shape, generator=rng, device=x.device), *_per_sample(x, rng)


def _features(seen: Seen | None) -> Tensor:
    assert seen is not None  # `needs` has been checked
    assert seen.features is not None
    return seen.features


def _consistency(s: Situation) -> Tensor:
    again = s.again()
    assert s.seen is not None
    return consistency(Pass(s.seen.value, _features(s.seen)), Pass(again.value, _features(again)))


PENALTIES: dict[str, Penalty | None] = {
    "none": None,
    "wgan-gp": Penalty(lambda s: wgan_gp(s.critic, s.x, s.fake, s.drawn[0]), 10.0, _per_sample),
    "one-sided": Penalty(lambda s: wgan_gp(s.critic, s.x, s.fake, s.drawn[0], excess=one_sided), 10.0, _per_sample),
    "zero-centred": Penalty(lambda s: wgan_gp(s.critic, s.x, s.fake, s.drawn[0], target=0.0), 10.0, _per_sample),
    "wgan-div": Penalty(lambda s: wgan_div(s.critic, s.x, s.fake, s.drawn[0]), 2.0, _per_sample),
    "dragan": Penalty(lambda s: dragan(s.critic, s.x, s.drawn[0], s.drawn[1]), 10.0, _around),
    "r1": Penalty(lambda s: r1(s.critic, s.x), 5.0),
    "r2": Penalty(lambda s: r2(s.critic, s.fake), 5.0),
    "consistency": Penalty(_consistency, 2.0, needs=frozenset({"features", "dropout"})),
    "feature-matching": Penalty(
        lambda s: feature_matching(_features(s.seen), _features(s.seen_fake)),
        1.0,
        of="G",
        needs=frozenset({"features"}),
    ),
    "pulling-away": Penalty(lambda s: pulling_away(_features(s.seen_fake)), 0.1, of="G", needs=frozenset({"codes"})),
}
