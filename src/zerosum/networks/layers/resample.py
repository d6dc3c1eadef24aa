"""Doubling and halving of images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def upsample(x: Tensor) -> Tensor:
    """Nearest neighbour: (B, C, H, W) -> (B, C, 2H, 2W), each pixel repeated as a 2x2 square.

    Of the ways to write this (``expand``, ``repeat_interleave``) this one has the fast backward, and keeps
    channels_last.
    """
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def halve(x: Tensor) -> Tensor:
    """Mean over 2x2 squares: (B, C, 2H, 2W) -> (B, C, H, W)."""
    return F.avg_pool2d(x, 2)
