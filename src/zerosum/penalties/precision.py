"""Penalties are in float32 even where the networks run in bfloat16: slopes are small differences of large numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def in_float32(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """``function(*tensors)`` without autocast, on tensors of float32 or wider."""
    with torch.autocast(tensors[0].device.type, enabled=False):
        return function(*(t.to(torch.promote_types(t.dtype, torch.float32)) for t in tensors))
