"""Draw generated samples in pieces, and refuse what cannot be scored."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Sampler = Callable[[int, int], Tensor]
"""``sampler(start, n)``: samples ``start`` .. ``start + n - 1`` of one fixed, seeded sequence, shape (n, ...)."""

Progress = Callable[[int, int], None]
"""``progress(done, total)``, called after every piece, in samples."""


def pieces(total: int, size: int) -> Iterator[tuple[int, int]]:
    """``(start, n)`` of the pieces that cover 0 .. total - 1, each of at most ``size``."""
    for start in range(0, total, size):
        yield start, min(size, total - start)


def draw(
    sampler: Sampler, total: int, shape: tuple[int, ...], *, size: int = 250, progress: Progress | None = None
) -> Iterator[Tensor]:
    """Samples 0 .. total - 1 in pieces of at most ``size``, each checked: number, shape, floating point, finite.

    Raises:
        ValueError: naming the samples at fault and what is wrong with them.
    """
    for start, n in pieces(total, size):
        with torch.no_grad():
            samples = sampler(start, n)
        named = f"samples {start:,} to {start + n - 1:,}"
        if tuple(samples.shape) != (n, *shape):
            raise ValueError(f"{named} have shape {tuple(samples.shape)}, but the data need {(n, *shape)}")
        if not samples.is_floating_point():
            raise ValueError(f"{named} are {samples.dtype}: the generator's own floating-point output is needed")
        broken = int((~samples.isfinite()).flatten(1).any(dim=1).sum())
        if broken:
            raise ValueError(
                f"{broken:,} of {named} hold NaN or infinity: there is nothing to score. The training has probably "
                "diverged; look for the first non-finite loss in the log and evaluate a state from before it"
            )
        yield samples
        if progress is not None:
            progress(start + n, total)
