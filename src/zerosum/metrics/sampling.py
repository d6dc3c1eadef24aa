"""Draws generated samples in pieces, and refuses what cannot be scored."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

SampleFunction = Callable[[int, int], Tensor]
"""``sampler(start, n)``: samples ``start`` .. ``start + n - 1`` of one fixed, seeded sequence, shape (n, ...)."""

Progress = Callable[[int, int], None]
"""``progress(done, total)``, called after every piece, in samples."""

BATCH = 250  # samples at a time


def pieces(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Starts and lengths ``(start, n)`` of pieces of at most ``size`` that cover 0 .. total - 1."""
    for start in range(0, total, size):
        yield start, min(size, total - start)


def draw(
    sampler: SampleFunction,
    total: int,
    shape: tuple[int, ...],
    *,
    first: int = 0,
    size: int = BATCH,
    progress: Progress | None = None,
) -> Iterator[Tensor]:
    """Samples ``first`` .. ``first + total - 1`` in pieces of at most ``size``, each checked.

    What is checked: their number, their shape, and that they are finite and floating point.

    Args:
        sampler: What gives the samples.
        total: Number of samples.
        shape: Shape of a sample.
        first: Number of the first sample.
        size: Samples at a time.
        progress: Called with (done, total) samples.

    Raises:
        ValueError: Samples cannot be scored; the message names them and says what is wrong.
    """
    for start, n in pieces(total, size):
        with torch.no_grad():
            samples = sampler(first + start, n)
        named = f"samples {first + start:,} to {first + start + n - 1:,}"
        if tuple(samples.shape) != (n, *shape):
            raise ValueError(f"{named} have shape {tuple(samples.shape)}, but the data need {(n, *shape)}")
        if not samples.is_floating_point():
            raise ValueError(f"{named} are {samples.dtype}: the generator's own floating-point output is needed")
        broken = int((~samples.isfinite()).flatten(1).any(dim=1).sum())
        if broken:
            raise ValueError(
                f"{broken:,} of {named} hold NaN or infinity: there is nothing to score. The training has probably "
                "diverged; look for the first non-finite loss in the log and evaluate a state from before it."
            )
        yield samples
        if progress is not None:
            progress(start + n, total)
