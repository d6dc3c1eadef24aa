"""Logits as objectives take them."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(logits: Tensor) -> Tensor:
    """In float32 at least: under autocast a critic's logits are bfloat16, too coarse for a mean over a batch."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
