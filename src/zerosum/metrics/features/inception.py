"""The Inception-v3 behind FID, Inception Score and KID: the TensorFlow graph of 5 December 2015.

The architecture is Szegedy et al. 2015 (arXiv:1512.00567) with what that graph has of its own: 1008 logits; the average
pooling inside the blocks does not count the padding; the last block pools by maximum where the others average. The
published conversions to PyTorch by torch-fidelity and pytorch-fid are one and the same file of weights, and the state
dictionary of :class:`InceptionV3` has its names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.metrics.features.base import Features
from zerosum.metrics.features.frozen import side_by_side
from zerosum.metrics.features.published import PublishedExtractor
from zerosum.metrics.features.weights import PublishedWeights
from zerosum.metrics.shared.arithmetic import plain_float32

EXTRACTORS = ("inception", "inception-clean", "inception-spatial")

SIDE = 299
DIMENSIONS = 2048
CLASSES = 1008
SPATIAL_CHANNELS, SPATIAL_SIDE = 7, 17  # what sFID takes of mixed_6/conv
PUBLISHED = PublishedWeights(
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d",
    aliases=("pt_inception-2015-12-05-6726825d.pth",),
)

Stage = dict[str, nn.Module]
"""Layers by name that see the same input; their outputs are joined along the channels."""


class FrozenNorm(nn.Module):
    """Batch normalisation by stored statistics, one scale and shift per channel; ``eps`` is the graph's."""

    eps = 1e-3

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.zeros(channels))

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W); the shape stays."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class Convolution(nn.Module):
    """Convolution, normalisation, ReLU. ``padding=None`` keeps the size at stride 1 and pads nothing at stride 2."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, padding: int | None = None
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        same = (height // 2, width // 2) if stride == 1 else 0
        edge = same if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, edge, bias=False)
        self.bn: nn.Module = FrozenNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, inputs, H, W) into (B, outputs, H', W'), at least 0."""
        return F.relu_(self.bn(self.conv(x)))

    def fold(self) -> None:
        """Move the normalisation into the kernels and a bias; the function stays the same to rounding."""
        if not isinstance(self.bn, FrozenNorm):
            return
        norm = self.bn.double()
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        kernels = self.conv.weight.double() * scale.view(-1, 1, 1, 1)
        self.conv.weight = nn.Parameter(kernels.float(), requires_grad=False)
        self.conv.bias = nn.Parameter((norm.bias - norm.running_mean * scale).float(), requires_grad=False)
        self.bn = nn.Identity()


class PooledConvolution(Convolution):
    """A 1x1 convolution of 3x3 averages, where pixels outside the image do not count."""

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, inputs, H, W) into (B, outputs, H, W), at least 0."""
        # Averages and 1x1 convolutions commute, and so do averages (their weights add up to 1) and the normalisation;
        # after the convolution there are fewer channels to average.
        return F.relu_(F.avg_pool2d(self.bn(self.conv(x)), 3, stride=1, padding=1, count_include_pad=False))


class MaxPooledConvolution(Convolution):
    """A 1x1 convolution of 3x3 maxima: the peculiarity of the last block."""

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, inputs, H, W) into (B, outputs, H, W), at least 0."""
        return super().forward(F.max_pool2d(x, 3, stride=1, padding=1))


