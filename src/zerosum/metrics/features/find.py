"""Extractors by the names that people type: those of all modules here with ``EXTRACTORS`` and ``load_extractor``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zerosum.discovery import Modules
from zerosum.errors import UsageError, nearest
from zerosum.metrics.features.base import Extractor
from zerosum.metrics.features.shipped import IMAGE_SHAPE
from zerosum.metrics.features.weights import find_local

AnyFeatures = str | Path | Extractor | Callable[[Tensor], Any]  # what names features, or computes them
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
    name = decide(name, shape)
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


def decide(name: str, shape: tuple[int, ...]) -> str:
    """The name of the features that ``"auto"`` stands for on images of this shape; another name stays."""
    if name != "auto":
        return name
    return "shipped" if tuple(shape) == IMAGE_SHAPE else "inception"


def own_name(name: str) -> str:
    """The name that a network of one's own bears: never that of published features, whose scores have known names.

    Args:
        name: The name that it was given.
    """
    return f"own-{name}" if name.lower() in extractor_names() else name


def as_extractor(
    features: AnyFeatures, shape: tuple[int, ...], device: torch.device | str = "cpu", *, measure: str | None = None
) -> Extractor:
    """The extractor that ``features`` names or is.

    Args:
        features: A name or path, as :func:`find_extractor` takes it; an extractor; or a function or module from images
            to vectors, as :class:`.OwnFeatures` takes it.
        shape: Shape of an image, (C, H, W).
        device: Where to compute.
        measure: Name of the measure that always takes these features, which nobody asked for then.

    Raises:
        UsageError: There is no such extractor, its weights cannot be had, or it does not return vectors.
    """
    try:
        if isinstance(features, str | Path):
            return find_extractor(str(features), shape, device)
        if all(hasattr(features, name) for name in ("name", "hash", "resize", "dimensions")):
            return features  # type: ignore[return-value]
        if callable(features):
            from zerosum.metrics.features.own import OwnFeatures

            return OwnFeatures(features, shape, taken=frozenset(extractor_names()), device=device)
    except (ImportError, FileNotFoundError, ValueError) as error:
        if measure is not None:
            raise UsageError(f"metrics={measure}: {error}", argument="metrics") from error
        told = features if isinstance(features, str | Path) else type(features).__name__
        raise UsageError(f"features={told}: {error}", argument="features") from error
    raise UsageError(
        f"features={type(features).__name__}: give a name, the path of an ONNX file, or a function or module from "
        "images to vectors",
        argument="features",
    )


def need_download(features: str, shape: tuple[int, ...]) -> bool:
    """Whether the weights of features would have to be downloaded, as they are not on this machine."""
    name = decide(features, shape)
    module = extractor_names().get(name)
    published = getattr(MODULES.load(module), "PUBLISHED", None) if module else None
    return published is not None and find_local(published) is None
