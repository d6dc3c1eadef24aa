"""Scores of 1x32x32 images in the feature space of the shipped clothes classifier: ``fd_fashion`` and class shares.

Protocol of ``fd_fashion``: one fixed permutation cuts the real images into a reference and a control of the same size.
The generator gives as many images as the reference has. The score is the Fréchet distance between the features of the
generated images and of the reference; the floor is the distance between control and reference, so it is what perfect
samples would score at this count. This is not FID: other features, other scale.

A generator trained on the reference can score below the floor by repeating it: the distance does not see copying.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from zerosum._version import __version__
from zerosum.core.random import generator
from zerosum.metrics.features.shipped import CLASSES, FEATURES, IMAGE_SHAPE, Shipped, features_hash
from zerosum.metrics.frechet import frechet_distance
from zerosum.metrics.images import eight_bit
from zerosum.metrics.sampling import Progress, Sampler, draw, pieces
from zerosum.metrics.score import PROTOCOL, Plain, Score, extended
from zerosum.metrics.statistics import FeatureStatistics, StatisticsStream

BATCH = 250
PRESENT = 0.03  # a class counts as generated from this share on: 30% of its fair share among ten
TRUSTED = 0.8  # the classifier must agree with this share of the reference's labels for its verdicts to mean anything


class ImageSource(Protocol):
    """What is read of a source of images: pixels uint8 (N, H, W, C), labels (N,) or ``None``, and its identity."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def pixels(self) -> Any: ...  # noqa: D102
    @property
    def labels(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Judged:
    """What the classifier saw in a set of images: statistics of the features, and its verdicts (N,), int64."""

    statistics: FeatureStatistics
    verdicts: Tensor

    @property
    def shares(self) -> list[float]:
        """Share of each of the ten classes among the verdicts."""
        counts = torch.bincount(self.verdicts, minlength=len(CLASSES))
        return [int(count) / len(self.verdicts) for count in counts]


@dataclass(frozen=True, eq=False)
class Reference:
    """The real side: statistics of the reference half, the floor, agreement with the labels (``None`` without)."""

    statistics: FeatureStatistics
    floor: float
    agreement: float | None


def judge(batches: Iterable[Tensor], *, device: torch.device | str = "cpu") -> Judged:
    """Features and verdicts of images given as batches uint8 (B, 1, 32, 32)."""
    extractor = Shipped(str(device))
    statistics, verdicts = StatisticsStream(FEATURES), [torch.empty(0, dtype=torch.int64)]
    for images in batches:
        vectors, logits = extractor(images)
        assert logits is not None  # it is a classifier
        statistics.add(vectors)
        verdicts.append(logits.argmax(dim=1).cpu())
    return Judged(statistics.statistics(), torch.cat(verdicts))


def split(total: int, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Indices of reference and control: two disjoint sets of ``count`` (default: half) out of ``total`` real images.

    The permutation is that of ``Images.split_halves``, and fixed, so the same images are the reference for every
    generator and every seed; a smaller ``count`` takes the beginnings of the same two halves.

    Raises:
        ValueError: if ``count`` is below 2 or above half of ``total``.
    """
    half = total // 2
    count = half if count is None else count
    if not 2 <= count <= half:
        raise ValueError(
            f"cannot take {count:,} images each for reference and control from {total:,} real images: "
            f"the count must be between 2 and {half:,}"
        )
    order = torch.randperm(total, generator=generator("halves"))
    return order[:count], order[half : half + count]


def _real(data: ImageSource, chosen: Tensor) -> Iterator[Tensor]:
    """The chosen real images as batches uint8 (B, 1, 32, 32)."""
    for start, n in pieces(len(chosen), BATCH):
        pixels = np.ascontiguousarray(data.pixels[chosen[start : start + n].numpy()])
        yield torch.from_numpy(pixels).permute(0, 3, 1, 2)


# Keyed by what decides the result; an entry is 64x64 numbers, so nothing is ever evicted.
_references: dict[tuple[str, str, int, int, str], Reference] = {}


def reference(data: ImageSource, count: int | None = None, *, device: torch.device | str = "cpu") -> Reference:
    """Statistics of the reference half of the real images and the floor; kept in memory per fingerprint and count."""
    total = len(data.pixels)
    ours, control = split(total, count)
    key = (data.fingerprint, data.name, total, len(ours), str(device))
    if key not in _references:
        seen = judge(_real(data, ours), device=device)
        other = judge(_real(data, control), device=device)
        agreement = None
        if data.labels is not None and len(data.classes) == len(CLASSES):
            labels = torch.as_tensor(data.labels)[ours]
            agreement = float((seen.verdicts == labels).double().mean())
        _references[key] = Reference(seen.statistics, frechet_distance(other.statistics, seen.statistics), agreement)
    return _references[key]


def score_fashion(
    sampler: Sampler,
    data: ImageSource,
    *,
    seed: int,
    count: int | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    extra: dict[str, Plain] | None = None,
) -> list[Score]:
    """``fd_fashion``, its floor and, where the classifier knows the classes, their shares among generated images.

    Args:
        sampler: ``sampler(start, n)`` -> images (n, 1, 32, 32) in [-1, 1]; values outside are clamped.
        data: the real images.
        seed: what fixes the sampler's sequence; recorded, not used.
        count: images on each side; half of the real images by default.
        device: where the features are computed.
        progress: called with (done, total) generated images.
        extra: further facts for the protocol, e.g. ``{"ema": True}``.

    Returns:
        ``fd_fashion`` (at least 0, lower is better), ``fd_fashion_floor``, and ``classes``: how many of the ten have a
        share of at least 3%, with the shares as details. ``classes`` is left out unless the data have labels of ten
        classes and the classifier agrees with 80% of them: its verdicts on other images would mean nothing.

    Raises:
        ValueError: for samples of wrong shape or type, samples that are not finite, or a count the data cannot give.
    """
    real = reference(data, count, device=device)
    n = real.statistics.n
    generated = judge(map(eight_bit, draw(sampler, n, IMAGE_SHAPE, size=BATCH, progress=progress)), device=device)
    common = _protocol(data, n)
    protocol = extended({**common, "samples": n, "sample_kind": "generated", "seed": seed}, extra or {})
    distance = frechet_distance(generated.statistics, real.statistics)
    scores = [
        Score("fd_fashion", distance, protocol, {"floor": real.floor}),
        Score("fd_fashion_floor", real.floor, {**common, "samples": n, "sample_kind": "real"}),
    ]
    if real.agreement is not None and real.agreement >= TRUSTED:
        shares = dict(zip(data.classes, generated.shares, strict=True))
        judged = {
            **protocol,
            "of": len(CLASSES),
            "threshold": PRESENT,
            "judge": f"fashion classifier, agrees with {real.agreement:.0%} of the reference's labels",
        }
        scores.append(Score("classes", sum(share >= PRESENT for share in shares.values()), judged, shares))
    return scores


def _protocol(data: ImageSource, count: int) -> dict[str, Plain]:
    """What all scores of one evaluation share."""
    return {
        "protocol": PROTOCOL,
        "features": f"fashion classifier, {FEATURES} averaged activations",
        "features_hash": features_hash()[:12],
        "reference": data.name,
        "reference_fingerprint": data.fingerprint,
        "reference_count": count,
        "split": "first of two disjoint halves of the real images",
        "resize": "none",
        "pixels": "clamped to [-1, 1], rounded to 8 bits",
        "zerosum": __version__,
    }
