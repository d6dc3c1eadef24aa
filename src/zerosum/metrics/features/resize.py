"""How 8-bit images reach the size that a feature network takes; scores of differently resized images do not compare.

``tensorflow``: what the networks behind the published FIDs do. The 2015 graph resizes by TensorFlow 1's
``ResizeBilinear``, whose grid starts at the corner of the first pixel: output pixel i looks at input position
i * (input size / output size), with no shift by half a pixel and no antialiasing, so shrinking skips pixels.

``clean``: Parmar, Zhang and Zhu 2022 (arXiv:2104.11222): antialiased bicubic as Pillow has it (a = -1/2,
support stretched when shrinking), on each channel as float32, clipped to [0, 255] and not rounded to 8 bits.

``pillow``: what ``Image.resize(size, Image.BICUBIC)`` makes of an 8-bit image: the same kernel in fixed point, rounded
to 8 bits after each of two passes. FD-DINOv2 and CMMD are published with it. Rows come first, but not where the height
shrinks by more than twice what the width does: that is the order of Pillow 13. Before, rows came first for all images;
that differs in tall ones, by 1 or 2 of 255 here and there. Squares are the same in all versions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from zerosum.metrics.features.frozen import as_rgb, check_pixels

Mode = Literal["tensorflow", "clean", "pillow"]
Size = tuple[int, int]


def tensorflow_bilinear(images: Tensor, size: Size) -> Tensor:
    """TensorFlow 1's bilinear resize with ``align_corners=False``.

    Args:
        images: Images (B, C, H, W), floating point.
        size: Height and width of the result.

    Returns:
        Images (B, C, *size) of the same dtype, within the same range.
    """
    # Width first, as in TensorFlow: the same roundings in the same order.
    return _interpolate(_interpolate(images, 3, size[1]), 2, size[0])


def clean_bicubic(images: Tensor, size: Size) -> Tensor:
    """Pillow's antialiased bicubic resize on float32 channels, clipped to [0, 255], as in clean-fid.

    Args:
        images: Images (B, C, H, W), floating point, in [0, 255].
        size: Height and width of the result.

    Returns:
        Images (B, C, *size) of the same dtype, in [0, 255], not rounded.
    """
    # Products with two small matrices: torch's own antialiased bicubic computes its weights in float32, which differs
    # from Pillow by up to 0.004 of 255 here, and not every device has it.
    rows, columns = (
        _bicubic_weights(have, want).to(images.device, images.dtype)
        for have, want in zip(images.shape[2:], size, strict=True)
    )
    return (rows @ (images @ columns.T)).clamp_(0, 255)


def pillow_bicubic(images: Tensor, size: Size) -> Tensor:
    """Pillow's antialiased bicubic resize of 8-bit images, to the last bit.

    Args:
        images: Images (B, C, H, W), floating point, whole numbers from 0 to 255.
        size: Height and width of the result.

    Returns:
        Images (B, C, *size) of the same dtype, whole numbers from 0 to 255.
    """
    # Sums of up to 2^30 are exact in float64, in any order; MPS has none.
    place = torch.device("cpu") if images.device.type == "mps" else images.device
    rows, columns = (
        _fixed_point(_bicubic_weights(have, want)).to(place) for have, want in zip(images.shape[2:], size, strict=True)
    )
    shrink_y, shrink_x = (have - want for have, want in zip(images.shape[2:], size, strict=True))
    exact = images.to(place, torch.float64)
    if shrink_y > max(0, 2 * shrink_x):
        resized = _to_8_bits(_to_8_bits(rows @ exact) @ columns.T)
    else:
        resized = _to_8_bits(rows @ _to_8_bits(exact @ columns.T))
    return resized.to(images.device, images.dtype)


def _fixed_point(weights: Tensor) -> Tensor:
    """Weights as whole numbers of 2^-22, halves away from 0."""
    scaled = weights * _ONE
    return torch.where(scaled < 0, (scaled - 0.5).ceil(), (scaled + 0.5).floor())


def _to_8_bits(sums: Tensor) -> Tensor:
    return (sums + _ONE / 2).div_(_ONE).floor_().clamp_(0, 255)


_ONE = 2.0**22  # in Pillow's Resample.c: of 32 bits, 8 are the pixel's and 2 are for what overshoots
_MODES: dict[Mode, tuple[str, Callable[[Tensor, Size], Tensor]]] = {
    "tensorflow": ("tensorflow bilinear", tensorflow_bilinear),
    "clean": ("clean bicubic", clean_bicubic),
    "pillow": ("pillow bicubic in 8 bits", pillow_bicubic),
}


class Resize:
    """Brings uint8 images to one size and to three channels.

    ``str()`` of it is what protocols print, such as ``"tensorflow bilinear to 299"``.

    Args:
        mode: Way to resize, ``"tensorflow"``, ``"clean"`` or ``"pillow"``; see the module.
        size: Side of the square result, or its height and width.

    Raises:
        ValueError: There is no such mode, or the size is below one pixel.
    """

    def __init__(self, mode: Mode, size: int | Size) -> None:
        if mode not in _MODES:
            raise ValueError(f"resize={mode!r} does not exist: give one of {', '.join(map(repr, _MODES))}")
        self.size: Size = (size, size) if isinstance(size, int) else size
        if min(self.size) < 1:
            raise ValueError(f"images cannot be resized to {self.size}")
        self._name, self._resize = _MODES[mode]

    def __str__(self) -> str:
        height, width = self.size
        return f"{self._name} to {height}" if height == width else f"{self._name} to {height}x{width}"

    def __call__(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1 or 3, H, W) as float32 (B, 3, *size) in [0, 255]; grey is repeated.

        Raises:
            ValueError: The images have another type or shape.
        """
        check_pixels(images)
        # Grey is repeated after the work, which is the same for all three channels.
        return as_rgb(self._resize(images.to(torch.float32), self.size))


def _interpolate(images: Tensor, dim: int, size: int) -> Tensor:
    """Interpolate linearly along one dimension."""
    have = images.shape[dim]
    position = torch.arange(size, dtype=images.dtype, device=images.device) * (have / size)
    low = position.long()
    high = (low + 1).clamp_max(have - 1)
    share = (position - low).view([-1 if d == dim else 1 for d in range(images.ndim)])
    below = images.index_select(dim, low)
    return (images.index_select(dim, high) - below).mul_(share).add_(below)


@lru_cache(maxsize=16)
def _bicubic_weights(have: int, size: int) -> Tensor:
    """What each of ``size`` pixels takes of ``have`` pixels, float64 (size, have); rows add up to 1.

    Keys 1981 with a = -1/2; stretched by the scale when shrinking, and cut at the edges of the image.
    """
    scale = have / size
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    pixel = torch.arange(have, dtype=torch.float64) + 0.5
    d = (pixel - centre[:, None]).abs() / max(scale, 1.0)
    near = (1.5 * d - 2.5) * d.square() + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    weights = torch.where(d < 1, near, torch.where(d < 2, far, torch.zeros_like(d)))
    return weights / weights.sum(dim=1, keepdim=True)
