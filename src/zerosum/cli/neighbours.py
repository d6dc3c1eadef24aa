"""``zerosum neighbours RUN``."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import tyro

from zerosum.cli.common import OfSamples, Opened, at_least, beside, page, png_only, sampling, writing
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.metrics.images import ImageSet
    from zerosum.metrics.neighbours import Nearest

PIECE_BYTES = 2**27  # of training images as float32, searched at a time


@dataclass(frozen=True)
class Options(OfSamples):
    """Set samples beside the training images that are nearest to them, in pixels and in features: does it copy?

    Each row shows a sample, its nearest images by pixels, and its nearest by features. Distances are printed: of
    pixels the root mean squared difference, of 255; of features the Euclidean distance.

    Attributes:
        count: number of samples.
        k: how many neighbours of each.
        features: inception, inception-clean, vgg16, shipped, or FILE.onnx.
            auto: shipped for grey 32x32 images, else inception. none: pixels alone.
    """

    count: int = 8
    k: int = 5
    features: str = "auto"


class Found(NamedTuple):
    """Neighbours of N samples in one space.

    Attributes:
        space: its name.
        indices: (N, k) int64 of training images, nearest first.
        distances: (N, k).
    """

    space: str
    indices: Tensor
    distances: Tensor


def run(argv: list[str]) -> int:
    """Search."""
    options = tyro.cli(Options, args=argv, prog="zerosum neighbours")
    at_least("--count", options.count, 1)
    at_least("--k", options.k, 1)
    out = png_only(options.out) if options.out else None
    found = sampling(options, real=True)
    real = training_images(found)
    if options.k > real.count:
        raise UsageError(f"--k {options.k}: there are {real.count} training images; ask for fewer")
    from zerosum.metrics.images import eight_bit

    fake = eight_bit(found.sampler(0, options.count))
    spaces = [by_pixels(real, fake, options.k)]
    if options.features != "none":
        spaces.append(by_features(found, real, fake, options))
    with writing(path := out or beside(found, options, "neighbours", *options.marks)) as file:
        draw(real, fake, spaces, file)
    for number in range(options.count):
        print(f"sample {number}: {'; '.join(_line(space, number) for space in spaces)}")
    print(path)
    return 0


def training_images(found: Opened) -> ImageSet:
    """The images that a run was trained on.

    Raises:
        UsageError: it was trained on points.
    """
    from zerosum.runs.scoring import images_of

    data = found.setup.data
    if data.is_points:
        raise UsageError(
            f"{found.folder.path} was trained on {data.name}: points are drawn anew, so none can be copied"
        )
    if data.fingerprint != found.folder.record()["data"]["fingerprint"]:
        print(f"note: {data.name} has changed since {found.folder.path} was trained on it", file=sys.stderr)
    return images_of(data)


def by_pixels(real: ImageSet, fake: Tensor, k: int) -> Found:
    """Neighbours by pixels; distances are root mean squared differences of 0 to 255."""
    import torch

    from zerosum.data.progress import progress
    from zerosum.metrics.neighbours import Nearest, nearest

    flat = fake.flatten(1).float()
    size = max(1, PIECE_BYTES // (4 * flat.shape[1]))
    best = Nearest(torch.empty(len(fake), 0, dtype=torch.float64), torch.empty(len(fake), 0, dtype=torch.int64))
    with progress(real.count, "searching", True) as advance:
        for start in range(0, real.count, size):
            images = real.read(start, min(size, real.count - start)).flatten(1).float()
            part = nearest(flat, images, k=min(k, len(images)))
            best = _nearer(best, Nearest(part.squared, part.indices + start), k)
            advance(len(images))
    return Found("pixels", best.indices, (best.squared / flat.shape[1]).sqrt())


def _nearer(a: Nearest, b: Nearest, k: int) -> Nearest:
    """The k nearest of both; among equals those of ``a`` go first."""
    import torch

    squared, order = torch.cat([a.squared, b.squared], 1).sort(dim=1, stable=True)
    return type(a)(squared[:, :k], torch.cat([a.indices, b.indices], 1).gather(1, order[:, :k]))


def by_features(found: Opened, real: ImageSet, fake: Tensor, options: Options) -> Found:
    """Neighbours by an extractor's features; those of the training images are kept in the cache.

    Raises:
        UsageError: there are no such features, or they do not take these images.
    """
    import torch

    from zerosum.data.progress import progress
    from zerosum.metrics.features.named import named
    from zerosum.metrics.neighbours import nearest
    from zerosum.metrics.side import BATCH, Side

    try:
        extractor = named(options.features, real.shape, found.setup.device)
        with progress(real.count, "features", True) as advance:
            side = Side(real, extractor, frozenset({"vectors"}), progress=lambda done, total: advance(BATCH))
            theirs = side.vectors.cpu()
        ours = torch.cat([extractor(part).vectors.cpu() for part in torch.split(fake, BATCH)])
    except (ImportError, FileNotFoundError, ValueError) as error:
        raise UsageError(f"--features {options.features}: {error}") from error
    best = nearest(ours, theirs, k=options.k)
    return Found(f"{extractor.name} features", best.indices, best.squared.sqrt())


def draw(real: ImageSet, fake: Tensor, spaces: list[Found], path: Path) -> None:
    """A row for each sample: itself, then its neighbours in each space, a gap before each."""
    rows: list[list[Tensor | None]] = []
    for number, sample in enumerate(fake):
        row: list[Tensor | None] = [sample]
        for space in spaces:
            row += [None, *(real.read(index, 1)[0] for index in space.indices[number].tolist())]
        rows.append([None if image is None else image.float() / 127.5 - 1 for image in row])
    page(rows, path)


def _line(space: Found, number: int) -> str:
    """The distances of a sample, to three digits of the largest."""
    largest = float(space.distances[number, -1])
    digits = max(0, 2 - math.floor(math.log10(largest))) if largest else 2
    return f"{space.space} {' '.join(f'{value:.{digits}f}' for value in space.distances[number].tolist())}"
