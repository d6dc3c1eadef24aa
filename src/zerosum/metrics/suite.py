"""The one way from samples to scores: measures by name, and each number with its protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from zerosum._version import __version__
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.features.find import AnyFeatures, as_extractor
from zerosum.metrics.images import (
    ImageSet,
    PointSet,
    SampleSet,
    of_data,
    of_generator,
    points_of_data,
    points_of_generator,
)
from zerosum.metrics.measure import Context, Measure, NotApplicable, Number
from zerosum.metrics.needs import check_counts, check_equal, check_features, check_needs
from zerosum.metrics.options import AnyOptions, check_batch_size, parse_options, with_options
from zerosum.metrics.registry import choose, defaults_for
from zerosum.metrics.sampling import Progress, SampleFunction
from zerosum.metrics.score import PROTOCOL, SCORED, Plain, Score, extend_protocol
from zerosum.metrics.sides import BATCH, Side

# What ends one measure, and not those after it: samples that it does not take, sums that do not converge, no memory.
_REFUSALS: tuple[type[Exception], ...] = (
    ValueError,
    ArithmeticError,
    MemoryError,
    torch.OutOfMemoryError,
    torch.linalg.LinAlgError,  # type: ignore[attr-defined]
)

Fakes = Callable[[int], SampleSet]  # number of samples -> so many to be scored


@dataclass(frozen=True, eq=False)
class Judge:
    """Measures and real samples made ready once, for one set of samples after the other.

    Attributes:
        measures: Measures to be taken, in this order.
        real: The reference.
        extractor: Extractor, name, or function for measures that read features and do not have their own, as
            :func:`.as_extractor` takes it. It is made when the first measure reads it.
        context: What measures may depend on besides the samples.
        lenient: Whether to leave out a measure that says nothing about these samples.
        batch_size: Number of images that pass an extractor at a time.
        progress: Called with (done, total) images of one side after the other, as they are looked at.
    """

    measures: tuple[Measure, ...]
    real: SampleSet
    extractor: AnyFeatures = "auto"
    context: Context = field(default_factory=Context)
    lenient: bool = False
    batch_size: int = BATCH
    progress: Progress | None = field(default=None, repr=False)

    @cached_property
    def _extractors(self) -> dict[str | None, Extractor]:
        wanted = {measure.features: measure.name for measure in reversed(self.measures) if measure.sees}
        shape, device = tuple(self.real.shape), self.context.device
        return {
            name: as_extractor(self.extractor, shape, device)
            if name is None
            else as_extractor(name, shape, device, measure=whose)
            for name, whose in wanted.items()
        }

    def prepare(self) -> None:
        """Make extractors ready now.

        Raises:
            UsageError: There is no such extractor, or its weights cannot be had.
        """
        _ = self._extractors

    def check(
        self,
        fake: SampleSet,
        held_out: SampleSet | None = None,
        *,
        count: int | None = None,
        held: int | None = None,
    ) -> None:
        """Refuse measures that cannot be taken of such samples, before anything is computed or downloaded.

        Args:
            fake: Some samples, of which no pixel is read.
            held_out: Real images that no generator was trained on, where there are some.
            count: As in :meth:`scores`.
            held: As in :meth:`scores`.

        Raises:
            UsageError: A measure needs what the samples do not have, or its features do not fit them.
        """
        for measure in self.measures:
            check_needs(measure, self.real, fake, held_out)
            if "equal" in measure.needs or measure.options:
                number = count or _number(measure, Side(self.real), held)
                check_equal(measure, self.real.count, number)
                check_counts(measure, self.real.count, number)
        for measure in self.measures:
            if measure.sees:
                check_features(measure, self._extractors[measure.features], tuple(fake.shape))
                if isinstance(self.real, ImageSet) and not measure.one_sided:
                    self.real.moments(self._extractors[measure.features])  # refuses statistics of other features

    def with_held_out(self, images: ImageSet) -> Judge:
        """The same with real images that no generator was trained on, for measures that need them.

        Args:
            images: The images.
        """
        needing = next((one for one in self.measures if "held-out" in one.needs), None)
        side = Side(images) if needing is None else self._side(images, needing)
        return replace(self, context=replace(self.context, held_out=side))

    def _reads(self, measure: Measure) -> frozenset[str]:
        """What all measures with the same features keep of them: they share one pass."""
        alike = (one.reads for one in self.measures if one.sees and one.features == measure.features)
        return frozenset().union(*alike)

    @cached_property
    def _real_sides(self) -> dict[str | None, Side]:
        return {}

    def _side(self, samples: SampleSet, measure: Measure) -> Side:
        if not measure.sees:
            return Side(samples)
        looks, reads = self._extractors[measure.features], self._reads(measure)
        return Side(samples, looks, reads, self.batch_size, self.progress)

    def _real_side(self, measure: Measure) -> Side:
        key = _key(measure)
        if key not in self._real_sides:
            self._real_sides[key] = self._side(self.real, measure)
        return self._real_sides[key]

    def scores(
        self,
        fakes: Fakes,
        seed: int,
        *,
        count: int | None = None,
        held: int | None = None,
        extra: Mapping[str, Plain] | None = None,
        refused: Callable[[Measure, ValueError], None] | None = None,
    ) -> Iterator[Score]:
        """The scores of samples, each as soon as it is known.

        Args:
            fakes: Function that gives so many samples; they pass each extractor once for each number of them.
            seed: Seed of the samples, and of subsets and permutations.
            count: Number of samples; ``None``: each measure's own.
            held: Number of samples that there are, where they are not generated: each measure then takes all that it
                can, unless a number is given.
            extra: Further facts for the protocol, such as ``{"ema": 0.999, "truncation": 1.0}``.
            refused: Called with a measure that does not apply to these samples, and why; the others are taken all the
                same. ``None``: the first one ends it.

        Raises:
            ValueError: A measure does not apply to these samples, or there are too few.
        """
        context = replace(self.context, seed=seed)
        sides: dict[tuple[int, str | None], Side] = {}
        for measure in self.measures:
            real = self._real_side(measure)
            try:
                number = _number(measure, real, held) if count is None else count
                key = number, _key(measure)
                if key not in sides:
                    sides[key] = self._side(fakes(number), measure)
                yield from score(measure, real, sides[key], context, extra)
            except _REFUSALS as error:
                if self.lenient and isinstance(error, NotApplicable):
                    continue
                if refused is None:
                    raise
                refused(measure, error if isinstance(error, ValueError) else ValueError(_in_words(error)))


def _in_words(error: Exception) -> str:
    """What went wrong in a library or for want of memory, as one line."""
    said = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__.lstrip('_')}{f': {said}' if said else ''}"


def _number(measure: Measure, real: Side, held: int | None) -> int:
    """Number of samples that a measure takes where nobody gives one."""
    if held is None:
        return measure.samples(real)
    return held if measure.most is None else min(held, measure.most(real))


def _key(measure: Measure) -> str | None:
    """What measures that share a pass over the samples have in common."""
    return measure.features if measure.sees else "no features"


def score(
    measure: Measure, real: Side, fake: Side, context: Context, extra: Mapping[str, Plain] | None = None
) -> list[Score]:
    """The scores of one measure, each with its protocol.

    Args:
        measure: The measure.
        real: The reference; its ``reads`` must cover the measure's.
        fake: Samples that are measured.
        context: What the measure may depend on besides the samples.
        extra: Further facts for the protocol.

    Raises:
        UsageError: An option of the measure is too large for so few samples.
        ValueError: The measure does not apply to these samples, or there are too few.
    """
    ours, theirs = fake.samples, real.samples
    if tuple(ours.shape) != tuple(theirs.shape):
        listed = ["x".join(map(str, samples.shape)) for samples in (ours, theirs)]
        raise ValueError(
            f"{ours.name} has images of {listed[0]}, {theirs.name} of {listed[1]}: bring both to one size and number "
            "of channels; nothing is resized silently"
        )
    check_counts(measure, theirs.count, ours.count or 0)
    context = replace(context, options=measure.given)
    protocol = {**_protocol(measure, real, fake, context), **measure.constants, **measure.departures}
    return [
        Score(
            name=measure.score_name(number.name, fake.looks.name if fake.extractor else ""),
            value=number.value,
            protocol=_complete_protocol(protocol, number, extra or {}),
            details=number.details,
        )
        for number in measure.run(real, fake, context)
    ]


def _complete_protocol(protocol: Mapping[str, Plain], number: Number, extra: Mapping[str, Plain]) -> dict[str, Plain]:
    told = {**protocol, **number.constants}
    if number.of == "real":  # a yardstick knows nothing of the generator
        ours = {"seed", *SCORED}
        return {**{key: value for key, value in told.items() if key not in ours}, "sample_kind": "real"}
    return extend_protocol(told, extra)


def _protocol(measure: Measure, real: Side, fake: Side, context: Context) -> dict[str, Plain]:
    samples, reference = fake.samples, real.samples
    protocol: dict[str, Plain] = {
        "protocol": PROTOCOL,
        "sample": samples.name,
        "sample_fingerprint": samples.fingerprint,
        "samples": samples.count,
        "sample_kind": samples.kind,
        "seed": context.seed,
        "zerosum": __version__,
    }
    if isinstance(samples, ImageSet):
        protocol |= {"pixels": "8 bits", "image_shape": "x".join(map(str, samples.shape))}
        protocol |= {"sample_decoding": samples.decoding} if samples.decoding else {}
    if measure.sees:
        seen = fake.looks
        protocol |= {"features": seen.name, "features_hash": seen.hash, "resize": seen.resize}
        protocol |= {"batch_size": fake.batch} if fake.batch != BATCH else {}
    if measure.departures:  # for the reader: the values themselves are among the constants
        protocol["options"] = ", ".join(f"{name}={value}" for name, value in measure.departures.items())
    if not measure.one_sided:
        protocol |= {
            "reference": reference.name,
            "reference_fingerprint": reference.fingerprint,
            "reference_count": reference.count,
        }
        if isinstance(reference, ImageSet) and reference.decoding:
            protocol["reference_decoding"] = reference.decoding
    return protocol


def evaluate(
    sampler: SampleFunction,
    data: Any,
    *,
    seed: int,
    metrics: Iterable[str] | None = None,
    count: int | None = None,
    options: AnyOptions | None = None,
    batch_size: int = BATCH,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    extra: Mapping[str, Plain] | None = None,
) -> list[Score]:
    """Scores of a generator against the data.

    Args:
        sampler: Function ``sampler(start, n)`` that gives samples ``start`` .. ``start + n - 1`` of one fixed sequence,
            floating point, shape (n, *data.shape), whatever the pieces that they are asked for in.
        data: A source of ``zerosum.data``.
        seed: Seed that fixes the sequence; every protocol records it.
        metrics: Names of measures; ``None``: those that fit the data, see :func:`.defaults_for`.
        count: Number of samples; ``None``: each measure's own, such as half of the real images, or 2,500 points.
        options: Options of the measures, such as ``"pr.k=5"`` or ``{"pr.k": 5}``; ``None``: the published values.
        batch_size: Number of images that pass an extractor at a time.
        device: Where features are computed.
        progress: Called with (done, total) samples.
        extra: Further facts for the protocol, such as ``{"ema": True, "step": 5000}``.

    Returns:
        The scores; none where no measure fits the data, for which :func:`.why_not` gives the reason.

    Raises:
        ValueError: A measure does not exist or does not apply; samples have a wrong number, shape or type, or hold NaN
            or infinity; or the count is below 1, or one that the real images cannot match.
    """
    names = tuple(defaults_for(data) if metrics is None else metrics)
    if not names:
        return []
    check_batch_size(batch_size)
    judge = Judge(
        with_options(choose(names).values(), parse_options(options)),
        points_of_data(data) if len(data.shape) == 1 else of_data(data),
        context=Context(device=str(device)),
        lenient=metrics is None,
        batch_size=batch_size,
        progress=progress,
    )

    def fakes(number: int) -> SampleSet:
        if isinstance(judge.real, PointSet):
            return points_of_generator(sampler, number, name="samples", fingerprint="")
        return of_generator(sampler, tuple(data.shape), number, name="samples", fingerprint="")

    return list(judge.scores(fakes, seed, count=count, extra=extra))
