"""What extractors on published vision transformers share: weights in several layouts, images in normalised values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from zerosum.metrics.features.base import Features
from zerosum.metrics.features.frozen import check_pixels, side_by_side
from zerosum.metrics.features.published import PublishedExtractor
from zerosum.metrics.features.resize import Mode
from zerosum.metrics.features.transformer_layouts import to_our_names
from zerosum.metrics.features.vision_transformer import TransformerPlan, VisionTransformer
from zerosum.metrics.shared.arithmetic import plain_float32

AT_ONCE = 16  # images: the attention of CLIP at 336 then takes 340 MB


class TransformerExtractor(PublishedExtractor[VisionTransformer]):
    """A vision transformer as an extractor; see ``base.Extractor``.

    Attributes:
        family: Which network it is, in the words of ``transformer_layouts.py``.
        plan: Its sizes.
        mean: Mean of pixels in [0, 1], per channel, that the network was trained with.
        std: Their standard deviation.
    """

    family: ClassVar[str]
    plan: ClassVar[TransformerPlan]
    mean: ClassVar[tuple[float, float, float]]
    std: ClassVar[tuple[float, float, float]]

    def __init__(self, network: VisionTransformer, resize: Mode = "pillow", device: torch.device | str = "cpu") -> None:
        super().__init__(network, resize, device)
        self.dimensions = network.plan.outputs
        self._mean, self._std = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (self.mean, self.std))

    @classmethod
    def load(cls, path: str | Path | None = None, resize: Mode = "pillow", device: torch.device | str = "cpu") -> Self:
        """The extractor with its weights, from ``path`` or as :func:`.locate` finds or downloads them.

        Args:
            path: A safetensors file, or a folder that holds one under its published name.
            resize: Way to resize, ``"pillow"`` as in the published scores, ``"clean"`` or ``"tensorflow"``.
            device: Where to compute.

        Raises:
            WeightsError: The file is nowhere, damaged, no safetensors file, or another network's.
            ValueError: There is no such way to resize.
        """
        return super().load(path, resize, device)

    @classmethod
    def translate(cls, tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
        """The tensors of a file by the network's names.

        Raises:
            WeightsError: They are of no known layout, or another network's.
        """
        return to_our_names(tensors, cls.family, cls.plan, source, cls.weights.name)

    def prepare(self, network: VisionTransformer) -> VisionTransformer:
        """Resample its table of positions for images of this side."""
        return network.fit(self.side)

    def pixels(self, images: Tensor) -> Tensor:
        """What the network sees of images uint8 (B, 1 or 3, H, W): float32 (B, 3, side, side).

        Raises:
            ValueError: The images have another type or shape.
        """
        return (self._resize(self.cut(images.to(self.device))) / 255 - self._mean) / self._std

    def cut(self, images: Tensor) -> Tensor:
        """The part of images (B, C, H, W) that is looked at."""
        return images

    def __call__(self, images: Tensor) -> Features:
        """Vectors (B, D) of images uint8 (B, 1 or 3, H, W); there are no logits.

        Raises:
            ValueError: The images have another type or shape.
        """
        check_pixels(images)
        with plain_float32(self.device):
            parts = [self._network(side_by_side(self.pixels(part))) for part in torch.split(images, AT_ONCE)]
            return Features(self.finish(torch.cat(parts)), None)

    def finish(self, outputs: Tensor) -> Tensor:
        """What is done with the network's outputs (B, D)."""
        return outputs
