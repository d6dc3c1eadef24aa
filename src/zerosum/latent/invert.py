"""The latents that an image comes from, found by gradient descent on them, the generator held fixed.

The idea is that of Creswell and Bharath 2016, arXiv:1611.05644. Adam, the cosine schedule, several starts of which the
best is kept, and bounds are choices made here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

PAIRS = 256  # pairs of an image and a start that are computed at once

# Images (B, ...) and the real ones -> a further distance of each pair, (B,), at least 0 and differentiable.
Distance = Callable[[Tensor, Tensor], Tensor]
Advance = Callable[[int], None]


class Inversion(NamedTuple):
    """What was found for N images.

    Attributes:
        latents: Latents of each image, ``(N, d)``.
        losses: What the descent minimised, at these latents, ``(N,)``.
        chosen: Index of the start that each came from, int64 ``(N,)``.
    """

    latents: Tensor
    losses: Tensor
    chosen: Tensor


class Descent(NamedTuple):
    """How to descend.

    Attributes:
        steps: Number of steps of Adam.
        lr: First learning rate; it falls to 0 along half a cosine.
        bound: Size that no component of the latents exceeds; ``None`` for a prior without bounds.
        distance: Distance that is added to the mean squared difference of pixels.
    """

    steps: int = 500
    lr: float = 0.05
    bound: float | None = None
    distance: Distance | None = None


def invert(
    generate: Callable[..., Tensor],
    targets: Tensor,
    starts: Tensor,
    labels: Tensor | None = None,
    *,
    how: Descent | None = None,
    advance: Advance = lambda n: None,
) -> Inversion:
    """The z that minimises mean((G(z) - x)^2), for each image the best of several starts.

    Pairs of an image and a start do not influence each other, so more images change nothing but rounding.

    Args:
        generate: Function of latents ``(B, d)``, and labels ``(B,)`` if any, that gives images ``(B, *shape)``;
            differentiable.
        targets: Images x, ``(N, *shape)``.
        starts: Latents ``(R, d)`` to begin from, the same for all images.
        labels: Class of each start, ``(R,)``, where the generator is told one.
        how: Steps, learning rate, bounds; ``None`` for the defaults.
        advance: Function that is called after each of ``steps`` with the number of pairs that made it: the sum of these
            is N R times ``steps``.

    Raises:
        ValueError: There are no images or no starts.
    """
    n, r = len(targets), len(starts)
    if not n or not r:
        raise ValueError(f"{n} images and {r} starts: there must be one of each at least")
    found, losses = [], []
    for pairs in torch.split(torch.arange(n * r, device=starts.device), PAIRS):
        start = pairs % r
        made = generate if labels is None else partial(_of_classes, generate, labels[start])
        z, loss = descend(made, targets[pairs // r], starts[start], how or Descent(), advance)
        found.append(z)
        losses.append(loss)
    table = torch.cat(losses).reshape(n, r)
    chosen = table.argmin(1)
    best = torch.arange(n, device=chosen.device), chosen
    return Inversion(torch.cat(found).reshape(n, r, -1)[best], table[best], chosen)


def descend(
    generate: Callable[[Tensor], Tensor],
    targets: Tensor,
    starts: Tensor,
    how: Descent,
    advance: Advance = lambda n: None,
) -> tuple[Tensor, Tensor]:
    """Adam from each start to its own image; the best latents on the way ``(B, d)``, and their losses ``(B,)``.

    Args:
        generate: Function of latents ``(B, d)`` that gives images ``(B, *shape)``.
        targets: Images ``(B, *shape)``.
        starts: Latents ``(B, d)``.
        how: Steps, learning rate, bounds.
        advance: Function that is called with B after each step.
    """
    z = starts.detach().clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=how.lr)
    best, lowest = z.detach().clone(), torch.full((len(z),), math.inf, device=z.device)
    for step in range(how.steps + 1):
        loss = _losses(generate(z), targets, how.distance)
        with torch.no_grad():
            better = loss < lowest
            best, lowest = torch.where(better[:, None], z, best), torch.where(better, loss, lowest)
        if step == how.steps:
            break
        adam.param_groups[0]["lr"] = how.lr * (1 + math.cos(math.pi * step / how.steps)) / 2
        (z.grad,) = torch.autograd.grad(loss.sum(), z)  # of the sum: each z feels its own loss only
        adam.step()
        if how.bound is not None:
            with torch.no_grad():
                z.clamp_(-how.bound, how.bound)
        advance(len(z))
    return best, lowest


def _of_classes(generate: Callable[..., Tensor], labels: Tensor, z: Tensor) -> Tensor:
    return generate(z, labels)


def _losses(images: Tensor, targets: Tensor, distance: Distance | None) -> Tensor:
    squared = (images - targets).square().flatten(1).mean(1)
    return squared if distance is None else squared + distance(images, targets)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of pairs of images in [-1, 1], 10 log10(2^2 / mean((a - b)^2)): dB ``(N,)``.

    Infinite for equal images; 20 dB is an error of a tenth of the range.

    Args:
        a: Images ``(N, *shape)``.
        b: Images of the same shape.
    """
    return 10 * torch.log10(4 / (a - b).square().flatten(1).mean(1))
