"""``zerosum neighbours RUN``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import tyro

from zerosum.cli import common
from zerosum.cli.common import OpenedRun, SamplingOptions
from zerosum.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.metrics.images import ImageSet
    from zerosum.metrics.shared.neighbours import Nearest

VERB = ("show samples next to the training images nearest to them", 90)  # what it does, and its place in the list

PIECE_BYTES = 2**27  # size of the training images that are searched at a time, as float32
TITLE = "generated images and the training images that are nearest to them"


@dataclass(frozen=True)
class NeighboursOptions(SamplingOptions):
    """Show samples next to the training images that are nearest to them, to see whether the generator copies.

    Each row shows a sample, the images nearest to it by pixels, and those nearest by features. Distances are printed:
    the root mean squared difference of pixels, from 0 to 255, and the Euclidean distance of features.

    Attributes:
        count: Number of samples.
        k: Number of neighbours of each sample.
        features: Network that extracts features: shipped, random, inception, inception-clean, vgg16, dinov2, clip or
            FILE.onnx. auto: one that needs no download, which is shipped for grey 32x32 images, and random otherwise:
            random convolutions, which know edges, colours and layout, and nothing of what a picture shows. none: pixels
            only.
    """

    count: int = 8
    k: int = 5
    features: str = "auto"


class NearImages(NamedTuple):
    """Neighbours of N samples in one space.

    Attributes:
        space: Name of the space.
        indices: Indices of training images, (N, k) int64, the nearest first.
        distances: Distances of these images, (N, k).
    """

    space: str
    indices: Tensor
    distances: Tensor


def run(argv: list[str]) -> int:
    """Search the neighbours of samples."""
    options = tyro.cli(NeighboursOptions, args=argv, prog="zerosum neighbours")
    common.check_at_least("--count", options.count, 1)
    common.check_at_least("--k", options.k, 1)
    out = common.png_path(options.out) if options.out else None
    opened = common.open_sampler(options, real=True)
    real = training_images(opened)
    if options.k > real.count:
        raise UsageError(f"--k {options.k}: there are only {real.count} training images")
    from zerosum.metrics.images import eight_bit

    fake = eight_bit(opened.sampler(0, options.count))
    spaces = [search_pixels(real, fake, options.k)]
    features, remark = choose_features(options.features, real.shape)
    if features is not None:
        spaces.append(search_features(opened, real, fake, features, options.k))
    note = common.origin_of(opened, options)
    with common.open_output(path := out or common.default_path(opened, options, "neighbours", *options.marks)) as file:
        draw(real, fake, spaces, f"{note}; {remark}", file)
    print(f"compared by {remark}")
    for number in range(options.count):
        print(f"sample {number}: {'; '.join(_line(space, number) for space in spaces)}")
    common.tell(f"{TITLE}: {note}", path)
    return 0


def choose_features(asked: str, shape: tuple[int, ...]) -> tuple[str | None, str]:
    """Choose the features to compare by.

    Args:
        asked: What the option says.
        shape: Shape of an image, (C, H, W).

    Returns:
        The name of the features, or ``None`` for pixels only; and what is said of them.
    """
    from zerosum.metrics.features.random_convolutions import SMALLEST
    from zerosum.metrics.features.shipped import IMAGE_SHAPE

    pixels = "pixels (root mean squared difference, 0 to 255)"
    if asked not in ("auto", "none"):
        return asked, f"{pixels} and {Path(asked).name} features (Euclidean distance)"
    if asked == "none":
        return None, pixels
    if tuple(shape) == IMAGE_SHAPE:
        return "shipped", f"{pixels} and features of the shipped classifier of clothes (Euclidean distance)"
    channels, *sides = shape
    if channels not in (1, 3) or min(sides) < SMALLEST:
        size = " x ".join(map(str, sides))
        return None, f"{pixels} only: no features that need no download take {channels} channels of {size} pixels"
    return "random", f"{pixels} and features of random convolutions (Euclidean distance), which need no download"


def training_images(opened: OpenedRun) -> ImageSet:
    """The images that a run was trained on.

    Raises:
        UsageError: The run was trained on points.
    """
    from zerosum.runs.scoring import images_of

    data = opened.setup.data
    if data.is_points:
        raise UsageError(
            f"{opened.folder.path} was trained on {data.name}: points are drawn afresh, so none can be copied"
        )
    common.warn_of_other_data(opened)
    return images_of(data)


def search_pixels(real: ImageSet, fake: Tensor, k: int) -> NearImages:
    """Neighbours by pixels. Distances are root mean squared differences, from 0 to 255."""
    import torch

    from zerosum.metrics.shared.neighbours import Nearest, nearest
    from zerosum.progress import progress

    flat = fake.flatten(1).float()
    size = max(1, PIECE_BYTES // (4 * flat.shape[1]))
    best = Nearest(torch.empty(len(fake), 0, dtype=torch.float64), torch.empty(len(fake), 0, dtype=torch.int64))
    with progress(real.count, "searching", True) as advance:
        for start in range(0, real.count, size):
            images = real.read(start, min(size, real.count - start)).flatten(1).float()
            part = nearest(flat, images, k=min(k, len(images)))
            best = _merge(best, Nearest(part.squared, part.indices + start), k)
            advance(len(images))
    return NearImages("pixels", best.indices, (best.squared / flat.shape[1]).sqrt())


def _merge(a: Nearest, b: Nearest, k: int) -> Nearest:
    """The k nearest of both. Among equals, those of ``a`` come first."""
    import torch

    squared, order = torch.cat([a.squared, b.squared], 1).sort(dim=1, stable=True)
    return type(a)(squared[:, :k], torch.cat([a.indices, b.indices], 1).gather(1, order[:, :k]))


def search_features(opened: OpenedRun, real: ImageSet, fake: Tensor, features: str, k: int) -> NearImages:
    """Neighbours by features. Those of the training images are kept in the cache.

    Args:
        opened: The run.
        real: Training images.
        fake: Samples, uint8 (N, C, H, W).
        features: Name of the features.
        k: Number of neighbours.

    Raises:
        UsageError: There are no such features, or the network does not take these images.
    """
    import torch

    from zerosum.metrics.features.find import find_extractor
    from zerosum.metrics.shared.neighbours import nearest
    from zerosum.metrics.sides import BATCH, Side
    from zerosum.progress import progress

    try:
        extractor = find_extractor(features, real.shape, opened.setup.device)
        with progress(real.count, "features", True) as advance:
            side = Side(real, extractor, frozenset({"vectors"}), progress=lambda done, total: advance(BATCH))
            theirs = side.vectors.cpu()
        ours = torch.cat([extractor(part).vectors.cpu() for part in torch.split(fake, BATCH)])
    except (ImportError, FileNotFoundError, ValueError) as error:
        raise UsageError(f"--features {features}: {error}") from error
    best = nearest(ours, theirs, k=k)
    return NearImages(f"{extractor.name} features", best.indices, best.squared.sqrt())


def draw(real: ImageSet, fake: Tensor, spaces: list[NearImages], note: str, path: Path) -> None:
    """Draw a row for each sample: the sample, then its neighbours in each space, with a gap before each space.

    Args:
        real: Training images.
        fake: Samples, uint8 (N, C, H, W).
        spaces: Neighbours in each space.
        note: Where the samples come from, and what they are compared by.
        path: Path of the file.
    """
    rows: list[list[Tensor | None]] = []
    captions: list[list[str]] = []
    columns = [("generated", 1)]
    for space in spaces:
        columns += [("", 1), (f"nearest by {space.space}", space.indices.shape[1])]
    for number, sample in enumerate(fake):
        row: list[Tensor | None] = [sample]
        words = [f"sample {number}"]
        for space in spaces:
            row += [None, *(real.read(index, 1)[0] for index in space.indices[number].tolist())]
            words += ["", *_distances(space, number)]
        rows.append([None if image is None else image.float() / 127.5 - 1 for image in row])
        captions.append(words)
    common.draw_grid(rows, path, title=TITLE, note=note, columns=columns, captions=captions)


def _distances(space: NearImages, number: int) -> list[str]:
    """Distances of a sample's neighbours, to three digits of the largest."""
    largest = float(space.distances[number, -1])
    digits = max(0, 2 - math.floor(math.log10(largest))) if largest else 2
    return [f"{value:.{digits}f}" for value in space.distances[number].tolist()]


def _line(space: NearImages, number: int) -> str:
    return f"{space.space} {' '.join(_distances(space, number))}"
