"""Do generated images show the class that was asked for? Odena et al. 2017, arXiv:1610.09585."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class LabelAccuracy(NamedTuple):
    """How often a classifier takes images for the class that was asked for.

    Attributes:
        overall: share of all images, 0 to 1.
        by_class: the share among the images of each class, (K,); nan where there are none.
    """

    overall: float
    by_class: Tensor


def label_accuracy(logits: Tensor, labels: Tensor) -> LabelAccuracy:
    """The share of images whose largest logit is that of their label.

    It says nothing of variety: one good image of each class, repeated, scores 1. And the judge errs too: compare with
    its verdicts on real images.

    Args:
        logits: of a classifier trained on real images, (N, K).
        labels: the classes asked for, int64 (N,) in 0 .. K - 1.

    Raises:
        ValueError: no images, unlike counts, or labels that the classifier does not know.
    """
    count, classes = logits.shape
    if labels.shape != (count,) or not count:
        raise ValueError(f"one label for each of at least one image: {count} images, labels {tuple(labels.shape)}")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"labels {int(labels.min())} to {int(labels.max())}: the classifier knows {classes} classes")
    right = (logits.argmax(1) == labels).double()
    asked = torch.bincount(labels, minlength=classes)
    by_class = torch.zeros(classes, dtype=torch.float64).index_add_(0, labels.cpu(), right.cpu()) / asked.cpu()
    return LabelAccuracy(float(right.mean()), by_class)
