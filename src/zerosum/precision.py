"""Where half precision is too coarse: sums over many numbers, small differences of large ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """``x`` in float32 at least: bfloat16, which autocast makes, is too coarse for sums and means over many numbers."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def in_float32(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """``function(*tensors)`` without autocast, on tensors of float32 or wider."""
    device = tensors[0].device.type
    if device == "meta":  # tensors that are shapes only, for which there is no autocast
        return function(*map(wide, tensors))
    with torch.autocast(device, enabled=False):
        return function(*map(wide, tensors))
