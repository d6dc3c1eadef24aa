"""The arrays of this package: float64 everywhere, points as rows, and the size that their numbers have."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def check_points(name: str, x: npt.ArrayLike) -> Array:
    """Points as an array of rows, checked.

    Args:
        name: Name of the argument, for the message.
        x: Points, (n, d), finite.

    Raises:
        ValueError: They are something else.
    """
    points = np.asarray(x, dtype=np.float64)
    if points.ndim != 2 or not points.size or not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite points (n, d) with n, d >= 1, not of shape {points.shape}")
    return points


def unit_of(*arrays: npt.ArrayLike) -> float:
    """A power of 2 about as large as the largest of all numbers: dividing by it rounds nothing.

    Solvers whose tolerances are absolute get numbers of about 1, whatever the units that people measure in.

    Args:
        arrays: Finite numbers, of any shapes.

    Returns:
        The power of 2; 1 where all numbers are 0.
    """
    largest = max((float(np.abs(array).max(initial=0.0)) for array in arrays), default=0.0)
    # Neither this power nor its inverse may leave the normal numbers of float64.
    return math.ldexp(1.0, min(max(math.frexp(largest)[1], -1000), 1000)) if largest else 1.0
