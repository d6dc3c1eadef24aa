"""The arrays of this package: float64 everywhere, points as rows."""

from __future__ import annotations

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
