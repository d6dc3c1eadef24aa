"""The truncation trick. Brock et al. 2019, arXiv:1809.11096, Section 3.1: variety for quality."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Draw = Callable[[int, torch.Generator], "Tensor | tuple[Tensor, ...]"]
ROUNDS = 10_000  # rounds of drawing again, before giving up


def truncated(prior: Draw, threshold: float) -> Draw:
    """A prior whose latents are at most ``threshold`` in size: each component beyond it is drawn again until it is.

    Args:
        prior: Function ``(n, rng) ->`` latents ``(n, d)``, or a tuple that begins with them; only they are truncated.
        threshold: Largest size of a component, above 0. Of normal latents 2 keeps 95%, and close to 0 all are the same.

    Raises:
        ValueError: The threshold is not above 0; or, when drawing, some component never comes within it.
    """
    if not threshold > 0:
        raise ValueError(f"truncation={threshold:g}: must be above 0 (2 keeps most of a normal latent, 0.5 some 38%)")

    def draw(n: int, rng: torch.Generator) -> Tensor | tuple[Tensor, ...]:
        drawn = prior(n, rng)
        z, *rest = drawn if isinstance(drawn, tuple) else (drawn,)
        for _ in range(ROUNDS):
            beyond = z.abs() > threshold
            if not beyond.any():
                return (z, *rest) if isinstance(drawn, tuple) else z
            again = prior(n, rng)
            z = torch.where(beyond, again[0] if isinstance(again, tuple) else again, z)
        raise ValueError(
            f"truncation={threshold:g}: after {ROUNDS:,} draws a component of the latents is still beyond it; use a "
            "larger one"
        )

    return draw
