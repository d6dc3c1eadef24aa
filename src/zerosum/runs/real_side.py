"""The real side of an evaluation: images, as many as were asked for, or what saved statistics say of some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data import Data
from zerosum.errors import UsageError
from zerosum.files import printable
from zerosum.metrics.features.find import decide, extractor_names
from zerosum.metrics.images import ImageSet, SampleSet
from zerosum.metrics.reference import read_reference
from zerosum.runs import scoring
from zerosum.runs.reading import in_colour

if TYPE_CHECKING:
    from zerosum.runs.targets import Question


def open_statistics(
    path: Path, question: Question, data: Data, reading: Mapping[str, str], note: Callable[[str], None]
) -> tuple[Data, SampleSet]:
    """The images to score, with as many channels as those of saved statistics, and what these say of the real side."""
    if question.reference_count is not None:
        raise UsageError(
            f"reference_count={question.reference_count}: {question.against} is of a fixed number of images",
            argument="reference_count",
        )
    reference = read_reference(path)
    for told in reference.notes:
        note(told)
    if reference.in_colour and data.shape[0] == 1 and reading:
        note(f"{data.name} is grey and {printable(str(path))} of colour: grey images are taken as RGB")
        data = in_colour(data)
    reference.check(tuple(data.shape), reading)
    name = decide(question.features, tuple(data.shape)) if isinstance(question.features, str) else ""
    if name in extractor_names() and {"fid", "fid-infinity"} & set(question.metrics or ()):
        reference.check_name(name)  # before its weights are asked for
    return data, reference.samples(tuple(data.shape))


def choose_real(data: Data, question: Question) -> SampleSet:
    """The real samples, or as many of them as were asked for."""
    if question.reference_count is None:
        return scoring.real_samples(data)
    if data.is_points:
        raise UsageError(
            f"reference_count={question.reference_count}: {data.name} is a distribution of points, without a number",
            argument="reference_count",
        )
    return some_images(data, question.reference_count, "reference_count")


def some_images(data: Data, count: int | None, argument: str, kind: str = "real") -> ImageSet:
    """So many images of a source, or all.

    Args:
        data: The source.
        count: Number of images. ``None``: all.
        argument: Name of the argument that says how many, for the message.
        kind: What the images are, for the protocol of scores.

    Raises:
        UsageError: The source has no images, or not so many.
    """
    if count is not None and data.count is not None and count > data.count:
        raise UsageError(
            f"{argument}={count}: {data.name} has {data.count:,} images, fewer than the {count:,} asked for",
            argument=argument,
        )
    return scoring.images_of(data, count, kind=kind)
