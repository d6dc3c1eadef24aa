"""Random features: a fixed convolutional network whose weights are drawn, not learned, for images of any kind.

Naeem et al. 2020 (arXiv:2002.09797, Section 5) compare images through randomly initialised networks where the classes
of ImageNet say nothing of them: such features know edges, colours and where they are, and nothing of what they show.
Nothing is downloaded, and nothing was learned from any data. The numbers say nothing of Inception's.
"""

from __future__ import annotations

import hashlib
import math
from functools import cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.random import generator
from zerosum.metrics.features.base import Features
from zerosum.metrics.features.frozen import as_rgb, check_pixels, freeze, side_by_side
from zerosum.metrics.shared.arithmetic import plain_float32

EXTRACTORS = ("random",)

CHANNELS = (3, 16, 16, 8)
GRID = 2  # parts a side over each of which the last layer is averaged
SLOPE = 0.2  # of the leaky ReLU after each convolution
SMALLEST = 8  # pixels a side
DIMENSIONS = sum(CHANNELS[1:-1]) + CHANNELS[-1] * GRID**2


class RandomConvolutions(nn.Module):
    """Three 4x4 convolutions of stride 2 with He's uniform weights, no bias, and leaky ReLU.

    ``forward``: images (B, 3, H, W) in [-1, 1] -> (B, 64): the first two layers averaged over all places, and the
    last one over each quarter of the image.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 4, 2, 1, bias=False) for i, o in pairwise(CHANNELS))
        for number, weight in enumerate(self.parameters()):
            bound = math.sqrt(6 / ((1 + SLOPE**2) * weight[0].numel()))
            # Uniform, because these draws are the same to the last bit on every machine; normal ones are not.
            draws = torch.rand(weight.shape, generator=generator("random features", number))
            weight.data.copy_((2 * draws - 1) * bound)

    def forward(self, images: Tensor) -> Tensor:
        """The features of images."""
        pooled = []
        for layer in self.layers:
            images = F.leaky_relu(layer(images), SLOPE)
            pooled.append(images)
        *first, last = pooled
        return torch.cat([*(h.mean((2, 3)) for h in first), F.adaptive_avg_pool2d(last, GRID).flatten(1)], 1)


@cache
def load_network(device: str) -> tuple[RandomConvolutions, str]:
    """The network on a device, and the SHA-256 of its weights; one copy per device, shared by all callers."""
    network = RandomConvolutions()
    weights = b"".join(w.detach().numpy().tobytes() for w in network.parameters())
    return freeze(network, torch.device(device)), hashlib.sha256(weights).hexdigest()


class RandomFeatures:
    """The random network as an extractor of 64 features; see ``base.Extractor``.

    Args:
        device: Where to compute.
    """

    name = "random"
    dimensions = DIMENSIONS
    resize = "none"

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self._network, digest = load_network(str(self.device))
        self.hash = digest[:12]

    def __call__(self, images: Tensor) -> Features:
        """Vectors (B, 64) of images uint8 (B, 1 or 3, H, W) of at least 8 pixels a side.

        Raises:
            ValueError: The images have another type or shape.
        """
        check_pixels(images)
        if min(images.shape[2:]) < SMALLEST:
            raise ValueError(f"random features need at least {SMALLEST} pixels a side, not {tuple(images.shape[2:])}")
        with plain_float32(self.device):
            pixels = as_rgb(images.to(self.device)).to(torch.float32) * (2 / 255) - 1
            return Features(self._network(side_by_side(pixels)), None)


def load_extractor(name: str, device: str) -> RandomFeatures:
    """The extractor of one of the names in ``EXTRACTORS``."""
    return RandomFeatures(device)
