"""A few labelled images of each class, for semi-supervised learning."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.data.base import Data
from zerosum.data.images import Images


def balanced(data: Images, count: int, seed: int = 0) -> Images:
    """``count`` images of ``data``, the same number of each class, chosen by ``seed`` and always the same ones.

    Raises:
        ValueError: ``count`` is not a multiple of the number of classes, or a class has too few images.
    """
    each, rest = divmod(count, len(data.classes))
    if data.labels is None or rest or not each:
        raise ValueError(
            f"{count} labelled images cannot be the same number of each of the {len(data.classes)} classes of "
            f"{data.name}: ask for {max(each, 1) * len(data.classes)}"
        )
    labels = np.asarray(data.labels)
    shuffled = torch.randperm(len(labels), generator=generator("labelled", seed)).numpy()
    chosen = [shuffled[labels[shuffled] == k][:each] for k in range(len(data.classes))]
    fewest, name = min((len(found), name) for found, name in zip(chosen, data.classes, strict=True))
    if fewest < each:
        raise ValueError(f"{each} labelled images of each class are asked for; {data.name} has {fewest} of {name!r}")
    return data.subset(np.sort(np.concatenate(chosen)), f"{data.name} ({count} labelled)")


def labelled_subset(data: Data, count: int, seed: int = 0) -> Callable[[torch.device], tuple[Tensor, Tensor]]:
    """:func:`balanced` as tensors: ``device -> (x, y)``, x float32 (count, C, H, W) in [-1, 1] and y int64 (count,).

    Data that are not images (of which only the shape is known, to sample a run whose images are gone) are refused by
    that function when it is called, not before.
    """
    few = balanced(data, count, seed) if isinstance(data, Images) else None

    @cache
    def on(device: torch.device) -> tuple[Tensor, Tensor]:
        if few is None:
            raise TypeError(f"{data.name} has no images to take labels of")
        x, y = few.batch(0, count, seed=0, device=device)
        assert y is not None  # `balanced` saw to it
        return x, y

    return on
