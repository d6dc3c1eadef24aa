"""Extractors by the names that people type."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import torch

from zerosum.metrics.features.base import Extractor


def _inception(device: str) -> Extractor:
    from zerosum.metrics.features.inception import load_inception

    return load_inception(device=device)


def _clean(device: str) -> Extractor:
    from zerosum.metrics.features.inception import load_inception

    return load_inception(resize="clean", device=device)


def _vgg16(device: str) -> Extractor:
    from zerosum.metrics.features.vgg16 import load_vgg16

    return load_vgg16(device=device)


def _shipped(device: str) -> Extractor:
    from zerosum.metrics.features.shipped import Shipped

    return Shipped(device)


EXTRACTORS: dict[str, Callable[[str], Extractor]] = {
    "inception": _inception,
    "inception-clean": _clean,
    "vgg16": _vgg16,
    "shipped": _shipped,
}


def named(name: str, shape: tuple[int, ...], device: torch.device | str = "cpu") -> Extractor:
    """The extractor of this name.

    Args:
        name: of ``EXTRACTORS``; ``"auto"`` is the shipped one for grey images of 32x32 and Inception for all others;
            or the path of an ONNX file, which gets pixels in [0, 1] at the size that its input states.
        shape: (C, H, W) of the images.
        device: where to compute.

    Raises:
        ValueError: there is none of this name, or its weights cannot be had.
    """
    if name == "auto":
        name = "shipped" if tuple(shape) == (1, 32, 32) else "inception"
    if name.endswith(".onnx"):
        from zerosum.metrics.features.user import OnnxExtractor, onnx_preparation

        return OnnxExtractor(Path(name), onnx_preparation(Path(name)))
    if name not in EXTRACTORS:
        near = difflib.get_close_matches(name, EXTRACTORS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"there are no features {name!r}.{hint} Features: {', '.join(EXTRACTORS)}, or FILE.onnx")
    return EXTRACTORS[name](str(device))
