"""What is drawn at random for each batch: latents and labels, as functions ``(n, rng) -> Tensor``.

A draw is a function of its generator only, on the generator's device, so that batch number k of a run can be drawn
again from the seed and k.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Prior = Callable[[int, torch.Generator], Tensor]  # (n, rng) -> (n, ...)
Variable = Callable[[Tensor, torch.Generator], Tensor]  # (real samples, rng) -> what is drawn beside them


def normal(dim: int) -> Prior:
    """Standard normal latents, z ~ N(0, I): float32 ``(n, dim)``."""
    return lambda n, rng: torch.randn(n, dim, generator=rng, device=rng.device, dtype=torch.float32)


def uniform(dim: int) -> Prior:
    """Uniform latents, z ~ U[-1, 1)^dim: float32 ``(n, dim)``."""
    return lambda n, rng: torch.rand(n, dim, generator=rng, device=rng.device, dtype=torch.float32).mul_(2).sub_(1)


def labels(classes: int) -> Prior:
    """Labels, each of the ``classes`` equally likely: int64 ``(n,)``."""
    return lambda n, rng: torch.randint(classes, (n,), generator=rng, device=rng.device)


def each(prior: Prior, *, times: int = 1) -> Variable:
    """``times`` draws of a prior for each real sample."""
    return lambda x, rng: prior(times * len(x), rng)


def per_sample(x: Tensor, rng: torch.Generator) -> Tensor:
    """One number for each real sample, U[0, 1): float32 ``(B,)``."""
    return torch.rand(len(x), generator=rng, device=x.device)


def uniform_like(x: Tensor, rng: torch.Generator) -> Tensor:
    """Noise of the samples' shape, U[0, 1) each: float32."""
    return torch.rand(x.shape, generator=rng, device=x.device)


def normal_like(x: Tensor, rng: torch.Generator) -> Tensor:
    """Noise of the samples' shape, N(0, 1) each: float32."""
    return torch.randn(x.shape, generator=rng, device=x.device)
