"""What a measure is: a function of real and generated samples, with all that must be known of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from zerosum.errors import UsageError
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.bootstrap import bootstrap_mean

if TYPE_CHECKING:
    from zerosum.metrics.sides import Side

Direction = Literal["higher", "lower", "neither"]  # which of two values of a score is the better one
VECTORS, LOGITS = frozenset({"vectors"}), frozenset({"logits"})  # what of the features is kept
MOST = 50_000  # generated images where nobody says how many: what published scores take


class NotApplicable(ValueError):
    """A measure says nothing about these samples. Where nobody asked for it, it is left out."""


@dataclass(frozen=True)
class Context:
    """What measures may depend on besides the two sides.

    Attributes:
        seed: Seed of subsets, clusterings and permutations.
        memory_mib: Cap on the memory for tiles of pairwise distances, in MiB.
        device: Where measures of pixels are computed.
        held_out: Real images that no generator was trained on, for measures that need them.
    """

    seed: int = 0
    memory_mib: float = 512.0
    device: str = "cpu"
    held_out: Side | None = None

    def require_held_out(self, measure: str) -> Side:
        """The held-out images.

        Args:
            measure: Name of the measure that needs them.

        Raises:
            UsageError: There are none.
        """
        if self.held_out is None:
            raise UsageError(
                f"{measure!r} compares with real images that were not trained on: name them as held_out",
                argument="held_out",
            )
        return self.held_out


class Number(NamedTuple):
    """One number of a measure.

    Attributes:
        name: Name of the score.
        value: The number.
        details: Numbers that explain it.
        constants: What it was computed with, for the protocol, beside the measure's own constants.
        of: Samples that it was measured on: a yardstick from real ones bears no seed of the generator's.
    """

    name: str
    value: float
    details: Mapping[str, float] = {}
    constants: Mapping[str, Plain] = {}
    of: Literal["generated", "real"] = "generated"


def as_many(real: Side) -> int:
    """As many generated samples as there are real ones, up to what published scores take."""
    return min(real.images.count or MOST, MOST)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of generated against real samples.

    Attributes:
        name: Name that people type.
        summary: What it measures, and whose it is, in one line.
        run: Function ``(real, fake, context)`` -> its numbers.
        directions: Names of its scores, and which of two values is the better one.
        constants: Constants for the protocol that are the same at each call; the code that uses them holds them.
        reads: What of the features must be kept: ``"vectors"``, ``"logits"``.
        features: Name of the features that it always takes; ``None``: those that are asked for, if it reads any.
        published_on: Features on which its scores bear their plain names; ``None`` where it reads none, or always
            takes its own.
        one_sided: Whether it looks only at generated samples.
        needs: What the samples must have: ``"labels"`` on both sides, ``"held-out"`` images, a generator's
            ``"latents"``, ``"equal"`` numbers on both sides.
        looks_again: Whether it looks at the real images again, beside what is kept of their features.
        may_hold_out: Whether it takes held-out images where there are some.
        of_points: Whether it also measures points in the plane.
        samples: Number of generated samples, from the real side, where nobody says how many.
        most: Largest number of generated samples that it takes, from the real side. ``None``: any.
    """

    name: str
    summary: str
    run: Callable[[Side, Side, Context], list[Number]]
    directions: Mapping[str, Direction]
    constants: Mapping[str, Plain] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    features: str | None = None
    published_on: str | None = "inception"
    one_sided: bool = False
    needs: frozenset[str] = frozenset()
    looks_again: bool = False
    may_hold_out: bool = False
    of_points: bool = False
    samples: Callable[[Side], int] = as_many
    most: Callable[[Side], int] | None = None

    @property
    def sees(self) -> bool:
        """Whether it looks at samples through features."""
        return self.published_on is not None or self.features is not None

    @property
    def takes_held_out(self) -> bool:
        """Whether held-out images make a difference to it."""
        return self.may_hold_out or "held-out" in self.needs

    def keeps_pixels(self, *, real: bool) -> bool:
        """Whether the pixels of a side must be at hand when it runs, and not only what is kept of their features."""
        return not self.sees or (real and self.looks_again)

    def score_name(self, name: str, features: str) -> str:
        """The name of a score on these features: plain only on those that it was published on."""
        if self.published_on in (None, features):
            return name
        return f"{name.replace('fid', 'fd')}_{features}"


def share(name: str, value: float, n: int, seed: int, **constants: Plain) -> Number:
    """A share of n samples, with its bootstrap interval of 95%; what they are compared with counts as given."""
    interval = bootstrap_mean((torch.arange(n) < round(value * n)).double(), seed=seed)
    return Number(name, value, {"low": interval.low, "high": interval.high}, constants)
