"""Perceptual path length: how much an image changes for a small step between two latents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from zerosum.core.random import generator
from zerosum.metrics.features.vgg16 import load_lpips
from zerosum.metrics.measure import Context, Measure, Number, Option
from zerosum.metrics.sampling import Progress, pieces
from zerosum.metrics.score import Plain
from zerosum.metrics.sides import Side

EPSILON = 1e-4  # step of the path's time
SAMPLING: Literal["full", "end"] = "full"
LARGEST = 256  # side above which images are scaled down before they are compared
DRAWN = 250  # steps drawn at a time, whatever the batch: the number does not depend on it
STEADY = 1e-5  # two images of one latent may differ by this much, of [-1, 1]

Generate = Callable[[Tensor], Tensor]
"""Latents (B, ...) -> images (B, C, H, W) in [-1, 1]: a function of nothing but the latents."""
Latents = Callable[[int, torch.Generator], Tensor]
"""``latents(n, rng)`` -> n latents (n, ...), in the space in which the path runs."""
Path = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``path(a, b, t)`` -> where the way from a to b is at t; t has shape (n, 1, ...)."""
ImageDistance = Callable[[Tensor, Tensor], Tensor]
"""Images (B, C, H, W) twice, in [-1, 1] -> distances (B,), such as LPIPS."""


@dataclass(frozen=True)
class PathLength:
    """Perceptual path length; at least 0, lower is smoother, in units of the distance.

    Attributes:
        mean: Mean of d / epsilon^2 over the pairs that were kept.
        deviation: Standard deviation over them.
        pairs: Number of pairs that were drawn.
        kept: Number of pairs between the 1st and the 99th percentile.
        epsilon: Length of the step, in the path's time.
        sampling: Steps from anywhere on the path (``"full"``), or from its beginning (``"end"``).
        size: Side of the compared images, in pixels.
    """

    mean: float
    deviation: float
    pairs: int
    kept: int
    epsilon: float
    sampling: str
    size: int


def _scale_down(images: Tensor) -> Tensor:
    """Average larger images over blocks, so that no side is above 256 pixels."""
    height, width = images.shape[2:]
    if max(height, width) <= LARGEST:
        return images
    return functional.adaptive_avg_pool2d(images, (min(height, LARGEST), min(width, LARGEST)))


def _generate(generate: Generate, latents: Tensor) -> Tensor:
    """Generate images, check them, and bring them to at most 256 pixels."""
    images = generate(latents)
    if images.ndim != 4 or len(images) != len(latents) or not images.is_floating_point():
        raise ValueError(
            f"the generator must give {len(latents)} floating-point images (B, C, H, W), not {images.dtype} "
            f"{tuple(images.shape)}"
        )
    return _scale_down(images)


def _check_steady(images: Tensor, again: Tensor) -> None:
    """Refuse a generator with noise of its own: divided by epsilon squared, it would be all that is measured."""
    moved = float((images - again).abs().max())
    if not moved <= STEADY:
        raise ValueError(
            f"two calls with the same latents gave images that differ by {moved:.2g}: fix the generator's own noise "
            "and put it into evaluation mode; NaN means that its images are not finite"
        )


