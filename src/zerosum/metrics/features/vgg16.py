"""VGG16: features for improved precision and recall, and the LPIPS distance for perceptual path length.

Simonyan and Zisserman 2014 (arXiv:1409.1556), configuration D, in torchvision's layout: the state dictionary has the
names of its published file. Precision and recall in the space of the second fully connected layer: Kynkäänniemi et al.
2019 (arXiv:1904.06991). LPIPS: Zhang et al. 2018 (arXiv:1801.03924, equation 1), version 0.1 of its
weights, with which StyleGAN measures path lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from zerosum.metrics.features.base import Features
from zerosum.metrics.features.frozen import as_rgb, freeze, side_by_side
from zerosum.metrics.features.published import PublishedExtractor
from zerosum.metrics.features.resize import Mode
from zerosum.metrics.features.weights import PublishedWeights, fill, locate, read, weights_hash
from zerosum.metrics.shared.arithmetic import plain_float32

EXTRACTORS = ("vgg16",)

SIDE = 224
DIMENSIONS = 4096
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels in [0, 1], per channel: what the weights were trained with."""
LPIPS_SHIFT = (-0.030, -0.088, -0.188)
LPIPS_SCALE = (0.458, 0.448, 0.450)
"""The same for pixels in [-1, 1], rounded as LPIPS rounds them."""
SMALLEST = 16
"""Side in pixels below which the four poolings before LPIPS's last stage leave nothing."""
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the convolutions; each stage ends with a pooling."""
PUBLISHED = PublishedWeights("https://download.pytorch.org/models/vgg16-397923af.pth", "397923af")
PUBLISHED_LPIPS = PublishedWeights(
    "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/vgg.pth",
    "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
)


class Vgg16Trunk(nn.Module):
    """The convolutions, for normalised images; the state dictionary has the names of torchvision's file."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for stage in STAGES:
            for outputs in stage:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def stages(self, x: Tensor) -> Iterator[Tensor]:
        """Activations at the end of each stage before its pooling: relu1_2, relu2_2, relu3_3, relu4_3, relu5_3."""
        for layer in list(self.features)[:-1]:
            if isinstance(layer, nn.MaxPool2d):
                yield x
            x = layer(x)
        yield x


class Vgg16Network(Vgg16Trunk):
    """The whole network, for normalised images of 224x224."""

    def __init__(self) -> None:
        super().__init__()
        # Dropout, which does nothing in evaluation, keeps the places by which the published names count.
        self.classifier = nn.Sequential(
            *(nn.Linear(512 * 7 * 7, DIMENSIONS), nn.ReLU(inplace=True), nn.Dropout()),
            *(nn.Linear(DIMENSIONS, DIMENSIONS), nn.ReLU(inplace=True), nn.Dropout()),
            nn.Linear(DIMENSIONS, 1000),
        )

    def embed(self, x: Tensor) -> Tensor:
        """Second fully connected layer after its ReLU: (B, 3, 224, 224) -> (B, 4096), at least 0."""
        hidden: Tensor = self.classifier[:5](self.features(x).flatten(1))
        return hidden


class Vgg16(PublishedExtractor[Vgg16Network]):
    """The extractor for improved precision and recall; see ``base.Extractor``. torch-fidelity calls it ``fc2_relu``."""

    name = "vgg16"
    dimensions = DIMENSIONS
    side = SIDE
    weights = PUBLISHED

    def __init__(self, network: Vgg16Network, resize: Mode = "tensorflow", device: torch.device | str = "cpu") -> None:
        super().__init__(network, resize, device)
        self._mean, self._std = (_per_channel(values, self.device) * 255 for values in (MEAN, STD))

    @staticmethod
    def build() -> Vgg16Network:
        """The network without its weights."""
        return Vgg16Network()

    def __call__(self, images: Tensor) -> Features:
        """Vectors (B, 4096) of images uint8 (B, 1 or 3, H, W); there are no logits.

        Raises:
            ValueError: The images have another type or shape.
        """
        with plain_float32(self.device):
            pixels = (self._resize(images.to(self.device)) - self._mean) / self._std
            return Features(self._network.embed(side_by_side(pixels)), None)


