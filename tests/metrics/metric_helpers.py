"""What several tests of measures start from: features, images, and the Fréchet distance by scipy."""

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn

from zerosum.metrics.images import ImageSet
from zerosum.metrics.objects import Metric
from zerosum.metrics.sampling import SampleFunction


def normal(n: int, dimensions: int, seed: int = 0, shift: float = 0.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Features from N(shift, 1)."""
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed), dtype=dtype) + shift


def line(*points: float) -> Tensor:
    """Features of one dimension."""
    return torch.tensor(points, dtype=torch.float32)[:, None]


def as_images(pixels: np.ndarray) -> Tensor:
    """uint8 (N, H, W, C) -> float32 (N, C, H, W) in [-1, 1]."""
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)


def image_set(pixels: Tensor, name: str = "made", labels: Tensor | None = None) -> ImageSet:
    """uint8 (N, C, H, W) as a set of generated images."""
    return ImageSet(
        name, "generated", name, tuple(pixels.shape[1:]), len(pixels), lambda s, n: pixels[s : s + n], labels
    )


def sampler_of(images: Tensor) -> SampleFunction:
    """Gives the images in order, over and over."""
    return lambda start, n: images[torch.arange(start, start + n) % len(images)]


def frechet_by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    """Fréchet distance of two sets of features (N, D), by numpy and scipy."""
    c, d = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (x, y))
    root = scipy.linalg.sqrtm(c @ d)
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(c) + np.trace(d) - 2 * np.trace(root).real)


class Pooled(nn.Module):
    """Means over a grid of 4x4: of [-1, 1] as ours gets it, of 0..255 as torchmetrics' gets it."""

    num_features = 16

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(x.double() * self.scale + self.offset, 4)
        return pooled.mean(1).flatten(1)


def fill(metric: Metric, halves: tuple[Tensor, ...], sizes: tuple[int, int], fakes: int | None = None) -> Metric:
    """A metric with real and generated images and their labels, in batches of these sizes; so many generated ones."""
    real, fake, real_labels, fake_labels = halves
    for x, y in zip(real.split(sizes[0]), real_labels.split(sizes[0]), strict=True):
        metric.update(x, real=True, labels=y)
    cut = fake[:fakes], fake_labels[:fakes]
    for x, y in zip(*(part.split(sizes[1]) for part in cut), strict=True):
        metric.update(x, real=False, labels=y)
    return metric


def noise(n: int, seed: int, high: int = 256) -> np.ndarray:
    """Grey images (N, 16, 16, 1) of 4 x 4 blocks."""
    return np.random.default_rng(seed).integers(0, high, (n, 4, 4, 1), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
