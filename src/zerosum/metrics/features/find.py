"""Extractors by the names that people type: those of all modules here with ``EXTRACTORS`` and ``load_extractor``."""

from __future__ import annotations

from pathlib import Path

import torch

from zerosum.discovery import Modules
from zerosum.errors import nearest
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.features.shipped import IMAGE_SHAPE

MODULES = Modules("zerosum.metrics.features", "EXTRACTORS", "features")


def extractor_names() -> dict[str, str]:
    """All names, each with the module that has it. No module is imported for it."""
    return {name: module for module in MODULES.names for name in MODULES.literal(module, "EXTRACTORS")}


def find_extractor(name: str, shape: tuple[int, ...], device: torch.device | str = "cpu") -> Extractor:
    """The extractor of this name.

    Args:
        name: One of :func:`extractor_names`; ``"auto"``, which is the shipped one on grey images of 32x32 and Inception
            on all others; or the path of an ONNX file, which gets pixels in [0, 1] at the size that its input states.
        shape: Shape of an image, (C, H, W).
        device: Where to compute.

    Raises:
        ValueError: There is none of this name, or its weights cannot be had.
    """
    if name == "auto":
        name = "shipped" if tuple(shape) == IMAGE_SHAPE else "inception"
    if name.endswith(".onnx"):
        from zerosum.metrics.features.user import OnnxExtractor, onnx_preparation

        return OnnxExtractor(Path(name), onnx_preparation(Path(name)))
    known = extractor_names()
    if name not in known:
        raise ValueError(
            f"there are no features {name!r}.{nearest(name, known)} Features: {', '.join(known)}, or FILE.onnx"
        )
    found: Extractor = MODULES.load(known[name]).load_extractor(name, str(device))
    return found
