"""The measures of ``objects.py`` by the names that the field knows them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict, Unpack

import torch
from torch import Tensor

from zerosum.metrics.features.find import AnyFeatures
from zerosum.metrics.measures.density_coverage import K as K_DC
from zerosum.metrics.measures.frechet_infinity import POINTS
from zerosum.metrics.measures.inception_score import SPLITS
from zerosum.metrics.measures.kernel import SUBSETS
from zerosum.metrics.measures.ms_ssim import PAIRS
from zerosum.metrics.measures.prd import ANGLES, CLUSTERS, RUNS
from zerosum.metrics.measures.precision_recall import K as K_PR
from zerosum.metrics.measures.swd import DIRECTIONS, PATCHES, REPEATS
from zerosum.metrics.measures.two_sample import PERMUTATIONS
from zerosum.metrics.objects import Metric
from zerosum.metrics.pixels import Range
from zerosum.metrics.score import Score
from zerosum.metrics.scores import Scores


class Common(TypedDict, total=False):
    """Arguments that all metrics take; see :class:`.Metric`."""

    range: Range | None
    classes: Sequence[str]
    batch_size: int | None
    seed: int
    memory_mib: float
    device: torch.device | str


class _ChosenFeatures(Metric):
    """A metric on features that can be chosen; for the arguments, see :class:`.Metric`."""

    named: ClassVar[str]

    def __init__(
        self,
        features: AnyFeatures = "inception",
        *,
        range: Range | None = None,
        classes: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        memory_mib: float = 512.0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(
            self.named,
            features=features,
            range=range,
            classes=classes,
            options=options,
            batch_size=batch_size,
            seed=seed,
            memory_mib=memory_mib,
            device=device,
        )


class _NoChoice(Metric):
    """A metric of pixels, or on features of its own; for the arguments, see :class:`.Metric`."""

    named: ClassVar[str]

    def __init__(
        self,
        *,
        range: Range | None = None,
        classes: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        memory_mib: float = 512.0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(
            self.named,
            range=range,
            classes=classes,
            options=options,
            batch_size=batch_size,
            seed=seed,
            memory_mib=memory_mib,
            device=device,
        )


class _OneScore(Metric):
    """A metric that gives one score."""

    def compute(self, *, sync: bool = True) -> Score:
        """The score of the images so far; see :meth:`.Metric.scores`."""
        return next(iter(self.scores(sync=sync).values()))


class _SeveralScores(Metric):
    """A metric that gives several scores."""

    def compute(self, *, sync: bool = True) -> Scores:
        """The scores of the images so far, by name; see :meth:`.Metric.scores`."""
        return self.scores(sync=sync)


class FID(_ChosenFeatures, _OneScore):
    """Fréchet distance of two Gaussians in feature space; Heusel et al. 2017 (arXiv:1706.08500).

    It keeps moments only. On features other than Inception's its score is called ``fd_FEATURES``.
    """

    named = "fid"


class SFID(_NoChoice, _OneScore):
    """Fréchet distance on features that know places; Nash et al. 2021 (arXiv:2103.03841).

    The features are always ``inception-spatial``, seven channels of an inner layer of Inception; it keeps moments only.
    """

    named = "sfid"


class FDDINOv2(_NoChoice, _OneScore):
    """Fréchet distance on DINOv2's features; Stein et al. 2023 (arXiv:2306.04675). It keeps moments only."""

    named = "fd_dinov2"


class CMMD(_NoChoice, _OneScore):
    """Kernel distance of CLIP embeddings; Jayasumana et al. 2024 (arXiv:2401.09603)."""

    named = "cmmd"