class Block(nn.Module):
    """Paths side by side, each a sequence of stages; their outputs are joined along the channels in this order."""

    def __init__(self, *paths: Sequence[Stage]) -> None:
        super().__init__()
        for path in paths:
            for stage in path:
                for name, layer in stage.items():
                    self.add_module(name, layer)
        self._paths = [[tuple(stage) for stage in path] for path in paths]

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, inputs, H, W) into (B, sum of the paths' outputs, H', W')."""
        return torch.cat([output for path in self._paths for output in self._follow(path, x)], dim=1)

    def _follow(self, path: list[tuple[str, ...]], x: Tensor) -> list[Tensor]:
        outputs = [x]
        for stage in path:
            joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
            outputs = [self.get_submodule(name)(joined) for name in stage]
        return outputs


def _block_a(inputs: int, pooled: int) -> Block:
    return Block(
        [{"branch1x1": Convolution(inputs, 64, 1)}],
        [{"branch5x5_1": Convolution(inputs, 48, 1)}, {"branch5x5_2": Convolution(48, 64, 5)}],
        [
            {"branch3x3dbl_1": Convolution(inputs, 64, 1)},
            {"branch3x3dbl_2": Convolution(64, 96, 3)},
            {"branch3x3dbl_3": Convolution(96, 96, 3)},
        ],
        [{"branch_pool": PooledConvolution(inputs, pooled, 1)}],
    )


def _block_b(inputs: int) -> Block:
    return Block(
        [{"branch3x3": Convolution(inputs, 384, 3, stride=2)}],
        [
            {"branch3x3dbl_1": Convolution(inputs, 64, 1)},
            {"branch3x3dbl_2": Convolution(64, 96, 3)},
            {"branch3x3dbl_3": Convolution(96, 96, 3, stride=2)},
        ],
        [{"pool": nn.MaxPool2d(3, stride=2)}],
    )


def _block_c(inputs: int, inner: int) -> Block:
    row, column = (1, 7), (7, 1)
    return Block(
        [{"branch1x1": Convolution(inputs, 192, 1)}],
        [
            {"branch7x7_1": Convolution(inputs, inner, 1)},
            {"branch7x7_2": Convolution(inner, inner, row)},
            {"branch7x7_3": Convolution(inner, 192, column)},
        ],
        [
            {"branch7x7dbl_1": Convolution(inputs, inner, 1)},
            {"branch7x7dbl_2": Convolution(inner, inner, column)},
            {"branch7x7dbl_3": Convolution(inner, inner, row)},
            {"branch7x7dbl_4": Convolution(inner, inner, column)},
            {"branch7x7dbl_5": Convolution(inner, 192, row)},
        ],
        [{"branch_pool": PooledConvolution(inputs, 192, 1)}],
    )


def _block_d(inputs: int) -> Block:
    return Block(
        [{"branch3x3_1": Convolution(inputs, 192, 1)}, {"branch3x3_2": Convolution(192, 320, 3, stride=2)}],
        [
            {"branch7x7x3_1": Convolution(inputs, 192, 1)},
            {"branch7x7x3_2": Convolution(192, 192, (1, 7))},
            {"branch7x7x3_3": Convolution(192, 192, (7, 1))},
            {"branch7x7x3_4": Convolution(192, 192, 3, stride=2)},
        ],
        [{"pool": nn.MaxPool2d(3, stride=2)}],
    )


def _block_e(inputs: int, pooled: type[Convolution]) -> Block:
    row, column = (1, 3), (3, 1)
    return Block(
        [{"branch1x1": Convolution(inputs, 320, 1)}],
        [
            {"branch3x3_1": Convolution(inputs, 384, 1)},
            {"branch3x3_2a": Convolution(384, 384, row), "branch3x3_2b": Convolution(384, 384, column)},
        ],
        [
            {"branch3x3dbl_1": Convolution(inputs, 448, 1)},
            {"branch3x3dbl_2": Convolution(448, 384, 3)},
            {"branch3x3dbl_3a": Convolution(384, 384, row), "branch3x3dbl_3b": Convolution(384, 384, column)},
        ],
        [{"branch_pool": pooled(inputs, 192, 1)}],
    )


class InceptionV3(nn.Module):
    """The network itself, for 299x299 images in [-1, 1]; its state dictionary has the names of the published file."""

    def __init__(self) -> None:
        super().__init__()
        trunk = {
            "Conv2d_1a_3x3": Convolution(3, 32, 3, stride=2),  # 149
            "Conv2d_2a_3x3": Convolution(32, 32, 3, padding=0),  # 147
            "Conv2d_2b_3x3": Convolution(32, 64, 3),
            "MaxPool_1": nn.MaxPool2d(3, stride=2),  # 73
            "Conv2d_3b_1x1": Convolution(64, 80, 1),
            "Conv2d_4a_3x3": Convolution(80, 192, 3, padding=0),  # 71
            "MaxPool_2": nn.MaxPool2d(3, stride=2),  # 35
            "Mixed_5b": _block_a(192, 32),
            "Mixed_5c": _block_a(256, 64),
            "Mixed_5d": _block_a(288, 64),
            "Mixed_6a": _block_b(288),  # 17
            "Mixed_6b": _block_c(768, 128),
            "Mixed_6c": _block_c(768, 160),
            "Mixed_6d": _block_c(768, 160),
            "Mixed_6e": _block_c(768, 192),
            "Mixed_7a": _block_d(768),  # 8
            "Mixed_7b": _block_e(1280, PooledConvolution),
            "Mixed_7c": _block_e(2048, MaxPooledConvolution),
        }
        for name, layer in trunk.items():
            self.add_module(name, layer)
        self.fc = nn.Linear(DIMENSIONS, CLASSES)
        self._trunk = tuple(trunk)

    def features(self, x: Tensor) -> Tensor:
        """Activations before the last layer, averaged over positions: (B, 3, 299, 299) -> (B, 2048), at least 0."""
        for name in self._trunk:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))

    def spatial_features(self, x: Tensor) -> Tensor:
        """The graph's ``mixed_6/conv``: (B, 3, 299, 299) -> (B, 192, 17, 17), at least 0.

        The graph counts its blocks from 0, ``mixed``, ``mixed_1``...: number 6 is ``Mixed_6d`` here, and ``conv`` the
        path of one 1x1 convolution, with its ReLU.
        """
        for name in self._trunk[: self._trunk.index("Mixed_6d")]:
            x = self.get_submodule(name)(x)
        found: Tensor = self.get_submodule("Mixed_6d.branch1x1")(x)
        return found

    def both_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What :meth:`features` and :meth:`spatial_features` give, in one pass."""
        places = x
        for name in self._trunk:
            if name == "Mixed_6d":
                places = self.get_submodule("Mixed_6d.branch1x1")(x)
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3)), places

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 1008) of images (B, 3, 299, 299) in [-1, 1], with the bias."""
        logits: Tensor = self.fc(self.features(x))
        return logits

    def fold(self) -> InceptionV3:
        """Fold every normalisation into its convolution, in place: half the passes over memory."""
        for layer in self.modules():
            if isinstance(layer, Convolution):
                layer.fold()
        return self


