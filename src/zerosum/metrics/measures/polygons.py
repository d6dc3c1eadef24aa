"""Precision and recall by distance to a known manifold: images of triangles, in both directions.

The idea of Lucic et al. 2018, "Are GANs Created Equal? A Large-Scale Study" (arXiv:1711.10337): data so simple that
the distance of any image to all possible data can be computed. Their solver was never published, so its settings are
choices made here, and every result states them. The images are those of the source ``triangles``: black on white.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.data.polygons import draw_angles, inscribe
from zerosum.metrics.measure import Context, Measure, Number
from zerosum.metrics.sampling import Progress, pieces
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.ordering import DRAWN
from zerosum.metrics.shared.polygon_geometry import are_allowed, coverage, coverage_slopes
from zerosum.metrics.sides import Side

DELTA = 0.75
FITTED = 1_024  # images that are fitted: as many as the study took
CHUNK = 128  # images in memory at a time
SETTLED = 1e-4  # share of its squared distance below which the gain of a step counts as none
STUCK = 1e4  # damping from which on steps have no length


@dataclass(frozen=True)
class Fit:
    """How the nearest triangle of an image is looked for.

    Attributes:
        candidates: Number of random triangles that are compared with each image.
        starts: Largest number of nearest candidates that are refined; a further one only while none is within delta.
        steps: Steps of Levenberg and Marquardt's damped Gauss-Newton method, for each start.
    """

    candidates: int = 2_000
    starts: int = 3
    steps: int = 20


@dataclass(frozen=True)
class PolygonInversion:
    """How the latent of an image is looked for.

    Attributes:
        generate: Generator in evaluation mode: latents (B, ...) -> images (B, 1, H, W) in [-1, 1], differentiable.
        latents: Prior: ``latents(n, rng)`` -> n latents (n, ...).
        candidates: Number of random latents whose images are compared with each target.
        starts: Largest number of nearest candidates that are refined; a further one only while none is within delta.
        steps: Steps of Adam on the latent, for each start.
        rate: Learning rate of Adam.
        bound: Largest size of a latent's component: 1 for a prior uniform in [-1, 1], ``None`` for a normal one.
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
    """Precision and recall on triangles, with the settings that they were found under.

    Attributes:
        precision: Share of the generated images within ``delta`` of a triangle.
        recall: Share of the test triangles within ``delta`` of an image of the generator; ``None`` without one.
        f1: Harmonic mean 2 P R / (P + R), 0 if both are 0; ``None`` without a recall.
        distance: Mean distance of the generated images to their triangles.
        images: Number of generated images.
        targets: Number of test triangles, 0 without a recall.
        delta: Largest distance that counts: Euclidean, over pixels of values 0 to 1.
        settings: Settings of both searches, in words.
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
        images: Images, black on white, uint8 (N, 1, S, S), S at least 28.
        seed: Seed of the candidates.
        fit: How the nearest triangle is looked for.
        delta: Distance below which no further start is tried.
        device: Where it is computed.
        progress: Called with (done, total) images.

    Raises:
        ValueError: The images have another type or shape, or a setting is below 1.
    """
    fit = fit or Fit()
    size = _check_images(images)
    if min(fit.candidates, fit.starts, fit.steps) < 1 or fit.starts > fit.candidates:
        raise ValueError(f"{fit}: all counts must be at least 1, and no more starts than candidates")
    angles = draw_angles(fit.candidates, generator(seed, "triangle candidates")).to(device)
    starts = inscribe(angles, size)
    known = torch.cat([coverage(some, size) for some in torch.split(starts, CHUNK)]).flatten(1)
    return _search(images, known, fit.starts, lambda x, at: _refine(x, starts[at], fit.steps, size), delta, progress)


