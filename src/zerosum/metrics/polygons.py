"""Precision and recall by distance to a known manifold: images of triangles, in both directions.

The idea of Lucic et al. 2018, "Are GANs Created Equal? A Large-Scale Study" (arXiv:1711.10337): data so simple that
the distance of any image to all possible data can be computed. Their solver was never published, so its settings are
choices made here, and every result states them. The images are those of the source ``triangles``: black on white.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.polygon_geometry import AnyTriangle, Manifold, coverage, coverage_slopes, draw_angles
from zerosum.metrics.sampling import Progress, pieces

DELTA = 0.75
CHUNK = 128  # images in memory at a time
SETTLED = 1e-4  # share of its squared distance below which the gain of a step counts as none
STUCK = 1e4  # damping from which on steps have no length


@dataclass(frozen=True)
class Fit:
    """How the nearest triangle of an image is looked for.

    Attributes:
        manifold: which triangles there are.
        candidates: random triangles that are compared with each image.
        starts: how many of the nearest candidates are refined, at most; a further one only while none is within delta.
        steps: of Levenberg and Marquardt's damped Gauss-Newton method, for each start.
    """

    manifold: Manifold = field(default_factory=AnyTriangle)
    candidates: int = 2_000
    starts: int = 3
    steps: int = 20


@dataclass(frozen=True)
class Inversion:
    """How the latent of an image is looked for.

    Attributes:
        generate: latents (B, ...) -> images (B, 1, H, W) in [-1, 1], differentiable, in evaluation mode.
        latents: ``latents(n, rng)`` -> n latents (n, ...).
        candidates: random latents whose images are compared with each target.
        starts: how many of the nearest are refined, at most; a further one only while none is within delta.
        steps: of Adam on the latent, for each start.
        rate: its learning rate.
        bound: latents are kept in [-bound, bound]: 1 for a prior uniform there, ``None`` for a normal one.
    """

    generate: Callable[[Tensor], Tensor]
    latents: Callable[[int, torch.Generator], Tensor]
    candidates: int = 2_000
    starts: int = 3
    steps: int = 200
    rate: float = 0.05
    bound: float | None = None


@dataclass(frozen=True)
class PolygonScore:
    """Precision and recall on triangles, with the settings they were found under.

    Attributes:
        precision: share of the generated images within ``delta`` of a triangle.
        recall: share of the test triangles within ``delta`` of an image of the generator; ``None`` without one.
        f1: 2 P R / (P + R), 0 if both are; ``None`` without a recall.
        distance: mean distance of the generated images to their triangles.
        images: generated images.
        targets: test triangles, 0 without a recall.
        delta: largest distance that counts: Euclidean, over pixels of values 0 to 1.
        settings: of both searches, in words.
    """

    precision: float
    recall: float | None
    f1: float | None
    distance: float
    images: int
    targets: int
    delta: float
    settings: str


@torch.no_grad()
def distance_to_triangles(
    images: Tensor,
    *,
    seed: int,
    fit: Fit | None = None,
    delta: float = DELTA,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Tensor:
    """Euclidean distance of each image to the nearest triangle found: float64 (N,), an upper bound of the true one.

    Args:
        images: black on white, uint8 (N, 1, S, S), S at least 28.
        seed: of the candidates.
        fit: how the nearest triangle is looked for.
        delta: where looking from further starts ends.
        device: where it is computed.
        progress: called with (done, total) images.

    Raises:
        ValueError: for images of other type or shape, or settings below 1.
    """
    fit = fit or Fit()
    size = _check_images(images)
    if min(fit.candidates, fit.starts, fit.steps) < 1 or fit.starts > fit.candidates:
        raise ValueError(f"{fit}: all counts must be at least 1, and no more starts than candidates")
    angles = draw_angles(fit.candidates, generator(seed, "triangle candidates")).to(device)
    starts = fit.manifold.coordinates(angles, size)
    known = torch.cat([coverage(fit.manifold.corners(some, size), size) for some in torch.split(starts, CHUNK)])
    found = []
    for first, n in pieces(len(images), CHUNK):
        wanted = _ink(images[first : first + n], device)
        nearest = _nearest(wanted, known.flatten(1), fit.starts)

        def refine(chosen: Tensor, which: Tensor, wanted: Tensor = wanted) -> Tensor:
            return _refined(wanted[which], starts[chosen], fit, size)

        found.append(_search(nearest, refine, delta))
        if progress is not None:
            progress(first + n, len(images))
    return torch.cat(found).cpu()


def distance_to_generator(
    targets: Tensor,
    inversion: Inversion,
    *,
    seed: int,
    delta: float = DELTA,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Tensor:
    """Euclidean distance of each target to the nearest image found of a generator: float64 (N,), an upper bound.

    Args:
        targets: uint8 (N, 1, S, S).
        inversion: the generator, and how its latents are looked for.
        seed: of the candidates.
        delta: where looking from further starts ends.
        device: where the generator runs.
        progress: called with (done, total) targets.

    Raises:
        ValueError: for targets or generated images of other type or shape, or that are not finite; settings below 1.
    """
    _check_images(targets)
    counts = inversion.candidates, inversion.starts, inversion.steps
    if min(counts) < 1 or inversion.starts > inversion.candidates or inversion.rate <= 0:
        raise ValueError(f"{inversion}: counts and rate must be above 0, and no more starts than candidates")
    latents = inversion.latents(inversion.candidates, generator(seed, "inversion candidates")).to(device)
    with torch.no_grad():
        known = torch.cat([_generated(inversion, some, targets) for some in torch.split(latents, CHUNK)])
    found = []
    for first, n in pieces(len(targets), CHUNK):
        wanted = _ink(targets[first : first + n], device)
        nearest = _nearest(wanted, known, inversion.starts)

        def refine(chosen: Tensor, which: Tensor, wanted: Tensor = wanted) -> Tensor:
            return _inverted(wanted[which], latents[chosen], inversion, targets)

        found.append(_search(nearest, refine, delta))
        if progress is not None:
            progress(first + n, len(targets))
    return torch.cat(found).cpu()


def measure_polygons(
    images: Tensor,
    *,
    seed: int,
    fit: Fit | None = None,
    inversion: Inversion | None = None,
    targets: Tensor | None = None,
    delta: float = DELTA,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> PolygonScore:
    """Precision of generated images of triangles; with a generator and test triangles, recall and F1 as well.

    A set of images has no latents to search, so a folder gets a precision only. The study takes 1,024 of either.

    Args:
        images: generated images, black on white, uint8 (N, 1, S, S), S at least 28.
        seed: of all candidates.
        fit: search for triangles; the default settings are those of :class:`Fit`.
        inversion: the generator, and the search for latents.
        targets: test triangles, uint8 (M, 1, S, S).
        delta: largest Euclidean distance that counts, over pixels of values 0 to 1.
        device: where it is computed.
        progress: called with (done, total) of images and targets together.

    Raises:
        ValueError: for only one of ``inversion`` and ``targets``, a delta that is not positive, or what
            :func:`distance_to_triangles` and :func:`distance_to_generator` refuse.
    """
    if (inversion is None) != (targets is None):
        raise ValueError("recall needs both the generator (inversion) and test triangles (targets)")
    if not delta > 0:
        raise ValueError(f"delta must be positive, not {delta}")
    fit, before = fit or Fit(), len(images)
    total = before + (0 if targets is None else len(targets))
    first = None if progress is None else lambda done, _: progress(done, total)
    second = None if progress is None else lambda done, _: progress(before + done, total)
    distances = distance_to_triangles(images, seed=seed, fit=fit, delta=delta, device=device, progress=first)
    precision, recall, f1 = float((distances < delta).double().mean()), None, None
    said = f"{fit.manifold.name}, {fit.candidates} candidates, {fit.starts} starts of {fit.steps} Gauss-Newton steps"
    if inversion is not None and targets is not None:
        near = distance_to_generator(targets, inversion, seed=seed, delta=delta, device=device, progress=second) < delta
        recall = float(near.double().mean())
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        said += (
            f"; {inversion.candidates} latents, {inversion.starts} starts of {inversion.steps} Adam steps at rate "
            f"{inversion.rate:g}, latents {'free' if inversion.bound is None else f'within {inversion.bound:g}'}"
        )
    return PolygonScore(precision, recall, f1, float(distances.mean()), before, total - before, delta, said)


def _check_images(images: Tensor) -> int:
    """The side of the images."""
    size = images.shape[-1]
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (1, size, size) or size < 28:
        raise ValueError(
            f"images of triangles are grey, square and of 28 pixels or more, uint8 (N, 1, S, S), not {images.dtype} "
            f"{tuple(images.shape)}"
        )
    if len(images) == 0:
        raise ValueError("no images: there is nothing to measure")
    return size


def _ink(images: Tensor, device: torch.device | str) -> Tensor:
    """Black as 1 and white as 0: uint8 (B, 1, S, S) -> float64 (B, S * S)."""
    return 1 - images.to(device, torch.float64).flatten(1) / 255


def _nearest(wanted: Tensor, known: Tensor, count: int) -> Tensor:
    """Indices (B, count) of the known images nearest to each wanted one, the nearest first."""
    distances = known.square().sum(dim=1) - 2 * wanted @ known.to(wanted.dtype).T
    return distances.topk(count, dim=1, largest=False).indices


def _search(nearest: Tensor, refine: Callable[[Tensor, Tensor], Tensor], delta: float) -> Tensor:
    """Least distance (B,) over the starts ``nearest`` (B, S); further starts only for what is not yet within delta."""
    best = torch.full((len(nearest),), math.inf, dtype=torch.float64, device=nearest.device)
    for start in nearest.T:
        open_ones = (best >= delta).nonzero().flatten()
        if len(open_ones) == 0:
            break
        best[open_ones] = torch.minimum(best[open_ones], refine(start[open_ones], open_ones))
    return best


def _refined(wanted: Tensor, coordinates: Tensor, fit: Fit, size: int) -> Tensor:
    """Distances (B,) after Levenberg-Marquardt steps from coordinates (B, P); a step must help and stay allowed."""
    residual = _residual(wanted, coordinates, fit.manifold, size)
    squares = residual.square().sum(dim=1)
    damping = torch.full_like(squares, 1e-2)
    moving = torch.arange(len(squares), device=squares.device)
    for _ in range(fit.steps):
        at, old = coordinates[moving], squares[moving]
        trial = at + _gauss_newton(at, residual[moving], damping[moving], fit.manifold, size)
        new = _residual(wanted[moving], trial, fit.manifold, size)
        gain = old - new.square().sum(dim=1)
        better = (gain > 0) & fit.manifold.allows(trial, size)
        improved = moving[better]
        coordinates[improved], residual[improved] = trial[better], new[better]
        squares[improved] = old[better] - gain[better]
        damping[moving] *= torch.where(better, 0.2, 5.0)
        # What gains nothing any more, or only by steps of no length, has arrived.
        moving = moving[torch.where(better, gain > SETTLED * old, damping[moving] < STUCK)]
        if len(moving) == 0:
            break
    return squares.sqrt()


def _residual(wanted: Tensor, coordinates: Tensor, manifold: Manifold, size: int) -> Tensor:
    """What the triangles at coordinates (B, P) have too much in each pixel: (B, S * S)."""
    return coverage(manifold.corners(coordinates, size), size).flatten(1) - wanted


def _gauss_newton(at: Tensor, residual: Tensor, damping: Tensor, manifold: Manifold, size: int) -> Tensor:
    """The damped step (B, P) from coordinates (B, P)."""
    slopes = manifold.along(coverage_slopes(manifold.corners(at, size), size), at).flatten(2)
    curvature = slopes @ slopes.mT
    downhill = -(slopes @ residual.unsqueeze(2))
    scale = curvature.diagonal(dim1=1, dim2=2)
    step: Tensor = torch.linalg.solve(curvature + torch.diag_embed(damping.unsqueeze(1) * scale + 1e-9), downhill)
    return step.squeeze(2)


def _generated(inversion: Inversion, latents: Tensor, targets: Tensor) -> Tensor:
    """The generator's images in the form of :func:`_ink`, in its own precision, checked."""
    images = inversion.generate(latents)
    if images.shape != (len(latents), *targets.shape[1:]) or not bool(images.isfinite().all()):
        raise ValueError(
            f"the generator must give finite images {(len(latents), *targets.shape[1:])} like the targets, not "
            f"{tuple(images.shape)}, or some hold NaN or infinity"
        )
    return (1 - images.flatten(1)) / 2


def _inverted(wanted: Tensor, latents: Tensor, inversion: Inversion, targets: Tensor) -> Tensor:
    """Least distances (B,) that Adam reaches from latents (B, ...)."""
    at = latents.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([at], lr=inversion.rate)
    best = torch.full((len(at),), math.inf, dtype=torch.float64, device=at.device)
    for step in range(inversion.steps + 1):
        with torch.enable_grad():
            squares = (_generated(inversion, at, targets).to(wanted.dtype) - wanted).square().sum(dim=1)
            # Only with respect to the latents: the generator's own gradients stay as they were.
            (at.grad,) = torch.autograd.grad(squares.sum(), at)
        best = torch.minimum(best, squares.detach().sqrt())
        if step < inversion.steps:
            optimizer.step()
        if inversion.bound is not None:
            at.data.clamp_(-inversion.bound, inversion.bound)
    return best
