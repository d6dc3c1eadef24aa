"""Latent distributions: what a generator is fed."""

import torch
from torch import Tensor


def normal(n: int, dim: int, rng: torch.Generator) -> Tensor:
    """Standard normal latents, z ~ N(0, I): float32 ``(n, dim)`` on the device of ``rng``."""
    return torch.randn(n, dim, generator=rng, device=rng.device, dtype=torch.float32)


def uniform(n: int, dim: int, rng: torch.Generator) -> Tensor:
    """Uniform latents, z ~ U[-1, 1)^dim: float32 ``(n, dim)`` on the device of ``rng``."""
    return torch.rand(n, dim, generator=rng, device=rng.device, dtype=torch.float32).mul_(2).sub_(1)


def labels(n: int, classes: int, rng: torch.Generator) -> Tensor:
    """Labels, each of the ``classes`` equally likely: int64 ``(n,)`` on the device of ``rng``."""
    return torch.randint(classes, (n,), generator=rng, device=rng.device)
