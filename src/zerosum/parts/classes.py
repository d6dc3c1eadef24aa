"""What class-conditional games draw: generated samples have classes of their own, whatever those of the real ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zerosum.data.priors import labels, normal
from zerosum.recipe import ClassBatch

Prior = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
Draw = Callable[[Tensor, Tensor | None, torch.Generator], ClassBatch]


def drawing(latent: int, classes: int, *, times: int = 1) -> tuple[Draw, Prior]:
    """``Recipe.draw`` and ``Recipe.prior``: z ~ N(0, I), classes equally likely.

    Args:
        latent: dimension of z.
        classes: K.
        times: generated samples for each real one.
    """

    def prior(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return normal(n, latent, rng), labels(n, classes, rng)

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> ClassBatch:
        assert y is not None  # the data have labels
        return ClassBatch(x, y, *prior(times * len(x), rng))

    return draw, prior
