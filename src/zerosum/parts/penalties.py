"""Penalties by name, each with what it needs of the critic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.latent.priors import per_sample, uniform_like
from zerosum.parts.situation import Situation
from zerosum.penalties.consistency_term import consistency
from zerosum.penalties.gradient import dragan, one_sided, r1, r2, wgan_div, wgan_gp
from zerosum.penalties.matching import feature_matching
from zerosum.penalties.pulling_away_term import pulling_away
from zerosum.systems import Coupling


@dataclass(frozen=True)
class Penalty:
    """A penalty on one of the players.

    Attributes:
        term: Cost in a situation, without its weight.
        weight: Published weight.
        draw: Random numbers that it needs: ``(x, rng) -> tensors``.
        of: Player who pays, ``"D"`` or ``"G"``.
        needs: Properties of the critic: ``"logits"``, ``"features"``, ``"codes"`` (of an autoencoder), ``"dropout"``.
        compares: What it compares the samples of a batch by, where it needs several.
    """

    term: Callable[[Situation], Tensor]
    weight: float
    draw: Callable[[Tensor, torch.Generator], tuple[Tensor, ...]] = lambda x, rng: ()
    of: str = "D"
    needs: frozenset[str] = frozenset({"logits"})
    compares: Coupling | None = None

    @property
    def on_slope(self) -> bool:
        """Whether it is on the slope of the critic at a sample."""
        return "logits" in self.needs

    @property
    def matches(self) -> bool:
        """Whether it compares mean features of real and of generated samples."""
        return self.of == "G" and "features" in self.needs


def _per_sample(x: Tensor, rng: torch.Generator) -> tuple[Tensor, ...]:
    return (per_sample(x, rng),)


def _around(x: Tensor, rng: torch.Generator) -> tuple[Tensor, ...]:
    return uniform_like(x, rng), per_sample(x, rng)


PENALTIES: dict[str, Penalty | None] = {
    "none": None,
    "wgan-gp": Penalty(lambda s: wgan_gp(s.critic, s.x, s.fake, s.drawn[0]), 10.0, _per_sample),
    "one-sided": Penalty(lambda s: wgan_gp(s.critic, s.x, s.fake, s.drawn[0], excess=one_sided), 10.0, _per_sample),
    "zero-centred": Penalty(lambda s: wgan_gp(s.critic, s.x, s.fake, s.drawn[0], target=0.0), 10.0, _per_sample),
    "wgan-div": Penalty(lambda s: wgan_div(s.critic, s.x, s.fake, s.drawn[0]), 2.0, _per_sample),
    "dragan": Penalty(lambda s: dragan(s.critic, s.x, s.drawn[0], s.drawn[1]), 10.0, _around),
    "r1": Penalty(lambda s: r1(s.critic, s.x), 5.0),
    "r2": Penalty(lambda s: r2(s.critic, s.fake), 5.0),
    "consistency": Penalty(lambda s: consistency(s.real, s.again()), 2.0, needs=frozenset({"features", "dropout"})),
    "feature-matching": Penalty(
        lambda s: feature_matching(s.real.features, s.judged_fake.features),
        1.0,
        of="G",
        needs=frozenset({"features"}),
    ),
    "pulling-away": Penalty(
        lambda s: pulling_away(s.judged_fake.features),
        0.1,
        of="G",
        needs=frozenset({"codes"}),
        compares=Coupling("the pulling-away term", least=2),
    ),
}
