"""Features of one's own in Python: any function or module from images to vectors."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.core.random import generator
from zerosum.metrics.features.base import Features
from zerosum.metrics.features.frozen import side_by_side
from zerosum.metrics.features.user import check_output
from zerosum.metrics.features.weights import weights_hash
from zerosum.metrics.shared.arithmetic import plain_float32

PROBES = 4  # images of noise by whose features a function is known that has no weights to be known by


class OwnFeatures:
    """A function or a module as an extractor; see ``base.Extractor``.

    It is called without gradients with the images as they are, float32 (B, C, H, W) in [-1, 1] (of 8 bits), and
    returns vectors (B, D), or a pair of vectors and logits (B, K). Of a module a copy is taken, in evaluation mode: the
    module itself is left alone, and may be trained further.

    Args:
        function: The function or module.
        shape: Shape of an image, (C, H, W).
        taken: Names of published features, which it must not bear.
        device: Where the images go, and the copy of a module.

    Raises:
        ValueError: It does not return finite floating-point vectors (tried on images of noise).
    """

    resize = "none, pixels to [-1, 1]"

    def __init__(
        self,
        function: Callable[[Tensor], Any],
        shape: tuple[int, ...],
        *,
        taken: frozenset[str] = frozenset(),
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        name = str(getattr(function, "__name__", type(function).__name__)).strip("<>")
        self.name = f"own-{name}" if name.lower() in taken else name
        self._function = function
        weights = {}
        if isinstance(function, nn.Module):
            self._function = copy.deepcopy(function).eval().requires_grad_(False).to(self.device)
            weights = function.state_dict()
        noise = torch.randint(256, (PROBES, *shape), generator=generator("probes"), dtype=torch.uint8)
        probed = self(noise).vectors
        self.dimensions = probed.shape[1]
        # Few digits, so that machines agree.
        text = " ".join(f"{value:.2e}" for value in probed.flatten().tolist())
        self.hash = weights_hash(weights) if weights else hashlib.sha256(text.encode()).hexdigest()[:12]

    def __call__(self, images: Tensor) -> Features:
        """Features of uint8 images (B, C, H, W).

        Raises:
            ValueError: The results do not fit.
        """
        with plain_float32(self.device):
            pixels = side_by_side(images.to(self.device).to(torch.float32) * (2 / 255) - 1)
            return check_output(self._function(pixels), len(images), self.name)