def _trim(lengths: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Keep what lies between the 1st and the 99th percentile; these are taken from the values, not between them."""
    low = np.percentile(lengths, 1, method="lower")
    high = np.percentile(lengths, 99, method="higher")
    return lengths[(lengths >= low) & (lengths <= high)]


def _draw_steps(
    latents: Latents, path: Path, n: int, epsilon: float, anywhere: bool, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw both ends of n steps, each (n, ...)."""
    a, b = latents(n, rng), latents(n, rng)
    t = torch.rand(n, generator=rng, dtype=torch.float64) * anywhere
    t = t.to(a.device).view(-1, *[1] * (a.ndim - 1))
    # The path in float64: in float32 a step of 1e-4 between latents near 1 keeps only three digits.
    first, second = (path(a.double(), b.double(), t + late).to(a.dtype) for late in (0.0, epsilon))
    return first, second


@torch.no_grad()
def perceptual_path_length(
    generate: Generate,
    latents: Latents,
    distance: ImageDistance,
    *,
    path: Path,
    seed: int,
    pairs: int = 50_000,
    epsilon: float = EPSILON,
    sampling: Literal["full", "end"] = SAMPLING,
    batch: int = 50,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> PathLength:
    """E[d(g(path(a, b, t)), g(path(a, b, t + epsilon)))] / epsilon^2; Karras et al. 2019 (arXiv:1812.04948), 4.1.

    The mean leaves out the pairs below the 1st and above the 99th percentile, and images of more than 256 pixels are
    averaged over blocks to 256, as the published code does. It is the paper's number only with LPIPS on VGG-16.

    Args:
        generate: Generator; called under ``no_grad``, its own noise held fixed.
        latents: Function that draws latents in the space of the path, on the CPU: z, or W by the mapping network.
        distance: Perceptual distance; it should grow with the square of a small change, as LPIPS does.
        path: Way between two latents: ``slerp`` of ``zerosum.latent.interpolate`` for Gaussian z, ``lerp`` for W and
            uniform z.
        seed: Seed of latents and times.
        pairs: Number of steps measured, at least 2; 50,000 in StyleGAN2's settings.
        epsilon: Length of the step, in the path's time.
        sampling: Times t of the steps: uniform in [0, 1] (``"full"``), or 0 (``"end"``).
        batch: Number of pairs generated at a time.
        device: Where the latents are sent.
        progress: Called with (done, total) pairs.

    Raises:
        ValueError: There are fewer than 2 pairs, epsilon is not between 0 and 1, or there is no such sampling; the
            generator gives other images each time, or none; distances have another shape, are negative or not finite.
    """
    if pairs < 2 or batch < 1 or not 0 < epsilon < 1:
        raise ValueError(f"{pairs=} must be at least 2, {batch=} at least 1 and {epsilon=} between 0 and 1")
    if sampling not in ("full", "end"):
        raise ValueError(f"sampling must be 'full' or 'end', not {sampling!r}")
    lengths: list[Tensor] = []
    sizes: set[int] = set()
    for start, n in pieces(pairs, DRAWN):
        first, second = _draw_steps(latents, path, n, epsilon, sampling == "full", generator(seed, "ppl", start))
        for a, b in zip(torch.split(first, batch), torch.split(second, batch), strict=True):
            here, there = (_generate(generate, end.to(device)) for end in (a, b))
            if not sizes:
                _check_steady(here, _generate(generate, a.to(device)))
            sizes.add(max(here.shape[2:]))
            lengths.append(_check_distances(distance(here, there), len(a)) / epsilon**2)
        if progress is not None:
            progress(start + n, pairs)
    kept = _trim(torch.cat(lengths).numpy())
    return PathLength(float(kept.mean()), float(kept.std()), pairs, len(kept), epsilon, sampling, max(sizes))


def _check_distances(distances: Tensor, n: int) -> Tensor:
    """Distances (n,) as float64 on the CPU."""
    if tuple(distances.shape) != (n,):
        raise ValueError(f"the distance must give one number for each of {n} pairs, not {tuple(distances.shape)}")
    values = distances.to("cpu", torch.float64)
    if not bool(values.isfinite().all()) or bool((values < 0).any()):
        raise ValueError("distances between images must be finite and not negative")
    return values


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    maker = fake.images.maker
    if maker is None:
        raise ValueError("the path length needs a run whose generator takes only latents: images have no latents")
    distance = load_lpips(device=context.device)
    found = perceptual_path_length(
        maker.generate,
        maker.latents,
        distance,
        path=maker.path,
        seed=context.seed,
        pairs=fake.images.count,
        device=context.device,
        **context.options,
    )
    constants: dict[str, Plain] = {
        "distance": f"{distance.name} {distance.hash}",
        "path": maker.way,
        "side": found.size,
    }
    return [Number("ppl", found.mean, {"deviation": found.deviation, "kept": found.kept}, constants)]


MEASURE = Measure(
    name="ppl",
    summary="perceptual path length of a run, by LPIPS (Karras 2019)",
    run=_measure,
    directions={"ppl": "lower"},
    constants={"epsilon": EPSILON, "sampling": SAMPLING},
    options={
        "epsilon": Option(default=EPSILON, text="length of a step, in the path's time", source="Karras et al. 2019"),
        "sampling": Option(
            default=SAMPLING,
            text="where on the path steps are: full, anywhere; end, at its beginning",
            source="Karras et al. 2019",
            words=("full", "end"),
        ),
    },
    published_on=None,
    needs=frozenset({"latents"}),
)
