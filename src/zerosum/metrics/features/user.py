"""The user's own feature networks: any ``nn.Module`` and any ONNX file."""

from __future__ import annotations

import hashlib
import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.metrics.features.base import Features
from zerosum.metrics.features.find import own_name
from zerosum.metrics.features.resize import Mode, Resize, Size
from zerosum.metrics.features.weights import weights_hash
from zerosum.metrics.shared.arithmetic import plain_float32


@dataclass(frozen=True)
class Preparation:
    """What happens to 8-bit images before the user's network sees them: resize, scale, normalise per channel.

    ``str()`` of it says all of this; it is the ``resize`` of the protocol, as each part changes the features.

    Attributes:
        size: Side of the square images that the network takes, or their height and width.
        channels: Number of channels, 3, or 1 for grey images; a network for 1 channel refuses RGB images.
        low: Value that black (0) becomes.
        high: Value that white (255) becomes.
        mean: Numbers that are subtracted after that, one per channel; none by default.
        std: Numbers that are divided by after that, one per channel; none by default.
        resize: Way to resize, ``"tensorflow"`` or ``"clean"``.

    Raises:
        ValueError: A value makes no sense.
    """

    size: int | Size
    channels: int = 3
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: Mode = "tensorflow"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"channels={self.channels!r}: give 1 for grey or 3 for RGB")
        if not self.low < self.high:
            raise ValueError(f"low={self.low} must be below high={self.high}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != self.channels:
                raise ValueError(f"{name}={values}: give one number for each of the {self.channels} channels")
        if any(value <= 0 for value in self.std):
            raise ValueError(f"std={self.std}: standard deviations must be above 0")
        self.resizer()

    def resizer(self) -> Resize:
        """What resizes images, the first step."""
        return Resize(self.resize, self.size)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of what the network sees."""
        return (self.channels, *self.resizer().size)

    def __str__(self) -> str:
        parts = [str(self.resizer()), f"pixels to [{self.low:g}, {self.high:g}]"]
        parts += [f"{name} {values}" for name, values in (("mean", self.mean), ("std", self.std)) if values]
        return ", ".join(parts)

    def __call__(self, images: Tensor) -> Tensor:
        """Images uint8 (B, 1 or 3, H, W) as float32 (B, channels, *size).

        Raises:
            ValueError: The images have another type or shape, or are RGB where the network takes grey ones.
        """
        if images.ndim == 4 and images.shape[1] > self.channels:
            raise ValueError(f"the network takes grey images, not {tuple(images.shape)}: convert them first")
        x = self.resizer()(images)[:, : self.channels] * ((self.high - self.low) / 255) + self.low
        for values, apply in ((self.mean, torch.sub), (self.std, torch.div)):
            if values:
                x = apply(x, torch.tensor(values, device=x.device).view(1, -1, 1, 1))
        return x


class UserExtractor(ABC):
    """A network of the user as an extractor; see ``base.Extractor``.

    Args:
        name: Name for protocols; ``own-`` comes before one that published features have.
        preparation: What happens to images first.
        device: Where to compute.
    """

    hash: str
    dimensions: int

    def __init__(self, name: str, preparation: Preparation, device: torch.device | str) -> None:
        self.name = own_name(name)
        self.device = torch.device(device)
        self._prepare = preparation

    @property
    def resize(self) -> str:
        """How images reach the network: size, range, normalisation."""
        return str(self._prepare)

    def __call__(self, images: Tensor) -> Features:
        """Features of images uint8 (B, C, H, W).

        Raises:
            ValueError: Images or results do not fit.
        """
        with plain_float32(self.device):
            return check_output(self.run(self._prepare(images.to(self.device))), len(images), self.name)

    @abstractmethod
    def run(self, pixels: Tensor) -> Any:
        """What the network returns for prepared images (B, channels, height, width)."""

    def _count_dimensions(self) -> int:
        """Length of the vectors that the network returns, tried on a black image."""
        return self(torch.zeros(1, *self._prepare.shape, dtype=torch.uint8)).vectors.shape[1]


class ModuleExtractor(UserExtractor):
    """Any module of the user as an extractor.

    Args:
        module: Module that is called with what ``preparation`` makes and returns vectors (B, D), or a pair of vectors
            and logits (B, K). It is put into evaluation mode, frozen and moved.
        name: Name for protocols; it stands for the architecture, which the hash of the weights does not cover.
        preparation: What happens to images first.
        device: Where to compute.

    Raises:
        ValueError: The module does not return finite floating-point vectors (tried on a black image).
    """

    def __init__(
        self, module: nn.Module, *, name: str, preparation: Preparation, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(name, preparation, device)
        self.hash = weights_hash(module.state_dict())
        self._module = module.eval().requires_grad_(False).to(self.device)
        self.dimensions = self._count_dimensions()

    def run(self, pixels: Tensor) -> Any:
        """What the module returns."""
        return self._module(pixels)


class OnnxExtractor(UserExtractor):
    """A network in an ONNX file as an extractor, run on the CPU by onnxruntime.

    Its first output is the vectors (B, D); a second one, if there is any, the logits (B, K).

    Args:
        path: The file. Weights in a file beside it (``PATH.data``, as PyTorch's exporter names it) belong to the hash.
        preparation: What happens to images first.
        name: Name for protocols; by default the file's name without its suffix.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The package onnxruntime is not installed.
        ValueError: The file is not an ONNX network, or its input is not float32 (any, channels, height, width) as
            prepared.
    """

    def __init__(self, path: str | Path, preparation: Preparation, name: str | None = None) -> None:
        file = Path(path).expanduser()
        super().__init__(name or file.stem, preparation, "cpu")
        self._session = _open_session(file)
        self.hash = _files_hash(file)
        self._input = _check_input(self._session, preparation, file)
        self.dimensions = self._count_dimensions()

    def run(self, pixels: Tensor) -> Any:
        """The first two outputs."""
        outputs = self._session.run(None, {self._input: pixels.contiguous().numpy()})[:2]
        return tuple(torch.from_numpy(output) for output in outputs)


def onnx_preparation(path: str | Path) -> Preparation:
    """The plain preparation for an ONNX file: the size and channels that its input states, pixels in [0, 1].

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The package onnxruntime is not installed.
        ValueError: The file is not an ONNX network with one input, or the input's size and channels are not fixed.
    """
    file = Path(path).expanduser()
    images = _only_input(_open_session(file), file)
    match images.shape:
        case [_, int(channels), int(height), int(width)]:
            return Preparation((height, width), channels=channels)
    raise ValueError(
        f"{file} does not state the size of its images: its input is {tuple(images.shape)}. Export it with fixed "
        "channels, height and width, or build OnnxExtractor with a Preparation."
    )


def check_output(output: Any, count: int, name: str) -> Features:
    """The features that a network returned.

    Args:
        output: What it returned: vectors (B, D), or a pair of vectors and logits (B, K).
        count: Number of images, B.
        name: Name of the network, for messages.

    Raises:
        ValueError: The output is something else, or not finite.
    """
    parts = output if isinstance(output, tuple | list) else (output,)
    if not 1 <= len(parts) <= 2:
        raise ValueError(f"{name} must return vectors, or vectors and logits, not {len(parts)} results")
    for part in parts:
        if not isinstance(part, Tensor):
            raise ValueError(f"{name} must return tensors, not {type(part).__name__}")
        if part.ndim != 2 or len(part) != count or not part.is_floating_point():
            raise ValueError(
                f"{name} must return floating-point vectors ({count}, D) for {count} images, not {part.dtype} "
                f"{tuple(part.shape)}; flatten or average over positions"
            )
        if not part.isfinite().all():
            raise ValueError(f"{name} returned NaN or infinity: check the range and normalisation of its input")
    vectors, logits = parts[0].float(), parts[1].float() if len(parts) == 2 else None
    return Features(vectors, logits)


def _files_hash(file: Path) -> str:
    digest = hashlib.sha256(file.read_bytes())
    beside = file.with_name(file.name + ".data")
    if beside.is_file():
        with beside.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:12]


def _open_session(file: Path) -> Any:
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    try:
        onnxruntime = importlib.import_module("onnxruntime")  # heavy, and an extra
    except ImportError as error:
        raise ImportError(f"{file} needs onnxruntime: pip install onnxruntime") from error
    try:
        return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own exceptions have no base but this
        raise ValueError(f"{file} is not a network that onnxruntime can load: {error}") from error


def _only_input(session: Any, file: Path) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ValueError(f"{file} has {len(inputs)} inputs; a feature network has one, the images")
    return inputs[0]


def _check_input(session: Any, preparation: Preparation, file: Path) -> str:
    """The name of the network's only input, if it fits the preparation."""
    images = _only_input(session, file)
    wanted = (None, *preparation.shape)
    # A dimension is a number where it is fixed, and a name or None where it is not.
    fits = len(images.shape) == 4 and all(
        not isinstance(has, int) or has == want for has, want in zip(images.shape, wanted, strict=True)
    )
    if images.type != "tensor(float)" or not fits:
        raise ValueError(
            f"{file} takes {images.type} {tuple(images.shape)}, but the preparation makes tensor(float) "
            f"{('any', *preparation.shape)}. Change size or channels, or export the network with a free first "
            "dimension and float32 input."
        )
    return str(images.name)