def distance_to_generator(
    targets: Tensor,
    inversion: PolygonInversion,
    *,
    seed: int,
    delta: float = DELTA,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Tensor:
    """Euclidean distance of each target to the nearest image found of a generator: float64 (N,), an upper bound.

    Args:
        targets: Test triangles, uint8 (N, 1, S, S).
        inversion: Generator, and how its latents are looked for.
        seed: Seed of the candidates.
        delta: Distance below which no further start is tried.
        device: Where the generator runs.
        progress: Called with (done, total) targets.

    Raises:
        ValueError: Targets or generated images have another type or shape, or are not finite; or a setting is below 1.
    """
    _check_images(targets)
    counts = inversion.candidates, inversion.starts, inversion.steps
    if min(counts) < 1 or inversion.starts > inversion.candidates or inversion.rate <= 0:
        raise ValueError(f"{inversion}: counts and rate must be above 0, and no more starts than candidates")
    latents = inversion.latents(inversion.candidates, generator(seed, "inversion candidates")).to(device)
    with torch.no_grad():
        known = torch.cat([_generate(inversion, some, targets) for some in torch.split(latents, CHUNK)])
    return _search(
        targets, known, inversion.starts, lambda x, at: _invert(x, latents[at], inversion, targets), delta, progress
    )


def measure_polygons(
    images: Tensor,
    *,
    seed: int,
    fit: Fit | None = None,
    inversion: PolygonInversion | None = None,
    targets: Tensor | None = None,
    delta: float = DELTA,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> PolygonScore:
    """Precision of generated images of triangles; with a generator and test triangles, recall and F1 as well.

    A set of images has no latents to search, so a folder gets only a precision. The study takes 1,024 of either.

    Args:
        images: Generated images, black on white, uint8 (N, 1, S, S), S at least 28.
        seed: Seed of all candidates.
        fit: Search for triangles; by default with the settings of :class:`Fit`.
        inversion: Generator, and the search for its latents.
        targets: Test triangles, uint8 (M, 1, S, S).
        delta: Largest Euclidean distance that counts, over pixels of values 0 to 1.
        device: Where it is computed.
        progress: Called with (done, total) of images and targets together.

    Raises:
        ValueError: Only one of ``inversion`` and ``targets`` is given, delta is not positive, or
            :func:`distance_to_triangles` or :func:`distance_to_generator` refuses the images.
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
    said = f"any triangle, {fit.candidates} candidates, {fit.starts} starts of {fit.steps} Gauss-Newton steps"
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


def _search(
    images: Tensor,
    known: Tensor,
    starts: int,
    refine: Callable[[Tensor, Tensor], Tensor],
    delta: float,
    progress: Progress | None,
) -> Tensor:
    """Distances (N,), float64 on the CPU, of images to what can be reached from the nearest of the known ones.

    Args:
        images: Images that are looked for, uint8 (N, 1, S, S).
        known: Ink of the candidates, (K, S * S).
        starts: Number of nearest candidates to start from, at most.
        refine: Function from the ink of some images (B, S * S) and a candidate for each (B,) to distances (B,).
        delta: Distance below which no further start is tried.
        progress: Called with (done, total) images.
    """
    found = []
    for first, n in pieces(len(images), CHUNK):
        wanted = _ink(images[first : first + n], known.device)
        best = torch.full((n,), math.inf, dtype=torch.float64, device=known.device)
        for start in _nearest(wanted, known, starts).T:
            open_ones = (best >= delta).nonzero().flatten()
            if len(open_ones) == 0:
                break
            best[open_ones] = torch.minimum(best[open_ones], refine(wanted[open_ones], start[open_ones]))
        found.append(best)
        if progress is not None:
            progress(first + n, len(images))
    return torch.cat(found).cpu()


def _refine(wanted: Tensor, corners: Tensor, steps: int, size: int) -> Tensor:
    """Distances (B,) after Levenberg-Marquardt steps from corners (B, 3, 2); a step must help and stay allowed."""
    residual = _residual(wanted, corners, size)
    squares = residual.square().sum(dim=1)
    damping = torch.full_like(squares, 1e-2)
    moving = torch.arange(len(squares), device=squares.device)
    for _ in range(steps):
        at, old = corners[moving], squares[moving]
        trial = at + _damped_step(at, residual[moving], damping[moving], size)
        new = _residual(wanted[moving], trial, size)
        gain = old - new.square().sum(dim=1)
        better = (gain > 0) & are_allowed(trial, size)
        improved = moving[better]
        corners[improved], residual[improved] = trial[better], new[better]
        squares[improved] = old[better] - gain[better]
        damping[moving] *= torch.where(better, 0.2, 5.0)
        # What gains nothing any more, or only by steps of no length, has arrived.
        moving = moving[torch.where(better, gain > SETTLED * old, damping[moving] < STUCK)]
        if len(moving) == 0:
            break
    return squares.sqrt()


def _residual(wanted: Tensor, corners: Tensor, size: int) -> Tensor:
    """What the triangles with corners (B, 3, 2) have too much in each pixel: (B, S * S)."""
    return coverage(corners, size).flatten(1) - wanted


def _damped_step(corners: Tensor, residual: Tensor, damping: Tensor, size: int) -> Tensor:
    """The damped Gauss-Newton step of corners (B, 3, 2)."""
    slopes = coverage_slopes(corners, size).flatten(1, 2).flatten(2)
    curvature = slopes @ slopes.mT
    downhill = -(slopes @ residual.unsqueeze(2))
    scale = curvature.diagonal(dim1=1, dim2=2)
    step: Tensor = torch.linalg.solve(curvature + torch.diag_embed(damping.unsqueeze(1) * scale + 1e-9), downhill)
    return step.view_as(corners)


def _generate(inversion: PolygonInversion, latents: Tensor, targets: Tensor) -> Tensor:
    """The generator's images in the form of :func:`_ink`, in its own precision, checked."""
    images = inversion.generate(latents)
    if images.shape != (len(latents), *targets.shape[1:]) or not bool(images.isfinite().all()):
        raise ValueError(
            f"the generator must give finite images {(len(latents), *targets.shape[1:])} like the targets, not "
            f"{tuple(images.shape)}, or some hold NaN or infinity"
        )
    return (1 - images.flatten(1)) / 2


def _invert(wanted: Tensor, latents: Tensor, inversion: PolygonInversion, targets: Tensor) -> Tensor:
    """Least distances (B,) that Adam reaches from latents (B, ...)."""
    at = latents.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([at], lr=inversion.rate)
    best = torch.full((len(at),), math.inf, dtype=torch.float64, device=at.device)
    for step in range(inversion.steps + 1):
        with torch.enable_grad():
            squares = (_generate(inversion, at, targets).to(wanted.dtype) - wanted).square().sum(dim=1)
            # Only with respect to the latents: the generator's own gradients stay as they were.
            (at.grad,) = torch.autograd.grad(squares.sum(), at)
        best = torch.minimum(best, squares.detach().sqrt())
        if step < inversion.steps:
            optimizer.step()
        if inversion.bound is not None:
            at.data.clamp_(-inversion.bound, inversion.bound)
    return best


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    maker, held_out = fake.images.maker, context.held_out or real
    inversion = PolygonInversion(maker.generate, maker.latents, bound=maker.bound) if maker else None
    targets = held_out.ordered_pixels()[:FITTED] if maker else None
    images = fake.ordered_pixels()[:FITTED]
    found = measure_polygons(images, seed=context.seed, inversion=inversion, targets=targets, device=context.device)
    constants: dict[str, Plain] = {
        "settings": found.settings,
        "polygons": found.images,
        "targets": found.targets,
        "targets_fingerprint": held_out.images.fingerprint if targets is not None else None,
    }
    scores = [Number("polygon_precision", found.precision, {"distance": found.distance}, constants)]
    if found.recall is not None and found.f1 is not None:
        scores += [Number("polygon_recall", found.recall, {}, constants), Number("polygon_f1", found.f1, {}, constants)]
    return scores


MEASURE = Measure(
    name="polygons",
    summary="distance to triangles, and back (Lucic 2018); on triangles",
    run=_measure,
    directions={"polygon_precision": "higher", "polygon_recall": "higher", "polygon_f1": "higher"},
    constants={"delta": DELTA, **DRAWN},
    published_on=None,
    may_hold_out=True,
)
