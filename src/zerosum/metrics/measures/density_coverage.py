"""Density and coverage, and the report that takes them and precision and recall from the same pass over the pairs."""

from typing import NamedTuple

from torch import Tensor

from zerosum.metrics.measure import VECTORS, Context, Measure, Number, Option, share
from zerosum.metrics.measures.precision_recall import K as K_PR
from zerosum.metrics.measures.precision_recall import check_reference, share_inside
from zerosum.metrics.shared.neighbours import MEMORY_MIB, Balls, Hits, hits, nearest
from zerosum.metrics.sides import Side

K = 5  # the neighbour that a ball reaches to


class DensityAndCoverage(NamedTuple):
    """How generated samples fill the balls around real ones.

    Attributes:
        density: Mean number of real samples' balls that hold a generated sample, over k; at least 0, expected 1 for
            equal distributions, above 1 where generated samples crowd where real ones are dense.
        coverage: Share of real samples whose balls hold a generated sample, 0 to 1.
    """

    density: float
    coverage: float


class ManifoldReport(NamedTuple):
    """Precision, recall, density and coverage of one pair of sets, each as its own function gives it."""

    precision: float
    recall: float
    density: float
    coverage: float


def _density_coverage(of_real: Hits, k: int) -> DensityAndCoverage:
    density = int(of_real.per_point.sum()) / (k * len(of_real.per_point))
    return DensityAndCoverage(density, share_inside(of_real.per_ball))


def density_coverage(real: Tensor, fake: Tensor, *, k: int = K, memory_mib: float = MEMORY_MIB) -> DensityAndCoverage:
    """Density and coverage; Naeem et al. 2020, arXiv:2002.09797.

    The ball of a real sample reaches to its k-th nearest neighbour among the real ones, itself not counted, without its
    surface (``<``, as the authors' package ``prdc`` computes it). Unlike precision and recall, neither number depends
    on distances between generated samples.

    Args:
        real: Features of real images (N, D), N > k.
        fake: Features of generated images (M, D), M >= 1.
        k: Neighbour that a ball reaches to. The paper takes 5.
        memory_mib: Working memory in MiB, beside the features.

    Raises:
        ValueError: The features cannot be compared (NaN, unlike dimensions...), k is too large for the real set, all
            real features are equal, or the cap is too small.
    """
    check_reference(real, fake, k=k)
    radii = nearest(real, k=k, memory_mib=memory_mib).squared[:, k - 1]
    (of_real,), _ = hits(real, fake, around_x=[Balls(radii, closed=False)], memory_mib=memory_mib)
    return _density_coverage(of_real, k)


def manifold_report(
    real: Tensor, fake: Tensor, *, k_pr: int = K_PR, k_dc: int = K, memory_mib: float = MEMORY_MIB
) -> ManifoldReport:
    """Improved precision and recall with ``k_pr``, density and coverage with ``k_dc``, sharing all distances.

    It gives the numbers of :func:`.precision_recall` and :func:`density_coverage`, for little more than the cost of
    the former.

    Args:
        real: Features of real images (N, D), N > k_pr and N > k_dc.
        fake: Features of generated images (M, D), M > k_pr.
        k_pr: Neighbour that the balls of precision and recall reach to.
        k_dc: Neighbour that the balls of density and coverage reach to.
        memory_mib: Working memory in MiB, beside the features.

    Raises:
        ValueError: One of the two functions refuses the arguments.
    """
    check_reference(real, fake, k=min(k_pr, k_dc))
    of_real = nearest(real, k=max(k_pr, k_dc), memory_mib=memory_mib).squared
    of_fake = nearest(fake, k=k_pr, memory_mib=memory_mib).squared
    around_real = [Balls(of_real[:, k_pr - 1], closed=True), Balls(of_real[:, k_dc - 1], closed=False)]
    around_fake = [Balls(of_fake[:, k_pr - 1], closed=True)]
    (closed, opened), (recalled,) = hits(real, fake, around_x=around_real, around_y=around_fake, memory_mib=memory_mib)
    precision, recall = share_inside(closed.per_point), share_inside(recalled.per_point)
    return ManifoldReport(precision, recall, *_density_coverage(opened, k_dc))


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    sets = (side.ordered_vectors(context.device) for side in (real, fake))
    found = density_coverage(*sets, k=context.options.get("k", K), memory_mib=context.memory_mib)
    return [
        Number("density", found.density),
        share("coverage", found.coverage, real.images.count, context.seed),
    ]


MEASURE = Measure(
    name="dc",
    summary="density and coverage (Naeem 2020)",
    run=_measure,
    directions={"density": "higher", "coverage": "higher"},
    constants={"k": K},
    options={
        "k": Option(
            default=K,
            text="neighbour that a ball reaches to, fewer than there are real images",
            source="Naeem et al. 2020",
            most=lambda real, fake: (fake if real is None else real) - 1,
        )
    },
    reads=VECTORS,
    published_on="vgg16",
)
