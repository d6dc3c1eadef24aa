"""The truncation trick. Brock et al. 2019, arXiv:1809.11096, Section 3.1: variety for quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zerosum.latent.priors import Coded, Conditional

Draw = Callable[[int, torch.Generator], "Tensor | tuple[Tensor, ...]"]
ROUNDS = 10_000  # rounds of drawing again, before giving up


@dataclass(frozen=True)
class Truncated:
    """A prior of which each component of the noise that is beyond a threshold is drawn again until it is not.

    Attributes:
        prior: Prior ``(n, rng) ->`` latents ``(n, d)``, or a tuple that begins with them.
        threshold: Largest size of a component.
    """

    prior: Draw
    threshold: float

    def __call__(self, n: int, rng: torch.Generator) -> Tensor | tuple[Tensor, ...]:
        """``n`` latents, and what else the prior draws, as it was drawn.

        Raises:
            ValueError: Some component never comes within the threshold.
        """
        drawn = self.prior(n, rng)
        z, *rest = drawn if isinstance(drawn, tuple) else (drawn,)
        noise = noise_of(self.prior, z)
        for _ in range(ROUNDS):
            beyond = (z.abs() > self.threshold) & noise
            if not beyond.any():
                return (z, *rest) if isinstance(drawn, tuple) else z
            again = self.prior(n, rng)
            z = torch.where(beyond, again[0] if isinstance(again, tuple) else again, z)
        raise ValueError(
            f"truncation={self.threshold:g}: after {ROUNDS:,} draws a component of the latents is still beyond it; use "
            "a larger one"
        )


def truncated(prior: Draw, threshold: float) -> Truncated:
    """A prior whose latents are at most ``threshold`` in size: each component beyond it is drawn again until it is.

    Only noise is truncated: neither labels nor codes that samples are to show, as those of InfoGAN.

    Args:
        prior: Function ``(n, rng) ->`` latents ``(n, d)``, or a tuple that begins with them.
        threshold: Largest size of a component, above 0. Of normal latents 2 keeps 95%, and close to 0 all are the same.

    Raises:
        ValueError: The threshold is not above 0; or, when drawing, some component never comes within it.
    """
    if not threshold > 0:
        raise ValueError(f"truncation={threshold:g}: must be above 0 (2 keeps most of a normal latent, 0.5 some 38%)")
    return Truncated(prior, threshold)


def noise_of(prior: object, z: Tensor) -> Tensor:
    """Which components of latents ``z (n, d)`` are noise, bool ``(d,)``: all of them, but for those that are codes."""
    latent, components = latent_of(prior), torch.arange(z.shape[1], device=z.device)
    return components < latent.noise.dim if isinstance(latent, Coded) else components >= 0


def latent_of(prior: Any) -> Any:
    """The law of the latents in a prior, without conditions and truncation."""
    while isinstance(prior, Truncated | Conditional):
        prior = prior.prior if isinstance(prior, Truncated) else prior.latent
    return prior
