"""What frozen feature networks share: how they are laid out, and the images that they take."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

FeatureNetwork = TypeVar("FeatureNetwork", bound=nn.Module)


def freeze(network: FeatureNetwork, device: torch.device) -> FeatureNetwork:
    """Put a network into evaluation mode, without gradients, on a device, a pixel's channels side by side (faster)."""
    frozen = network.eval().requires_grad_(False).to(device)
    moved: FeatureNetwork = frozen.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def side_by_side(images: Tensor) -> Tensor:
    """Lay images (B, C, H, W) out in memory as :func:`freeze` does weights; the values stay the same."""
    return images.contiguous(memory_format=torch.channels_last)


def check_pixels(images: Tensor) -> None:
    """Refuse what is not a batch of 8-bit grey or RGB images.

    Raises:
        ValueError: The images are not uint8 (B, 1 or 3, H, W), or there is not one image or pixel.
    """
    if images.dtype != torch.uint8:
        raise ValueError(
            f"images must be uint8, 0 to 255, not {images.dtype}; for x in [-1, 1] take "
            "((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)"
        )
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be (B, 1, H, W) grey or (B, 3, H, W) RGB, not {tuple(images.shape)}")
    if not images.numel():
        raise ValueError(f"there is no image in a batch of shape {tuple(images.shape)}")


def as_rgb(images: Tensor) -> Tensor:
    """Images (B, 1 or 3, H, W) with three channels (B, 3, H, W); grey is repeated."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
