"""What extractors on published networks share: weights found or downloaded, images resized to a square."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Generic, Self

import torch
from torch import Tensor

from zerosum.metrics.features.frozen import FeatureNetwork, freeze
from zerosum.metrics.features.resize import Mode, Resize
from zerosum.metrics.features.weights import PublishedWeights, load_published, weights_hash


class PublishedExtractor(ABC, Generic[FeatureNetwork]):
    """A published network that sees images resized to a square; a subclass adds what ``base.Extractor`` asks for.

    Attributes:
        side: Side of the images that the network takes, in pixels.
        weights: File of its weights.

    Args:
        network: The network with its weights; it is frozen and moved.
        resize: Way to resize, ``"tensorflow"``, ``"clean"`` or ``"pillow"``; see ``resize.py``. The default is that of
            the published scores; another one is another scale.
        device: Where to compute.

    Raises:
        ValueError: There is no such way to resize.
    """

    side: ClassVar[int]
    weights: ClassVar[PublishedWeights]

    def __init__(
        self, network: FeatureNetwork, resize: Mode = "tensorflow", device: torch.device | str = "cpu"
    ) -> None:
        self._resize = Resize(resize, self.side)
        self.hash = weights_hash(network.state_dict())
        self.device = torch.device(device)
        self._network = freeze(self.prepare(network), self.device)

    @classmethod
    def load(
        cls, path: str | Path | None = None, resize: Mode = "tensorflow", device: torch.device | str = "cpu"
    ) -> Self:
        """The extractor with its weights, from ``path`` or as :func:`.locate` finds or downloads them.

        Args:
            path: A file, or a folder that holds one under its published name.
            resize: Way to resize, ``"tensorflow"``, ``"clean"`` or ``"pillow"``.
            device: Where to compute.

        Raises:
            WeightsError: The file is nowhere, damaged, not plain tensors, or another network's.
            ValueError: There is no such way to resize.
        """
        return cls(load_published(cls.build, cls.weights, path, cls.translate), resize, device)

    @staticmethod
    @abstractmethod
    def build() -> FeatureNetwork:
        """The network without its weights."""

    @classmethod
    def translate(cls, tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
        """The tensors of a file by the network's names, where files of several layouts are taken.

        Args:
            tensors: The tensors of the file.
            source: Its name, for messages.

        Raises:
            WeightsError: They are another network's.
        """
        return dict(tensors)

    def prepare(self, network: FeatureNetwork) -> FeatureNetwork:
        """Make the network faster without changing what it computes."""
        return network

    @property
    def resize(self) -> str:
        """How images reach the size that the network takes."""
        return str(self._resize)
