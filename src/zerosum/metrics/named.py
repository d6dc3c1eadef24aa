"""The measures of ``objects.py`` by the names that the field knows them by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from zerosum.metrics.features.find import AnyFeatures
from zerosum.metrics.objects import Metric
from zerosum.metrics.pixels import Range
from zerosum.metrics.score import Score
from zerosum.metrics.scores import Scores


class _ChosenFeatures(Metric):
    """A metric on features that can be chosen; for the arguments, see :class:`.Metric`."""

    named: ClassVar[str]

    def __init__(
        self,
        features: AnyFeatures = "inception",
        *,
        range: Range | None = None,
        classes: Sequence[str] = (),
        seed: int = 0,
        memory_mib: float = 512.0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(
            self.named,
            features=features,
            range=range,
            classes=classes,
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
        seed: int = 0,
        memory_mib: float = 512.0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(self.named, range=range, classes=classes, seed=seed, memory_mib=memory_mib, device=device)


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


class FIDInfinity(_ChosenFeatures, _OneScore):
    """Fréchet distance less its finite-sample bias; Chong and Forsyth 2020 (arXiv:1911.07023)."""

    named = "fid-infinity"


class IntraFID(_ChosenFeatures, _OneScore):
    """Mean over classes of the Fréchet distance within each; Miyato and Koyama 2018 (arXiv:1802.05637).

    It needs labels.
    """

    named = "intra-fid"


class KID(_ChosenFeatures, _OneScore):
    """Kernel distance over subsets; Bińkowski et al. 2018 (arXiv:1801.01401)."""

    named = "kid"


class InceptionScore(_ChosenFeatures, _OneScore):
    """Inception Score of generated images; Salimans et al. 2016 (arXiv:1606.03498).

    Real images are accepted and left aside. The splits are drawn by seed.
    """

    named = "is"

    def update(
        self, images: Tensor, real: bool = False, labels: Tensor | None = None, *, held_out: bool = False
    ) -> None:
        """Take in images, generated ones unless ``real`` says otherwise; see :meth:`.Metric.update`."""
        super().update(images, real, labels, held_out=held_out)


class PrecisionRecall(_ChosenFeatures, _SeveralScores):
    """Improved precision and recall: ``precision``, ``recall``; Kynkäänniemi et al. 2019 (arXiv:1904.06991)."""

    named = "pr"


class DensityCoverage(_ChosenFeatures, _SeveralScores):
    """Density and coverage: ``density``, ``coverage``; Naeem et al. 2020 (arXiv:2002.09797)."""

    named = "dc"


class PRD(_ChosenFeatures, _SeveralScores):
    """Precision and recall of distributions: ``prd_f8``, ``prd_f1/8``; Sajjadi et al. 2018 (arXiv:1806.00035)."""

    named = "prd"


class TwoSampleTests(_ChosenFeatures, _SeveralScores):
    """Two-sample tests: ``c2st``, ``1nn``, ``mmd2``, each with a p-value in its details."""

    named = "tests"


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
    """Sliced Wasserstein distance on Laplacian pyramids; Karras et al. 2018 (arXiv:1710.10196). It keeps pixels."""

    named = "swd"


class MSSSIM(_NoChoice, _OneScore):
    """Similarity of pairs of generated images; Odena et al. 2017 (arXiv:1610.09585). It keeps pixels."""

    named = "ms-ssim"