class Inception(PublishedExtractor[InceptionV3]):
    """The extractor for FID, KID (2048 features) and Inception Score (1008 logits); see ``base.Extractor``.

    The logits leave out the bias of the last layer: the published scores were computed so. Both are what
    torch-fidelity calls ``2048`` and ``logits_unbiased``.
    """

    name = "inception"
    dimensions = DIMENSIONS
    side = SIDE
    weights = PUBLISHED

    @staticmethod
    def build() -> InceptionV3:
        """The network without its weights."""
        return InceptionV3()

    def prepare(self, network: InceptionV3) -> InceptionV3:
        """Fold its normalisations."""
        return network.fold()

    def spatial(self) -> SpatialInception:
        """The extractor for sFID on the same network, which is not copied."""
        found = object.__new__(SpatialInception)
        found.__dict__ |= self.__dict__
        return found

    def __call__(self, images: Tensor) -> Features:
        """Vectors (B, 2048) and logits (B, 1008) of images uint8 (B, 1 or 3, H, W).

        Raises:
            ValueError: The images have another type or shape.
        """
        with plain_float32(self.device):
            vectors = self._network.features(self._prepared(images))
            return Features(vectors, F.linear(vectors, self._network.fc.weight))

    def _prepared(self, images: Tensor) -> Tensor:
        return (side_by_side(self._resize(images.to(self.device))) - 128) / 128


class SpatialInception(Inception):
    """The extractor for sFID: seven channels in the middle of the network at each of 17x17 places; no logits.

    They are in the order in which ADM's evaluator (github.com/openai/guided-diffusion, ``evaluations/evaluator.py``)
    has them, by row, column, channel, so that its ``mu_s`` and ``sigma_s`` mean the same numbers.
    """

    name = "inception-spatial"
    dimensions = SPATIAL_CHANNELS * SPATIAL_SIDE**2

    def __call__(self, images: Tensor) -> Features:
        """Vectors (B, 2023), at least 0, of images uint8 (B, 1 or 3, H, W).

        Raises:
            ValueError: The images have another type or shape.
        """
        with plain_float32(self.device):
            return Features(_by_place(self._network.spatial_features(self._prepared(images))), None)


def _by_place(places: Tensor) -> Tensor:
    """The first seven channels of (B, 192, 17, 17) as vectors (B, 2023), by row, column, channel."""
    return places[:, :SPATIAL_CHANNELS].permute(0, 2, 3, 1).flatten(1)


class InceptionWithPlaces(Inception):
    """Inception that hands on the vectors of sFID of the images that it sees, from the same pass.

    Args:
        inception: The extractor whose network this is; it is not copied.
        places: Called with vectors (B, 2023), as :class:`SpatialInception` gives them, of each batch.
    """

    def __init__(self, inception: Inception, places: Callable[[Tensor], None]) -> None:
        self.__dict__ |= inception.__dict__
        self._places = places

    def __call__(self, images: Tensor) -> Features:
        """As of :class:`Inception`."""
        with plain_float32(self.device):
            vectors, places = self._network.both_features(self._prepared(images))
            self._places(_by_place(places))
            return Features(vectors, F.linear(vectors, self._network.fc.weight))


def load_extractor(name: str, device: str) -> Inception:
    """The extractor of one of the names in ``EXTRACTORS``; see :meth:`Inception.load`."""
    if name == SpatialInception.name:
        return SpatialInception.load(device=device)
    return Inception.load(resize="clean" if name == "inception-clean" else "tensorflow", device=device)
