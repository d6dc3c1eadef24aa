"""One way in: the scores that fit the data."""

from typing import Any, cast

import torch

from zerosum._version import __version__
from zerosum.metrics.fashion import ImageSource, score_fashion
from zerosum.metrics.features.shipped import IMAGE_SHAPE
from zerosum.metrics.modes import IDEAL_QUALITY, SIGMAS, measure_modes
from zerosum.metrics.sampling import Progress, Sampler, draw
from zerosum.metrics.score import PROTOCOL, Plain, Score, extended

POINTS = 2_500  # samples on the 2-D mixtures, as VEEGAN (arXiv:1705.07761)


def why_not(data: Any) -> str | None:
    """Why there is no score for these data, in one sentence; ``None`` if there is one.

    Args:
        data: a source from ``zerosum.data``.
    """
    shape = tuple(data.shape)
    if len(shape) == 1:
        modes = getattr(data, "modes", None)
        if shape != (2,) or modes is None or len(modes) == 0 or getattr(data, "std", None) is None:
            return f"{data.name} is no mixture of known modes, so there are no modes to count"
        return None
    if shape != IMAGE_SHAPE:
        listed = "x".join(str(n) for n in shape)
        return f"the shipped features take 1x32x32 images and {data.name} has {listed}; they are not resized silently"
    if getattr(data, "pixels", None) is None:
        return f"{data.name} does not hold its images as pixels, so there is no fixed reference"
    if len(data.pixels) < 4:
        return f"{data.name} has {len(data.pixels)} images; reference and control need 2 each"
    return None


def evaluate(
    sampler: Sampler,
    data: Any,
    *,
    seed: int,
    count: int | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    extra: dict[str, Plain] | None = None,
) -> list[Score]:
    """Every score that fits the data; an empty list where none does, and :func:`why_not` says why.

    * 2-D mixtures (``data.modes``, ``data.std``): ``modes``, ``high_quality``, ``mode_kl``.
    * 1x32x32 images: ``fd_fashion``, ``fd_fashion_floor`` and, for clothes with labels, ``classes``.

    Args:
        sampler: ``sampler(start, n)`` -> samples ``start`` .. ``start + n - 1`` of one fixed sequence, floating point,
            shape (n, *data.shape). The same sequence must come whatever the pieces it is asked for in.
        data: a source from ``zerosum.data``.
        seed: what fixes that sequence; recorded in every protocol.
        count: number of samples; by default half of the real images, or 2,500 points.
        device: where features are computed.
        progress: called with (done, total) samples.
        extra: further facts for the protocol, e.g. ``{"ema": True, "step": 5000}``.

    Raises:
        ValueError: for samples of wrong number, shape or type, or with NaN or infinity; for a count below 1, or one
            the real images cannot match.
    """
    if why_not(data) is not None:
        return []
    if len(data.shape) == 1:
        return _score_modes(sampler, data, POINTS if count is None else count, seed, progress, extra or {})
    images = cast(ImageSource, data)
    return score_fashion(sampler, images, seed=seed, count=count, device=device, progress=progress, extra=extra)


def _score_modes(
    sampler: Sampler, data: Any, count: int, seed: int, progress: Progress | None, extra: dict[str, Plain]
) -> list[Score]:
    """The three scores of a 2-D mixture."""
    if count < 1:
        raise ValueError(f"the number of samples must be at least 1, not {count}")
    modes, std = torch.as_tensor(data.modes), float(data.std)
    points = draw(sampler, count, (2,), size=10_000, progress=progress)
    found = measure_modes(points, modes, std)
    protocol: dict[str, Plain] = {
        "protocol": PROTOCOL,
        "reference": data.name,
        "reference_fingerprint": data.fingerprint,
        "reference_count": None,
        "modes": len(modes),
        "std": std,
        "high_quality_within_sigmas": SIGMAS,
        "samples": count,
        "sample_kind": "generated",
        "seed": seed,
        "zerosum": __version__,
    }
    measured = extended(protocol, extra)
    per_mode = {f"mode {index}": float(n) for index, n in enumerate(found.counts)}
    return [
        Score("modes", found.covered, {**measured, "of": len(modes)}, per_mode),
        Score("high_quality", found.quality, measured, {"ideal": IDEAL_QUALITY}),
        Score("mode_kl", found.divergence, measured),
    ]
