"""Density and coverage, and the report that takes them and precision and recall from the same pass over the pairs."""

from typing import NamedTuple

from torch import Tensor

from zerosum.metrics.neighbours import MEMORY_MIB, Balls, Hits, hits, nearest
from zerosum.metrics.precision_recall import check_reference, share_inside


class DensityCoverage(NamedTuple):
    """How generated samples fill the balls around real ones.

    Attributes:
        density: mean number of real samples' balls that hold a generated sample, over k; at least 0, expected 1 for
            equal distributions, above 1 where generated samples crowd where real ones are dense.
        coverage: share of real samples whose ball holds a generated sample; 0 to 1.
    """

    density: float
    coverage: float


class ManifoldReport(NamedTuple):
    """Precision, recall, density and coverage of one pair of sets; each as in its own function."""

    precision: float
    recall: float
    density: float
    coverage: float


def _density_coverage(of_real: Hits, k: int) -> DensityCoverage:
    density = int(of_real.per_point.sum()) / (k * len(of_real.per_point))
    return DensityCoverage(density, share_inside(of_real.per_ball))


def density_coverage(real: Tensor, fake: Tensor, *, k: int = 5, memory_mib: float = MEMORY_MIB) -> DensityCoverage:
    """Density and coverage; Naeem et al. 2020, arXiv:2002.09797.

    The ball of a real sample reaches to its k-th nearest neighbour among the real ones, itself not counted, without its
    surface (``<``, as the authors' package ``prdc`` computes it). Unlike precision and recall neither number depends on
    distances between generated samples.

    Args:
        real: features of real images (N, D), N > k.
        fake: features of generated images (M, D), M >= 1.
        k: which neighbour a ball reaches to. The paper takes 5.
        memory_mib: working memory in MiB, beside the features.

    Raises:
        ValueError: for features that cannot be compared (NaN, unlike dimensions...), a k that is too large for the real
            set, real features that are all equal, or too small a cap.
    """
    check_reference(real, fake, k=k)
    radii = nearest(real, k=k, memory_mib=memory_mib).squared[:, k - 1]
    (of_real,), _ = hits(real, fake, around_x=[Balls(radii, closed=False)], memory_mib=memory_mib)
    return _density_coverage(of_real, k)


def manifold_report(
    real: Tensor, fake: Tensor, *, k_pr: int = 3, k_dc: int = 5, memory_mib: float = MEMORY_MIB
) -> ManifoldReport:
    """Improved precision and recall with ``k_pr``, density and coverage with ``k_dc``, sharing all distances.

    Gives the numbers of :func:`~zerosum.metrics.precision_recall.precision_recall` and :func:`density_coverage`, for
    little more than the cost of the former.

    Args:
        real: features of real images (N, D), N > k_pr and N > k_dc.
        fake: features of generated images (M, D), M > k_pr.
        k_pr: neighbour that the balls of precision and recall reach to.
        k_dc: neighbour that the balls of density and coverage reach to.
        memory_mib: working memory in MiB, beside the features.

    Raises:
        ValueError: as the two functions.
    """
    check_reference(real, fake, k=min(k_pr, k_dc))
    of_real = nearest(real, k=max(k_pr, k_dc), memory_mib=memory_mib).squared
    of_fake = nearest(fake, k=k_pr, memory_mib=memory_mib).squared
    around_real = [Balls(of_real[:, k_pr - 1], closed=True), Balls(of_real[:, k_dc - 1], closed=False)]
    around_fake = [Balls(of_fake[:, k_pr - 1], closed=True)]
    (closed, opened), (recalled,) = hits(real, fake, around_x=around_real, around_y=around_fake, memory_mib=memory_mib)
    precision, recall = share_inside(closed.per_point), share_inside(recalled.per_point)
    return ManifoldReport(precision, recall, *_density_coverage(opened, k_dc))
