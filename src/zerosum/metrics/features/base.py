"""What measures see of images: an extractor turns 8-bit pixels into feature vectors, and some into class logits."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Features(NamedTuple):
    """What an extractor saw in a batch of images.

    Attributes:
        vectors: Feature vectors (B, D), float32.
        logits: Logits (B, K), float32, or ``None`` where the extractor is not a classifier.
    """

    vectors: Tensor
    logits: Tensor | None


class Extractor(Protocol):
    """A frozen network with all that must be known to repeat its work.

    Called with uint8 images (B, C, H, W), it returns :class:`Features`, computed in float32. Those of an image are the
    same (to rounding) in whatever batch it comes.
    """

    @property
    def name(self) -> str:
        """Name for people and protocols, such as ``"inception"``."""

    @property
    def hash(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the weights."""

    @property
    def resize(self) -> str:
        """How images reach the size that the network takes, such as ``"tensorflow bilinear to 299"`` or ``"none"``."""

    @property
    def dimensions(self) -> int:
        """Length D of a feature vector."""

    def __call__(self, images: Tensor) -> Features:
        """Features of uint8 images (B, C, H, W).

        Raises:
            ValueError: It does not take these images.
        """
