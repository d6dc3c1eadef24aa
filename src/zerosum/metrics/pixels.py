"""From images as people hold them to 8-bit pixels, by a rule that cannot be silently wrong."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zerosum.errors import UsageError
from zerosum.metrics.images import eight_bit

Range = tuple[float, float]

OURS: Range = (-1.0, 1.0)  # what floating-point images are taken for where nobody says
SURE = -0.25  # only below this value is an image surely not one in [0, 1] (resizing such a one can leave it a little)
SLACK = 1e-3  # of the range by which values may lie beyond it, as rounding in half precision leaves them


def to_pixels(images: Tensor, value_range: Range | None, *, settled: bool = False) -> Tensor:
    """Images as uint8 (B, C, H, W), 0 to 255.

    uint8 is taken as it is. Floating-point images are taken to lie in ``value_range``. Where it is ``None`` it is
    [-1, 1], but images that might as well lie in [0, 1], as no value is below -0.25, are refused.

    Args:
        images: Images (B, C, H, W), uint8 or floating point.
        value_range: Values of black and white; ``None``: (-1, 1), where that is certain.
        settled: Whether earlier images showed that it is [-1, 1].

    Raises:
        UsageError: The images have another type or shape, hold NaN, or their values do not fit the range.
    """
    if not isinstance(images, Tensor):
        raise UsageError(f"images must be a tensor, not {type(images).__name__}", argument="images")
    if images.ndim != 4 or not images.numel() or images.shape[1] not in (1, 3):
        raise UsageError(
            f"images must be (B, 1, H, W) grey or (B, 3, H, W) RGB, not {tuple(images.shape)}", argument="images"
        )
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise UsageError(
            f"images must be uint8, 0 to 255, or floating point, not {images.dtype}: convert them", argument="images"
        )
    values = images.detach().float()
    low, high = value_range or OURS
    least, most = values.min().item(), values.max().item()
    if not (math.isfinite(least) and math.isfinite(most)):
        raise UsageError("images hold NaN or infinity: there is nothing to measure", argument="images")
    slack = SLACK * (high - low)
    if least < low - slack or most > high + slack:
        raise UsageError(
            f"images have values from {least:.4g} to {most:.4g}, outside [{low:g}, {high:g}]: clamp them, or say what "
            "black and white are with range=(low, high)",
            argument="images",
        )
    if value_range is None and not settled and least > SURE:
        raise UsageError(
            f"images have values from {least:.4g} to {most:.4g}, which could lie in [0, 1] or in [-1, 1]: say "
            "range=(0, 1) or range=(-1, 1)",
            argument="images",
        )
    if (low, high) != OURS:
        values = (values - low) * (2 / (high - low)) - 1
    return eight_bit(values)


def check_range(value_range: Range | None) -> Range | None:
    """The range, if it is one.

    Raises:
        UsageError: It is not two finite numbers, the lower one first.
    """
    if value_range is None:
        return None
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError) as error:
        raise UsageError(f"range={value_range!r}: must be two numbers, such as (0, 1)", argument="range") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"range={value_range!r}: must be two finite numbers, the lower one first", argument="range")
    return low, high
