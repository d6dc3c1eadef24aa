"""Weights by a rule, the same on every machine and version: for comparing networks where no published file is at hand.

All numbers are uniform, from the raw 64-bit words of numpy's PCG64 (a fixed, published sequence; their top 53 bits,
scaled). Each tensor has a stream of its own: seed = CRC-32 of its name. Ranges:

* kernels and matrices: zero mean, variance 2 / inputs (He et al. 2015), so a ReLU keeps the second moment;
* ``running_mean`` [-0.1, 0.5], ``running_var`` [0.5, 1.5], normalisations' ``weight`` [0.9, 1.3], ``bias`` [-0.3, 0.3]:
  none of the statistics is trivial; through Inception's depth activations stay near 1 (features: mean 0.7, standard
  deviation 1.8) and depend on the image (standard deviation over images 1.1);
* other biases [-0.1, 0.1].
"""

import math
import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

RANGES = {"running_mean": (-0.1, 0.5), "running_var": (0.5, 1.5)}
NORM_WEIGHT = (0.9, 1.3)
NORM_BIAS = (-0.3, 0.3)
BIAS = (-0.1, 0.1)
_BLOCK = 1 << 20


def uniform(name: str, count: int, low: float = 0.0, high: float = 1.0) -> npt.NDArray[np.float32]:
    """``count`` numbers from ``low`` to ``high`` that belong to ``name``; scaled in float64, block by block."""
    words = np.random.PCG64(zlib.crc32(name.encode()))
    values = np.empty(count, np.float32)
    for start in range(0, count, _BLOCK):
        block = values[start : start + _BLOCK]
        block[:] = low + (high - low) * ((words.random_raw(len(block)) >> np.uint64(11)) * 2.0**-53)
    return values


def random_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A float32 tensor for every name but the counters of batches."""
    norms = {name.removesuffix("running_mean") for name in shapes if name.endswith("running_mean")}
    return {
        name: _tensor(name, shape, norms) for name, shape in shapes.items() if not name.endswith("num_batches_tracked")
    }


def shapes_of(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's state."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def random_images(name: str, count: int, height: int, width: int, channels: int = 3) -> Tensor:
    """uint8 images, half noise, half smooth: (count, channels, height, width)."""
    noise = uniform(name, count * channels * height * width).reshape(count, channels, height, width)
    y, x = np.mgrid[:height, :width] / max(height, width)
    phase = uniform(name + " phase", count * channels).reshape(count, channels, 1, 1)
    # A triangle wave, as no library rounds it in its own way.
    waves = np.abs((1.1 * x + 0.7 * y + phase) % 1 * 2 - 1)
    return torch.from_numpy(np.floor(127.999 * (noise.astype(np.float64) + waves)).astype(np.uint8))


def _tensor(name: str, shape: tuple[int, ...], norms: set[str]) -> Tensor:
    low, high = _range(name, shape, norms)
    return torch.from_numpy(uniform(name, math.prod(shape), low, high).reshape(shape))


def _range(name: str, shape: tuple[int, ...], norms: set[str]) -> tuple[float, float]:
    prefix, _, last = name.rpartition(".")
    if last in RANGES:
        return RANGES[last]
    if prefix + "." in norms:
        return NORM_WEIGHT if last == "weight" else NORM_BIAS
    if len(shape) == 1:
        return BIAS
    bound = math.sqrt(6 / math.prod(shape[1:]))
    return -bound, bound


SIZES = ((32, 32), (64, 48), (299, 299), (331, 402))
"""Of the images that the networks are compared on: enlarged, not square, untouched, shrunk."""
EVERY = 8
"""Of the features, each eighth is stored for comparison."""
LPIPS_SHAPES = {f"lin{i}.model.1.weight": (1, width, 1, 1) for i, width in enumerate((64, 128, 256, 512, 512))}


def random_lpips_weights() -> dict[str, Tensor]:
    """Weights per channel from 0 to 1."""
    return {n: torch.from_numpy(uniform(n, shape[1]).reshape(shape)) for n, shape in LPIPS_SHAPES.items()}


def lpips_pair(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Two batches of three images in [-1, 1]; the last pair is equal."""
    a, b = (random_images(f"lpips {side}", 3, height, width).float() / 127.5 - 1 for side in "ab")
    b[2] = a[2]
    return a, b
