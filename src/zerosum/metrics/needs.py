"""What measures need of samples, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zerosum.errors import UsageError
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.images import ImageSet, PointSet, SampleSet
from zerosum.metrics.measure import Measure
from zerosum.metrics.shared.class_names import check_pairs, list_names, renumber

FEWEST = 2  # images of a class, of which a covariance can be taken


def check_needs(measure: Measure, real: SampleSet, fake: SampleSet, held_out: SampleSet | None) -> None:
    """Refuse a measure that needs what the samples do not have.

    Args:
        measure: The measure.
        real: The reference.
        fake: Samples that are to be measured, of which no pixel is read.
        held_out: Real images that were not trained on, or ``None``.

    Raises:
        UsageError: Something is missing; the message says what, and of which side.
    """
    if "held-out" in measure.needs and held_out is None:
        raise UsageError(
            f"metrics={measure.name}: needs real images that were not trained on: name them as held_out",
            argument="held_out",
        )
    sides = [real, fake, *([held_out] if held_out is not None and measure.takes_held_out else [])]
    for samples in sides:
        if isinstance(samples, PointSet) and not measure.of_points:
            raise _refusal(measure, f"looks at images, and {samples.name} has points")
        if tuple(samples.shape) != tuple(real.shape):
            raise _unlike(samples, real)
        if isinstance(samples, ImageSet) and "labels" in measure.needs and samples.labels is None:
            raise _refusal(measure, f"needs the class of each image, and {samples.name} has no labels")
        if isinstance(samples, ImageSet) and isinstance(real, ImageSet) and "labels" in measure.needs and real.classes:
            places = check_pairs(samples.classes, samples.name, real.classes, real.name)
            if "every-class" in measure.needs and samples.kind != "generated":
                _check_every_class(measure, samples, places, real)
    if isinstance(fake, ImageSet) and "latents" in measure.needs and fake.maker is None:
        raise _refusal(measure, f"needs a run whose generator takes only latents, which {fake.name} is not")


def _check_every_class(measure: Measure, samples: ImageSet, places: Sequence[int], real: ImageSet) -> None:
    assert samples.labels is not None
    counts = torch.bincount(renumber(samples.labels, places), minlength=len(real.classes)).tolist()
    short = [name for name, count in zip(real.classes, counts, strict=True) if count < FEWEST]
    if short:
        raise _refusal(
            measure,
            f"needs at least {FEWEST} images of each class, and {samples.name} (classes {list_names(samples.classes)}) "
            f"has fewer of {list_names(short)}, of the classes of {real.name} ({list_names(real.classes)})",
        )


def _unlike(samples: SampleSet, real: SampleSet) -> UsageError:
    ours, theirs = ("x".join(map(str, one.shape)) for one in (samples, real))
    files = samples.kind == "files" and len(samples.shape) == len(real.shape) == 3
    side = min(*samples.shape[1:], *real.shape[1:]) if files else 0
    how = f", with size={side} for instance" if files and samples.shape[1:] != real.shape[1:] else ""
    return UsageError(
        f"{samples.name} has {_kind(samples)} of {ours}, {real.name} {_kind(real)} of {theirs}: bring both to one size "
        f"and number of channels{how}; nothing is resized silently",
        argument="size" if how else None,
    )


def check_equal(measure: Measure, real: int | None, fake: int) -> None:
    """Refuse a measure that compares as many real as generated images, where there are not as many.

    Args:
        measure: The measure.
        real: Number of real images; ``None`` for a distribution.
        fake: Number of images to be measured.

    Raises:
        UsageError: The numbers differ; the message says what cuts the larger set.
    """
    if "equal" not in measure.needs or real in (None, fake):
        return
    assert real is not None
    larger = "reference_count" if real > fake else "count"
    raise UsageError(
        f"{measure.name} takes as many real as generated images, and there are {real:,} and {fake:,}: "
        f"{larger}={min(real, fake)} cuts the larger set",
        argument=larger,
    )


def check_counts(measure: Measure, real: int | None, fake: int) -> None:
    """Refuse options that so few images do not allow, such as the k-th neighbour of k images.

    Args:
        measure: The measure, with the values of its options.
        real: Number of real images; ``None`` where they are not counted.
        fake: Number of images to be measured.

    Raises:
        UsageError: An option is too large; the message says how large it can be.
    """
    if measure.one_sided:
        real = None
    sizes = f"{fake:,} images to measure" if real is None else f"{real:,} real images and {fake:,} to measure"
    for name, option in measure.options.items():
        given = measure.given.get(name)
        value = option.default if given is None else given
        if option.most is None or isinstance(value, str) or (given is None and option.gives_way):
            continue
        most = option.most(real, fake)
        if value <= most:
            continue
        limit = f"can be at most {most:,} with {sizes}"
        if given is None:
            raise UsageError(
                f"{measure.name}: {name} is {value} by default and {limit}: options={measure.name}.{name}={most} sets "
                "another",
                argument="options",
            )
        raise UsageError(f"options={measure.name}.{name}={value}: {limit}", argument="options")


def _kind(samples: SampleSet) -> str:
    return "images" if isinstance(samples, ImageSet) else "points"


def check_features(measure: Measure, extractor: Extractor, shape: tuple[int, ...]) -> None:
    """Refuse features that do not take images of this shape, or lack the verdicts that a measure reads.

    Args:
        measure: The measure.
        extractor: What extracts the features; it is tried on a black image.
        shape: Shape of an image, (C, H, W).

    Raises:
        UsageError: They do not fit.
    """
    try:
        seen = extractor(torch.zeros(1, *shape, dtype=torch.uint8))
    except ValueError as error:
        if measure.features is not None:
            raise _refusal(measure, str(error)) from error
        raise UsageError(f"features={extractor.name}: {error}", argument="features") from error
    if "logits" in measure.reads and seen.logits is None:
        raise UsageError(
            f"features={extractor.name}: is not a classifier, whose verdicts {measure.name!r} reads; take inception or "
            "shipped",
            argument="features",
        )


def _refusal(measure: Measure, why: str) -> UsageError:
    return UsageError(f"metrics={measure.name}: {why}", argument="metrics")