class FIDInfinity(_ChosenFeatures, _OneScore):
    """Fréchet distance less its finite-sample bias; Chong and Forsyth 2020 (arXiv:1911.07023).

    Args:
        features: Network that extracts features.
        points: Numbers of images on the line.
        smallest: The smallest of them, at most half of all. ``None``: 5,000, or a tenth of all images if that is more.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "fid-infinity"

    def __init__(
        self,
        features: AnyFeatures = "inception",
        *,
        points: int = POINTS,
        smallest: int | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(features, options={"points": points, "smallest": smallest}, **common)


class IntraFID(_ChosenFeatures, _OneScore):
    """Mean over classes of the Fréchet distance within each; Miyato and Koyama 2018 (arXiv:1802.05637).

    It needs labels.
    """

    named = "intra-fid"


class KID(_ChosenFeatures, _OneScore):
    """Kernel distance over subsets; Bińkowski et al. 2018 (arXiv:1801.01401).

    Args:
        features: Network that extracts features.
        subsets: Number of pairs of subsets.
        subset_size: Images in a subset. ``None``: 1,000, or fewer where a side has fewer.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "kid"

    def __init__(
        self,
        features: AnyFeatures = "inception",
        *,
        subsets: int = SUBSETS,
        subset_size: int | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(features, options={"subsets": subsets, "subset_size": subset_size}, **common)


class InceptionScore(_ChosenFeatures, _OneScore):
    """Inception Score of generated images; Salimans et al. 2016 (arXiv:1606.03498).

    Real images are accepted and left aside. The splits are drawn by seed.

    Args:
        features: Network that extracts features.
        splits: Number of parts of the images that the score is the mean over.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "is"

    def __init__(self, features: AnyFeatures = "inception", *, splits: int = SPLITS, **common: Unpack[Common]) -> None:
        super().__init__(features, options={"splits": splits}, **common)

    def update(
        self, images: Tensor, real: bool = False, labels: Tensor | None = None, *, held_out: bool = False
    ) -> None:
        """Take in images, generated ones unless ``real`` says otherwise; see :meth:`.Metric.update`."""
        super().update(images, real, labels, held_out=held_out)


class PrecisionRecall(_ChosenFeatures, _SeveralScores):
    """Improved precision and recall: ``precision``, ``recall``; Kynkäänniemi et al. 2019 (arXiv:1904.06991).

    Args:
        features: Network that extracts features.
        k: Neighbour that a ball reaches to.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "pr"

    def __init__(self, features: AnyFeatures = "inception", *, k: int = K_PR, **common: Unpack[Common]) -> None:
        super().__init__(features, options={"k": k}, **common)


class DensityCoverage(_ChosenFeatures, _SeveralScores):
    """Density and coverage: ``density``, ``coverage``; Naeem et al. 2020 (arXiv:2002.09797).

    Args:
        features: Network that extracts features.
        k: Neighbour that a ball reaches to.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "dc"

    def __init__(self, features: AnyFeatures = "inception", *, k: int = K_DC, **common: Unpack[Common]) -> None:
        super().__init__(features, options={"k": k}, **common)


class PRD(_ChosenFeatures, _SeveralScores):
    """Precision and recall of distributions: ``prd_f8``, ``prd_f1/8``; Sajjadi et al. 2018 (arXiv:1806.00035).

    Args:
        features: Network that extracts features.
        clusters: Number of clusters of k-means.
        runs: Number of clusterings that are averaged over.
        angles: Number of points of the curve.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "prd"

    def __init__(
        self,
        features: AnyFeatures = "inception",
        *,
        clusters: int = CLUSTERS,
        runs: int = RUNS,
        angles: int = ANGLES,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(features, options={"clusters": clusters, "runs": runs, "angles": angles}, **common)


class TwoSampleTests(_ChosenFeatures, _SeveralScores):
    """Two-sample tests: ``c2st``, ``1nn``, ``mmd2``, each with a p-value in its details.

    Args:
        features: Network that extracts features.
        permutations: Number of permutations behind a p-value.
        mmd_samples: Images of each side in the permuted MMD. ``None``: 2,000, or fewer where a side has fewer.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "tests"

    def __init__(
        self,
        features: AnyFeatures = "inception",
        *,
        permutations: int = PERMUTATIONS,
        mmd_samples: int | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(features, options={"permutations": permutations, "mmd_samples": mmd_samples}, **common)


class Copying(_ChosenFeatures, _OneScore):
    """Whether the training set is copied; Meehan et al. 2020 (arXiv:2004.05675).

    It needs held-out images: ``update(images, real=True, held_out=True)``.
    """

    named = "copying"


class LabelAccuracy(_ChosenFeatures, _OneScore):
    """Share of generated images of the class that was asked for, by a classifier; Odena et al. 2017 (arXiv:1610.09585).

    It needs labels, and features that come with logits of these classes.
    """

    named = "labels"


class FDRandom(_NoChoice, _SeveralScores):
    """Fréchet distance with a floor, on random convolutions: ``fd_random``, ``fd_random_floor``; no download."""

    named = "fd_random"


class FDFashion(_NoChoice, _SeveralScores):
    """Fréchet distance with a floor, on our classifier of clothes, 1x32x32: ``fd_fashion``, ``fd_fashion_floor``."""

    named = "fd_fashion"


class SlicedWasserstein(_NoChoice, _OneScore):
    """Sliced Wasserstein distance on Laplacian pyramids; Karras et al. 2018 (arXiv:1710.10196). It keeps pixels.

    Args:
        patches: Number of patches of each image at each level.
        repeats: Number of groups of directions.
        directions: Number of directions in each group.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "swd"

    def __init__(
        self, *, patches: int = PATCHES, repeats: int = REPEATS, directions: int = DIRECTIONS, **common: Unpack[Common]
    ) -> None:
        super().__init__(options={"patches": patches, "repeats": repeats, "directions": directions}, **common)


class MSSSIM(_NoChoice, _OneScore):
    """Similarity of pairs of generated images; Odena et al. 2017 (arXiv:1610.09585). It keeps pixels.

    Args:
        pairs: Number of pairs, within each class where there are labels.
        common: What all metrics take; see :class:`.Metric`.
    """

    named = "ms-ssim"

    def __init__(self, *, pairs: int = PAIRS, **common: Unpack[Common]) -> None:
        super().__init__(options={"pairs": pairs}, **common)
