"""What a measure is: a function of real and generated samples, with all that must be known of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch

from zerosum.errors import UsageError, nearest
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.bootstrap import bootstrap_mean

if TYPE_CHECKING:
    from zerosum.metrics.sides import Side

OptionValue = int | float | str
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
        options: Values of the options of the one measure that is run, as far as they were given.
    """

    seed: int = 0
    memory_mib: float = 512.0
    device: str = "cpu"
    held_out: Side | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

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


@dataclass(frozen=True, kw_only=True)
class Option:
    """A number (or word) of a measure that can be chosen.

    Attributes:
        default: Its value where nobody gives one: the published one.
        text: What it is.
        source: Whose default it is.
        least: Smallest value of a whole number.
        between: For a number that is not whole, the values between which it must lie.
        words: For a word, all that there are.
        most: Function ``(real, fake)`` from the numbers of images to the largest value; the number of real ones is
            ``None`` where they are not counted. ``None``: any.
        gives_way: Whether the default, and no value that is given, is lowered where there are too few images.
    """

    default: OptionValue
    text: str
    source: str
    least: int = 1
    between: tuple[float, float] = (0.0, 1.0)
    words: tuple[str, ...] = ()
    most: Callable[[int | None, int], int] | None = None
    gives_way: bool = False

    def read(self, given: Any) -> OptionValue:
        """A value from what was given, which may be its text.

        Raises:
            ValueError: It is not one that this option takes; the message says which are.
        """
        if self.words:
            if given not in self.words:
                raise ValueError(f"must be {' or '.join(self.words)}")
            return str(given)
        whole = isinstance(self.default, int)
        low, high = self.between
        try:
            if isinstance(given, bool) or (whole and not isinstance(given, str) and given != int(given)):
                raise ValueError
            value: float = int(given) if whole else float(given)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"must be a {'whole ' * whole}number") from None
        if whole and value < self.least:
            raise ValueError(f"must be at least {self.least}")
        if not whole and not low < value < high:
            raise ValueError(f"must be above {low:g} and below {high:g}")
        return value


def smaller(real: int | None, fake: int) -> int:
    """The number of images of the smaller set."""
    return fake if real is None else min(real, fake)


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
        needs: What the samples must have: ``"labels"`` on both sides, images of ``"every-class"``, ``"held-out"``
            images, a generator's ``"latents"``, ``"equal"`` numbers on both sides.
        looks_again: Whether it looks at the real images again, beside what is kept of their features.
        may_hold_out: Whether it takes held-out images where there are some.
        of_points: Whether it also measures points in the plane.
        options: Numbers that can be chosen, by name; what departs from a default stands in the protocol.
        given: Values of options that were chosen.
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
    options: Mapping[str, Option] = field(default_factory=dict)
    given: Mapping[str, OptionValue] = field(default_factory=dict)
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

    def read_options(self, given: Mapping[str, Any]) -> dict[str, OptionValue]:
        """Values of options from what was given.

        Raises:
            ValueError: There is no such option, or it does not take the value.
        """
        for name in given:
            if name not in self.options:
                listed = f"Options: {', '.join(self.options)}" if self.options else "It has no options"
                raise ValueError(f"{self.name} has no option {name!r}.{nearest(name, self.options)} {listed}")
        return {name: self.options[name].read(value) for name, value in given.items()}

    def having(self, given: Mapping[str, OptionValue]) -> Measure:
        """The same measure with values of its options, as :meth:`read_options` gives them."""
        return replace(self, given=dict(given))

    @property
    def departures(self) -> dict[str, OptionValue]:
        """Options that have other values than the published ones."""
        return {name: value for name, value in self.given.items() if value != self.options[name].default}

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