class Lpips:
    """Perceptual distance of two images, LPIPS on VGG16.

    At each of five depths the activations of a pixel are scaled to unit length; the squared differences, weighted per
    channel by learned weights >= 0, are averaged over pixels; the distance is the sum over depths.

    Args:
        trunk: VGG16's convolutions with their weights.
        channels: Learned tensors, one per depth, (1, C, 1, 1), by their published names ``lin0.model.1.weight`` and so
            on.
        device: Where to compute.

    Raises:
        WeightsError: Names or shapes of the learned tensors are not the published ones.
    """

    name = "lpips-vgg16"

    def __init__(self, trunk: Vgg16Trunk, channels: Mapping[str, Tensor], device: torch.device | str = "cpu") -> None:
        learned = _ChannelWeights()
        fill(learned, channels, "channels", PUBLISHED_LPIPS.name)
        self.hash = weights_hash({**trunk.state_dict(), **learned.state_dict()})
        self.device = torch.device(device)
        self._trunk = freeze(trunk, self.device)
        self._weights = [weight.to(self.device) for weight in learned.state_dict().values()]
        self._shift, self._scale = (_per_channel(values, self.device) for values in (LPIPS_SHIFT, LPIPS_SCALE))

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances of pairs.

        Args:
            a: Images of one side, floating point (B, 1 or 3, H, W) in [-1, 1], at least 16 pixels wide and high.
            b: Images of the other, of the same shape.

        Returns:
            Distances (B,), float32, at least 0, without gradient; 0 for equal images.

        Raises:
            ValueError: The images have other shapes or types.
        """
        _check_pair(a, b)
        with plain_float32(self.device):
            pixels = as_rgb(torch.cat([a, b]).to(self.device, torch.float32))
            normalised = side_by_side((pixels - self._shift) / self._scale)
            distance = torch.zeros(len(a), device=self.device)
            for activations, weight in zip(self._trunk.stages(normalised), self._weights, strict=True):
                first, second = _unit_length(activations).chunk(2)
                distance += ((first - second).square() * weight).sum(dim=1).mean(dim=(1, 2))
            return distance


class _ChannelWeights(nn.Module):
    """Names and shapes of LPIPS's learned weights."""

    def __init__(self) -> None:
        super().__init__()
        for depth, stage in enumerate(STAGES):
            dropout_then_convolution = nn.Sequential(nn.Dropout(), nn.Conv2d(stage[-1], 1, 1, bias=False))
            self.add_module(f"lin{depth}", nn.Module())
            self.get_submodule(f"lin{depth}").add_module("model", dropout_then_convolution)


def load_lpips(
    vgg16: str | Path | None = None, channels: str | Path | None = None, device: torch.device | str = "cpu"
) -> Lpips:
    """LPIPS with its weights.

    Args:
        vgg16: File of torchvision's VGG16, or a folder that holds it; by default it is found or downloaded.
        channels: The same for LPIPS's own ``vgg.pth``.
        device: Where to compute.

    Raises:
        WeightsError: A file is nowhere, damaged, not plain tensors, or another network's.
    """
    learned_file, file = locate(PUBLISHED_LPIPS, channels), locate(PUBLISHED, vgg16)
    learned = _ChannelWeights()
    fill(learned, read(learned_file), str(learned_file), PUBLISHED_LPIPS.name)
    with torch.device("meta"):
        trunk = Vgg16Trunk()
    tensors = {name: tensor for name, tensor in read(file).items() if name.startswith("features.")}
    fill(trunk, tensors, str(file), PUBLISHED.name)
    return Lpips(trunk, learned.state_dict(), device)


def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device).view(1, -1, 1, 1)


def _unit_length(activations: Tensor) -> Tensor:
    # The published weights were learned with this guard against division by zero, outside the root.
    return activations / (activations.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def _check_pair(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim != 4 or a.shape[1] not in (1, 3) or not a.numel():
        raise ValueError(f"LPIPS compares two batches (B, 1 or 3, H, W), not {tuple(a.shape)} with {tuple(b.shape)}")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise ValueError(f"LPIPS takes floating-point images in [-1, 1], not {a.dtype} and {b.dtype}")
    if min(a.shape[2:]) < SMALLEST:
        raise ValueError(f"LPIPS needs at least {SMALLEST}x{SMALLEST} pixels, not {a.shape[2]}x{a.shape[3]}")


def load_extractor(name: str, device: str) -> Vgg16:
    """The extractor of one of the names in ``EXTRACTORS``; see :meth:`Vgg16.load`."""
    return Vgg16.load(device=device)
