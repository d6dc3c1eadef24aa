"""The feature network that comes with zerosum: a small classifier of 32x32 grey-scale clothes.

``tools/train_classifier.py`` trains it on Fashion-MNIST and writes ``fashion_classifier.safetensors`` beside this file;
what was measured then (command, accuracy, seed, counts) stands in the header of that file: :func:`classifier_record`.
Distances in this space say nothing about Inception's: they carry the name ``fd_fashion``, never "FID".
"""

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.data.published import FASHION_CLASSES
from zerosum.metrics.features import packaged
from zerosum.metrics.features.base import Features
from zerosum.metrics.features.frozen import check_pixels
from zerosum.metrics.shared.arithmetic import plain_float32

EXTRACTORS = ("shipped",)

WEIGHTS = Path(__file__).with_name("fashion_classifier.safetensors")
FEATURES = 64
IMAGE_SHAPE = (1, 32, 32)
CLASSES = FASHION_CLASSES


def _block(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; no bias, as the normalisation has one."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class FashionClassifier(nn.Module):
    """Four convolutions, the first two of stride 2; an average over the 8x8 positions; one linear layer.

    ``forward``: images (B, 1, 32, 32) in [-1, 1], black = -1 -> logits (B, 10), classes in the order of ``CLASSES``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _block(1, 32, kernel=5, stride=2), _block(32, 64, stride=2), _block(64, 96), _block(96, FEATURES)
        )
        self.head = nn.Linear(FEATURES, len(CLASSES))

    def features(self, images: Tensor) -> Tensor:
        """Penultimate activations, averaged over positions: (B, 1, 32, 32) -> (B, 64), each at least 0.

        Raises:
            ValueError: The images are not 1x32x32.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != IMAGE_SHAPE:
            raise ValueError(f"the fashion classifier takes images (B, 1, 32, 32), not {tuple(images.shape)}")
        pooled: Tensor = self.trunk(images).mean(dim=(2, 3))
        return pooled

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 10) of images (B, 1, 32, 32) in [-1, 1]."""
        logits: Tensor = self.head(self.features(images))
        return logits


@cache
def features_hash() -> str:
    """SHA-256 of the weights file, 64 hexadecimal digits; protocols print the first 12."""
    return packaged.digest(WEIGHTS)


def classifier_record() -> dict[str, str]:
    """What the weights file says of itself: the command that made it, held-out accuracy, seed, counts, versions."""
    return packaged.record(WEIGHTS)


@cache
def load_classifier(device: str = "cpu") -> FashionClassifier:
    """The shipped classifier in evaluation mode, float32, frozen; one copy per device, shared by all callers.

    Raises:
        FileNotFoundError: The weights file is missing from the installation.
        RuntimeError: The weights do not fit the network.
    """
    return packaged.load_packaged(FashionClassifier(), WEIGHTS, device)


class Shipped:
    """The shipped classifier as an extractor of 64 features and 10 logits; see ``base.Extractor``.

    Distances in this space say nothing about Inception's.

    Args:
        device: Where to compute.
    """

    name = "shipped"
    dimensions = FEATURES
    classes = CLASSES  # of the logits
    resize = "none at 32x32; 28x28 padded with black to 32x32"

    def __init__(self, device: str = "cpu") -> None:
        self.hash = features_hash()[:12]
        self.device = torch.device(device)
        self._classifier = load_classifier(device)

    def __call__(self, images: Tensor) -> Features:
        """Vectors (B, 64) and logits (B, 10) of images uint8 (B, 1, 32, 32) or (B, 1, 28, 28), black = 0.

        Raises:
            ValueError: The images have another type or shape.
        """
        check_pixels(images)
        if images.shape[1:] == (1, 28, 28):
            images = F.pad(images, (2, 2, 2, 2))
        if tuple(images.shape[1:]) != IMAGE_SHAPE:
            raise ValueError(
                f"the shipped classifier takes grey images (B, 1, 28, 28) or (B, 1, 32, 32), not {tuple(images.shape)}"
                "; for others take Inception"
            )
        with plain_float32(self.device):
            vectors = self._classifier.features(images.to(self.device, torch.float32) * (2 / 255) - 1)
            return Features(vectors, self._classifier.head(vectors))


def load_extractor(name: str, device: str) -> Shipped:
    """The extractor of one of the names in ``EXTRACTORS``."""
    return Shipped(device)
