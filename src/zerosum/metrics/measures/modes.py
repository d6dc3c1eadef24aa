"""Modes of a 2-D mixture of Gaussians: how many a generator reaches, how precisely, how evenly."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.data.stacked import CLASSES
from zerosum.metrics.features.stacked_classifier import digit_classifier_hash
from zerosum.metrics.images import PointSet
from zerosum.metrics.measure import Context, Measure, Number, as_many
from zerosum.metrics.sampling import pieces
from zerosum.metrics.score import Plain
from zerosum.metrics.shared import stacked
from zerosum.metrics.shared.class_names import are_numbers, check_pairs, renumber
from zerosum.metrics.sides import Side

POINTS = 2_500  # samples where nobody says how many, as in VEEGAN (arXiv:1705.07761)
PIECE = 10_000  # points at a time
SIGMAS = 3.0
IDEAL_QUALITY = 1 - math.exp(-(SIGMAS**2) / 2)
"""Share of true samples within 3 sigma of their mode: the squared distance over sigma^2 is chi-square with 2 degrees of
freedom, whose distribution function is 1 - exp(-x / 2). Exact where modes lie more than 6 sigma apart."""


@dataclass(frozen=True)
class ModeReport:
    """Where samples lie relative to the modes.

    Attributes:
        samples: Number of samples.
        covered: Modes with at least one high-quality sample: one within 3 sigma (Euclidean) of its nearest mode.
        quality: Share of samples that are of high quality.
        divergence: KL(histogram of all samples over their nearest modes || uniform), in nats; 0 .. log(modes).
        counts: Number of high-quality samples of each mode.
    """

    samples: int
    covered: int
    quality: float
    divergence: float
    counts: tuple[int, ...]


def measure_modes(batches: Iterable[Tensor], modes: Tensor, std: float) -> ModeReport:
    """Modes covered and share of high-quality samples; Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, section 4.1.

    Args:
        batches: Batches of points, (B, 2).
        modes: Centres of the mixture, (M, 2), of equal weights.
        std: Standard deviation of each component along each axis.

    Raises:
        ValueError: There are no samples, modes or points are not in the plane, or the std is not positive.
    """
    if modes.ndim != 2 or modes.shape[1] != 2 or len(modes) == 0:
        raise ValueError(f"modes must be points (M, 2), M >= 1, not {tuple(modes.shape)}")
    if not (math.isfinite(std) and std > 0):
        raise ValueError(f"the std of the modes must be positive, not {std}")
    centres = modes.detach().to("cpu", torch.float64)
    good, nearest = torch.zeros(2, len(centres), dtype=torch.int64)
    for points in batches:
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"samples must be points (B, 2), not {tuple(points.shape)}")
        offsets = points.detach().to("cpu", torch.float64)[:, None] - centres
        distance, mode = offsets.square().sum(dim=2).sqrt().min(dim=1)
        nearest += torch.bincount(mode, minlength=len(centres))
        good += torch.bincount(mode[distance <= SIGMAS * std], minlength=len(centres))
    samples = int(nearest.sum())
    if samples == 0:
        raise ValueError("no samples: there is nothing to measure")
    histogram = nearest / samples
    return ModeReport(
        samples=samples,
        covered=int((good > 0).sum()),
        quality=int(good.sum()) / samples,
        # xlogy counts a mode without samples as 0 log 0 = 0.
        divergence=max(0.0, float(torch.xlogy(histogram, histogram * len(centres)).sum())),
        counts=tuple(good.tolist()),
    )


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    return _measure_points(real, fake) if isinstance(fake.samples, PointSet) else _measure_stacks(real, fake, context)


def _measure_points(real: Side, fake: Side) -> list[Number]:
    mixture, points = real.points, fake.points
    if mixture.modes is None or mixture.std is None or points.read is None or points.count is None:
        raise ValueError(f"{mixture.name} is not a mixture of known modes, so there are no modes to count")
    read = points.read
    batches = (read(start, n) for start, n in pieces(points.count, PIECE))
    found = measure_modes(batches, mixture.modes, mixture.std)
    constants: dict[str, Plain] = {
        "modes": len(mixture.modes),
        "std": mixture.std,
        "high_quality_within_sigmas": SIGMAS,
    }
    per_mode = {f"mode {index}": float(n) for index, n in enumerate(found.counts)}
    return [
        Number("modes", found.covered, per_mode, {**constants, "of": len(mixture.modes)}),
        Number("high_quality", found.quality, {"ideal": IDEAL_QUALITY}, constants),
        Number("mode_kl", found.divergence, {}, constants),
    ]


def _measure_stacks(real: Side, fake: Side, context: Context) -> list[Number]:
    if tuple(fake.images.shape) != stacked.SHAPE:
        raise ValueError(
            f"modes are counted on stacked-digits, 3x32x32, and {fake.images.name} has {fake.images.shape}"
        )
    constants: dict[str, Plain] = {"of": stacked.MODES, "judge_hash": digit_classifier_hash()[:12]}
    names = real.class_names
    # Class k is mode k, if the classes have numbers for names.
    modes = (
        tuple(range(len(names))) if are_numbers(names) else check_pairs(names, real.images.name, CLASSES, "the modes")
    )
    reference = renumber(real.labels, modes)
    found = stacked.measure_stacked(fake.images.batches(fake.batch), reference=reference, device=context.device)
    return [Number("modes", found.covered, {"reverse_kl": found.divergence}, constants)]


def _samples(real: Side) -> int:
    return POINTS if isinstance(real.samples, PointSet) else as_many(real)


MEASURE = Measure(
    name="modes",
    summary="modes of a mixture in the plane (Srivastava 2017), or of stacked digits with reverse KL (Metz 2017)",
    run=_measure,
    directions={"modes": "higher", "high_quality": "higher", "mode_kl": "lower"},
    published_on=None,
    of_points=True,
    samples=_samples,
)
