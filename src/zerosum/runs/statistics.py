"""Reference statistics saved from what can be scored: ``zerosum eval A --save-stats FILE.npz``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zerosum.errors import UsageError
from zerosum.files import printable
from zerosum.metrics.features.find import as_extractor
from zerosum.metrics.images import ImageSet
from zerosum.metrics.measure import MOST
from zerosum.metrics.needs import check_features
from zerosum.metrics.reference import write_reference
from zerosum.metrics.registry import measures
from zerosum.metrics.sampling import Progress
from zerosum.runs.reading import asked_of, load_unchanged
from zerosum.runs.real_side import some_images
from zerosum.runs.settings import Settings, device_for
from zerosum.runs.targets import Question, find_run, open_target, tell_of


def save_statistics(
    question: Question,
    path: Path,
    note: Callable[[str], None],
    *,
    seed: int | None = None,
    show: Progress | None = None,
    progress: bool = False,
) -> str:
    """Save the statistics of images, or of a run's samples.

    Args:
        question: Whose, and on which features.
        path: The file, FILE.npz.
        note: Function that tells people something.
        seed: Seed of a run's samples. ``None``: one more than the run's own.
        show: Function that is called with (done, total) images.
        progress: Whether to show a progress bar while images are decoded.

    Returns:
        What was saved, in one line.

    Raises:
        UsageError: Something was asked for that does not apply, or the file cannot be written.
        DataError: Images cannot be loaded.
        CheckpointError: The run has no readable checkpoint.
    """
    for name in ("against", "metrics", "held_out", "reference_count", "options"):
        if getattr(question, name) is not None:
            raise UsageError(f"{name}: statistics are of one side, and nothing is scored; leave it out", argument=name)
    images = _images(question, note, seed, progress)
    extractor = as_extractor(question.features, images.shape, device_for(Settings(device=question.device)))
    check_features(measures()["fid"], extractor, images.shape)
    reading = None if find_run(question.target) else asked_of(question.target, question.reading)
    write_reference(path, images, extractor, reading=reading, batch_size=question.batch_size, progress=show)
    return (
        f"{printable(str(path))}: statistics of {images.count:,} of {images.name} "
        f"(features {extractor.name} {extractor.hash}, {extractor.resize})"
    )


def _images(question: Question, note: Callable[[str], None], seed: int | None, progress: bool) -> ImageSet:
    if find_run(question.target) is None:
        data = load_unchanged(question.target, question.reading, labels=question.labels, progress=progress)
        tell_of(data, note)
        return some_images(data, question.count, "count")
    target = open_target(question, note, progress=progress)
    count = question.count or min(target.real.count or MOST, MOST)
    samples = target.fakes(count, target.seed if seed is None else seed)
    if not isinstance(samples, ImageSet):
        raise UsageError(f"save_stats: {target.name} makes points, and statistics are of images", argument="save_stats")
    return samples
