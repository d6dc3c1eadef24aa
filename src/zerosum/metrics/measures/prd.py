"""Precision and recall of distributions: curves over a trade-off, from histograms over clusters of features."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.measure import VECTORS, Context, Measure, Number, Option
from zerosum.metrics.shared.ordering import DRAWN
from zerosum.metrics.sides import Side

CLUSTERS = 20
RUNS = 10
ANGLES = 1001
BETA = 8
MOST_STEPS = 100  # of Lloyd's algorithm


class PrdCurve(NamedTuple):
    """Precision and recall (A,) at A trade-offs, float64, each in [0, 1]; from recall's end to precision's."""

    precision: Tensor
    recall: Tensor


class PrdScore(NamedTuple):
    """The two numbers of a curve, and the curve.

    Attributes:
        f_8: Score that weighs recall 8 times as much as precision, in [0, 1]; 1 is best.
        f_eighth: The same the other way round.
        curve: Curve that both were taken from.
    """

    f_8: float
    f_eighth: float
    curve: PrdCurve


def prd_curve(reference: Tensor, evaluated: Tensor, *, angles: int = ANGLES) -> PrdCurve:
    """The PRD curve of two discrete distributions over the same states.

    With slopes lambda = tan(angle) at equal angles between 0 and pi / 2, precision is sum_s min(lambda p_s, q_s) and
    recall is sum_s min(p_s, q_s / lambda); Sajjadi et al. 2018, arXiv:1806.00035, Theorem 1 and Section 3.2.

    Args:
        reference: Counts or probabilities p of the states, (S,).
        evaluated: Counts or probabilities q of the states, (S,).
        angles: Number of points of the curve.

    Raises:
        ValueError: The two do not fit together, are negative, not finite or sum to 0, or there are fewer than 3 angles.
    """
    if reference.ndim != 1 or reference.shape != evaluated.shape:
        raise ValueError(f"histograms must have one shape (S,), not {tuple(reference.shape)}, {tuple(evaluated.shape)}")
    if angles < 3:
        raise ValueError(f"a curve needs at least 3 angles, not {angles}")
    p, q = _normalise(reference), _normalise(evaluated)
    edge = 1e-10  # tan(0) = 0 and tan(pi / 2) have no inverse, or no value
    slopes = torch.linspace(edge, math.pi / 2 - edge, angles, dtype=torch.float64).tan()[:, None]
    precision = torch.minimum(slopes * p, q).sum(dim=1)
    return PrdCurve(precision.clamp(max=1), torch.minimum(p, q / slopes).sum(dim=1).clamp(max=1))


def max_f_beta(curve: PrdCurve, beta: float) -> float:
    """The largest (1 + b^2) p r / (b^2 p + r) on a curve: b > 1 weighs recall, b < 1 precision; in [0, 1].

    Raises:
        ValueError: The weight beta is not positive.
    """
    if not beta > 0:
        raise ValueError(f"beta must be positive, not {beta}")
    precision, recall = curve
    below = beta**2 * precision + recall
    # Where both are 0, so is the score.
    scores = torch.where(below > 0, (1 + beta**2) * precision * recall / below, 0.0)
    return float(scores.max())


def prd(
    real: Tensor,
    generated: Tensor,
    *,
    clusters: int = CLUSTERS,
    runs: int = RUNS,
    angles: int = ANGLES,
    seed: int = 0,
) -> PrdScore:
    """Precision and recall of generated against real features by joint clustering; Sajjadi et al. 2018, Section 4.

    Each run clusters both sets together and takes the curve of the two histograms; the curves are averaged. The
    authors' code clusters by minibatch k-means, the best of 10 starts; here Lloyd's algorithm runs to its end from one
    k-means++ start per run, so values agree with theirs up to what clustering leaves to chance.

    Args:
        real: Features of real images, (N, D).
        generated: Features of generated images, (N, D); as many, because the larger set would draw the clusters.
        clusters: Number of clusters of k-means.
        runs: Number of clusterings to average over.
        angles: Number of points of the curve.
        seed: Seed of the clusterings' starts.

    Raises:
        ValueError: The sets are not of one shape, not finite, or smaller than the number of clusters.
    """
    if real.ndim != 2 or real.shape != generated.shape:
        raise ValueError(
            f"there must be as many real as generated features, (N, D) each, not {tuple(real.shape)} and "
            f"{tuple(generated.shape)}: the larger set would draw the clusters; take the same number of both"
        )
    if runs < 1:
        raise ValueError(f"there must be at least 1 run, not {runs}")
    joined = torch.cat([real, generated]).detach()
    curves = []
    for run in range(runs):
        labels = kmeans(joined, clusters, seed=seed, run=run)
        p, q = (torch.bincount(side, minlength=clusters) for side in labels.view(2, -1))
        curves.append(prd_curve(p, q, angles=angles))
    curve = PrdCurve(*(torch.stack(values).mean(dim=0) for values in zip(*curves, strict=True)))
    return PrdScore(max_f_beta(curve, BETA), max_f_beta(curve, 1 / BETA), curve)


def kmeans(points: Tensor, clusters: int, *, seed: int, run: int = 0) -> Tensor:
    """Cluster of each point (N, D): (N,) int64, by k-means++ (Arthur and Vassilvitskii 2007) and Lloyd's algorithm.

    It ends when no point changes its cluster, or after 100 steps. A cluster that loses all its points keeps its centre.

    Args:
        points: Points to cluster, (N, D).
        clusters: Number of clusters.
        seed: Seed of the start.
        run: Number of the start; each has its own draws.

    Raises:
        ValueError: There are fewer points than clusters, fewer than one cluster, or values that are not finite.
    """
    if not 1 <= clusters <= len(points):
        raise ValueError(f"{len(points)} points cannot make {clusters} clusters: take more points or fewer clusters")
    if not bool(points.isfinite().all()):
        raise ValueError("features hold NaN or infinity: they belong to no cluster")
    points = _centre(points.to(torch.promote_types(points.dtype, torch.float32)))
    centres = _draw_centres(points, clusters, generator(seed, "kmeans", run))
    labels = _nearest_centre(points, centres)
    for _ in range(MOST_STEPS):
        sizes = torch.bincount(labels, minlength=clusters)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, labels, points)
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
        before, labels = labels, _nearest_centre(points, centres)
        if torch.equal(before, labels):
            break
    return labels


def _centre(points: Tensor) -> Tensor:
    """Points around their mean, as a common offset costs the distances digits, and of about 1, as squares underflow
    and overflow long before points do. The unit is a power of 2: what is of about 1 already keeps its bits."""
    for _ in range(2):  # before the mean, whose sum could overflow, and after it
        exponent = math.frexp(float(points.abs().max()))[1]
        half = exponent // 2  # in two steps: the factor for the smallest numbers is itself too large
        points = points * math.ldexp(1.0, -half) * math.ldexp(1.0, half - exponent)
        points = points - points.mean(dim=0)
    return points


def _draw_centres(points: Tensor, clusters: int, rng: torch.Generator) -> Tensor:
    """First centres: each a point, drawn with probability proportional to its squared distance from those before."""
    draws = torch.rand(clusters, generator=rng, dtype=torch.float64).tolist()
    chosen = [int(draws[0] * len(points))]
    distance = torch.full((len(points),), math.inf, dtype=torch.float64, device=points.device)
    for draw in draws[1:]:
        last = points[chosen[-1]]
        distance = torch.minimum(distance, (points - last).square().sum(dim=1).double())
        cumulative = distance.cumsum(dim=0)
        # Zero everywhere: all points are centres already, and any will do.
        at = torch.searchsorted(cumulative, draw * cumulative[-1], right=True)
        chosen.append(min(int(at), len(points) - 1))
    return points[torch.tensor(chosen)]


def _nearest_centre(points: Tensor, centres: Tensor) -> Tensor:
    """Index of the nearest centre of each point, by |x - c|^2 without |x|^2, which is the same for all centres."""
    return (centres.square().sum(dim=1) - 2 * points @ centres.T).argmin(dim=1)


def _normalise(histogram: Tensor) -> Tensor:
    values = histogram.detach().to("cpu", torch.float64)
    total = values.sum()
    if not bool(total.isfinite()) or bool((values < 0).any()) or not float(total) > 0:
        raise ValueError("a histogram needs finite entries of at least 0, and one above 0")
    return values / total


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    sets = (side.ordered_vectors(context.device) for side in (real, fake))
    found = prd(*sets, **context.options, seed=context.seed)
    return [Number("prd_f8", found.f_8), Number("prd_f1/8", found.f_eighth)]


MEASURE = Measure(
    name="prd",
    summary="precision and recall for distributions, F_8 and F_1/8 (Sajjadi 2018)",
    run=_measure,
    directions={"prd_f8": "higher", "prd_f1/8": "higher"},
    constants={"clusters": CLUSTERS, "runs": RUNS, "angles": ANGLES, **DRAWN},
    options={
        "clusters": Option(
            default=CLUSTERS,
            text="clusters of k-means",
            source="Sajjadi et al. 2018",
            most=lambda real, fake: 2 * fake,
        ),
        "runs": Option(default=RUNS, text="clusterings that are averaged over", source="Sajjadi et al. 2018"),
        "angles": Option(default=ANGLES, text="points of the curve", source="Sajjadi et al. 2018", least=3),
    },
    reads=VECTORS,
    needs=frozenset({"equal"}),
)
