"""Sliced Wasserstein distance between patches of Laplacian pyramids: how alike two sets look, scale by scale.

Source: Karras et al. 2018, "Progressive Growing of GANs" (arXiv:1710.10196, section 5 and the authors' published code).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.core.random import generator
from zerosum.metrics.measure import Context, Measure, Number, Option
from zerosum.metrics.shared.ordering import DRAWN, ranks_of
from zerosum.metrics.sides import BATCH, Side

SMALLEST = 16  # side of the coarsest level
PATCH = 7
SCALE = 1e3  # the source prints its distances times 1,000
PATCHES, REPEATS, DIRECTIONS = 128, 4, 128
_TOGETHER = 16  # directions projected and sorted at a time: bounds the memory, changes nothing else


@dataclass(frozen=True)
class SlicedDistances:
    """Distances of one comparison, times 1,000 as in the source; 0 for equal sets, lower is better.

    Attributes:
        average: Mean over the levels.
        levels: Side of each level in pixels and its distance, from the finest to the coarsest.
        images: Number of images in each set; the source takes 16,384.
        patches: Number of patches of each image at each level.
        directions: Number of random directions in all, over all repeats.
    """

    average: float
    levels: tuple[tuple[int, float], ...]
    images: int
    patches: int
    directions: int


def sides(size: int) -> tuple[int, ...]:
    """Sides of the pyramid's levels: ``size`` and its halves, down to 16; 64 -> (64, 32, 16).

    Raises:
        ValueError: The size is below 16, or cannot be halved without remainder.
    """
    found = [size]
    while found[-1] // 2 >= SMALLEST:
        if found[-1] % 2:
            raise ValueError(f"images of {size} pixels cannot be halved down to {SMALLEST}: pad or resize them")
        found.append(found[-1] // 2)
    if size < SMALLEST:
        raise ValueError(f"the pyramid's coarsest level has {SMALLEST} pixels a side; images have {size}")
    return tuple(found)


def _blur(images: Tensor) -> Tensor:
    """Binomial filter (1, 4, 6, 4, 1) / 16 along both axes; the border is mirrored, its own pixel not repeated."""
    # Sums of slices and no convolution: no device may round these products to fewer bits.
    x = functional.pad(images, (2, 2, 2, 2), mode="reflect")
    x = (x[..., :-4] + x[..., 4:] + 4 * (x[..., 1:-3] + x[..., 3:-1]) + 6 * x[..., 2:-2]) / 16
    return (x[..., :-4, :] + x[..., 4:, :] + 4 * (x[..., 1:-3, :] + x[..., 3:-1, :]) + 6 * x[..., 2:-2, :]) / 16


def _enlarge(images: Tensor) -> Tensor:
    """Twice the size: zeros between the pixels, blurred, times 4 to keep the brightness."""
    batch, channels, height, width = images.shape
    sparse = images.new_zeros(batch, channels, 2 * height, 2 * width)
    sparse[..., ::2, ::2] = images
    return 4 * _blur(sparse)


def laplacian_pyramid(images: Tensor, levels: int) -> list[Tensor]:
    """What each halving of images (B, C, H, W) takes away, from fine to coarse; last, what is left. Floating point.

    Each level but the last is the image at that size less its enlarged next level, so enlarging and adding inverts it.
    Burt and Adelson 1983, "The Laplacian pyramid as a compact image code".
    """
    pyramid = []
    for _ in range(levels - 1):
        coarser = _blur(images)[..., ::2, ::2]
        pyramid.append(images - _enlarge(coarser))
        images = coarser
    return [*pyramid, images]


def sliced_distance(a: Tensor, b: Tensor, directions: Tensor) -> float:
    """Mean over directions of the 1-D Wasserstein-1 distance between the projections of two sets of equal number.

    Rabin et al. 2011, "Wasserstein barycenter and its application to texture mixing". In one dimension the distance is
    the mean difference between the sorted values.

    Args:
        a: Vectors of one set, (N, D).
        b: Vectors of the other, (N, D).
        directions: Unit vectors, (D, K).

    Raises:
        ValueError: The sets differ in the number or length of their vectors.
    """
    if a.shape != b.shape:
        raise ValueError(
            f"the sets must have the same number and length of vectors: {tuple(a.shape)}, {tuple(b.shape)}"
        )
    total = 0.0
    for some in torch.split(directions, _TOGETHER, dim=1):
        first, second = (a @ some).T.contiguous().sort(dim=1).values, (b @ some).T.contiguous().sort(dim=1).values
        total += float((first - second).abs().mean(dim=1, dtype=torch.float64).sum())
    return total / directions.shape[1]


def sliced_wasserstein(
    a: Iterable[Tensor],
    b: Iterable[Tensor],
    *,
    seed: int,
    patches: int = PATCHES,
    repeats: int = REPEATS,
    directions: int = DIRECTIONS,
    places: tuple[Tensor, Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> SlicedDistances:
    """Sliced Wasserstein distance between two sets of images, for each level of their Laplacian pyramids.

    At each level, ``patches`` random 7x7 patches are taken of each image, each set's channels are brought to mean 0 and
    deviation 1 over all its patches, and the 1-D distances along ``repeats`` times ``directions`` random unit vectors
    are averaged. Image i of either set gives its patches at the same places (in the source, at places of its own), so
    equal sets are at 0.

    The patches of one level at a time are in memory: N x patches x C x 49 x 4 bytes for each set, 1.2 GB for 16,384
    colour images. The sets are therefore read once for each level.

    Args:
        a: Batches uint8 (B, C, H, W), square, of a kind that can be read again: a list or a loader, not a generator.
        b: Batches of as many images of the same shape.
        seed: Seed of the patches' places and of the directions.
        patches: Number of patches of each image.
        repeats: Number of groups of directions, each drawn on its own.
        directions: Number of directions in each group.
        places: For either set, the number (N,) of each image that decides where its patches lie, each of 0 .. N - 1
            once. ``None``: images are numbered in the order in which they come.
        device: Where all is computed.

    Raises:
        ValueError: The sets have fewer than 2 images, or unlike numbers or shapes; images are not uint8, not square,
            too small or odd (:func:`sides`); a channel does not vary at all; batches can be read only once; or the
            number of patches, repeats or directions is below 1.
    """
    if min(patches, repeats, directions) < 1:
        raise ValueError(f"{patches=}, {repeats=} and {directions=} must be at least 1")
    shapes = [_check_batches(x) for x in (a, b)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"both sets must hold the same number of images of one shape, not {shapes[0]} and {shapes[1]}")
    count, side = shapes[0][0], shapes[0][3]
    found = []
    for level, size in enumerate(sides(side)):
        numbers = places or (torch.arange(count),) * 2
        first, second = (
            _describe(x, number, level, sides(side), patches, seed, device)
            for x, number in zip((a, b), numbers, strict=True)
        )
        total = sum(
            sliced_distance(first, second, _draw_directions(first, directions, (seed, "swd directions", level, repeat)))
            for repeat in range(repeats)
        )
        found.append((size, SCALE * total / repeats))
    average = sum(value for _, value in found) / len(found)
    return SlicedDistances(average, tuple(found), count, patches, repeats * directions)


def _check_batches(batches: Iterable[Tensor]) -> tuple[int, int, int, int]:
    """(N, C, H, W) of a whole set, each batch checked."""
    shapes = set()
    count = 0
    for images in batches:
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[2] != images.shape[3]:
            raise ValueError(f"images must be square, uint8 (B, C, H, H), not {images.dtype} {tuple(images.shape)}")
        count += len(images)
        shapes.add(tuple(images.shape[1:]))
    if count < 2:
        raise ValueError(f"a set needs at least 2 images, not {count}")
    if len(shapes) > 1:
        raise ValueError(f"all images of a set must have one shape, not {sorted(shapes)}")
    channels, height, width = shapes.pop()
    return count, channels, height, width


def _draw_directions(like: Tensor, count: int, path: tuple[int | str, ...]) -> Tensor:
    """Uniform unit vectors (D, count) on the device of ``like``, the same on every device."""
    drawn = torch.randn(like.shape[1], count, generator=generator(*path), dtype=torch.float64)
    return functional.normalize(drawn, dim=0).to(like)


def _describe(
    batches: Iterable[Tensor],
    numbers: Tensor,
    level: int,
    levels: tuple[int, ...],
    patches: int,
    seed: int,
    device: torch.device | str,
) -> Tensor:
    """Normalised patches (N * patches, C * 49) of one level of all images, float32."""
    found: list[Tensor] = []
    seen = 0
    for images in batches:
        pyramid = laplacian_pyramid(images.to(device, torch.float32), min(level + 2, len(levels)))
        some = numbers[seen : seen + len(images)].tolist()
        places = _draw_places(some, patches, levels[level], (seed, "swd patches", level))
        found.append(_cut(pyramid[level], places))
        seen += len(images)
    if seen != len(numbers):
        raise ValueError(
            f"the images can be read only once ({seen} the second time, {len(numbers)} at first): give batches in a "
            "list, or an object that starts over each time it is iterated"
        )
    cut = torch.cat(found)
    mean = cut.mean(dim=(0, 2), keepdim=True, dtype=torch.float64)
    deviation = (cut - mean.to(cut)).square_().mean(dim=(0, 2), keepdim=True, dtype=torch.float64).sqrt()
    if bool((deviation == 0).any()):
        raise ValueError(
            f"a channel is constant over all patches of the level of {levels[level]} pixels: nothing to compare"
        )
    return cut.sub_(mean.to(cut)).div_(deviation.to(cut)).flatten(1)


def _draw_places(numbers: list[int], patches: int, size: int, path: tuple[int | str, ...]) -> Tensor:
    """Upper left corners (n, patches, 2) of the patches of the images with these numbers."""
    # Only from the number of the image, so that the size of the batches changes nothing.
    drawn = [torch.randint(size - PATCH + 1, (patches, 2), generator=generator(*path, number)) for number in numbers]
    return torch.stack(drawn)


def _cut(images: Tensor, corners: Tensor) -> Tensor:
    """Patches (B * P, C, 49) of images (B, C, S, S) at corners (B, P, 2)."""
    batch, channels, side, _ = images.shape
    window = torch.arange(PATCH)
    rows, columns = corners[..., :1] + window, corners[..., 1:] + window
    places = (rows.unsqueeze(3) * side + columns.unsqueeze(2)).flatten(1).to(images.device)
    values = images.flatten(2).gather(2, places.unsqueeze(1).expand(-1, channels, -1))
    return values.view(batch, channels, -1, PATCH * PATCH).transpose(1, 2).flatten(0, 1)


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    batches = real.images.batches(BATCH), fake.images.batches(BATCH)
    places = ranks_of(real.order), ranks_of(fake.order)
    found = sliced_wasserstein(*batches, **context.options, seed=context.seed, places=places, device=context.device)
    details = {f"{side} pixels": value for side, value in found.levels}
    return [Number("swd", found.average, details, {"directions": found.directions})]


MEASURE = Measure(
    name="swd",
    summary="sliced Wasserstein distance on Laplacian pyramids (Karras 2018)",
    run=_measure,
    directions={"swd": "lower"},
    constants={"patches": PATCHES, "directions": REPEATS * DIRECTIONS, **DRAWN},
    options={
        "patches": Option(
            default=PATCHES, text="patches of each image at each level", source="Karras et al. 2018, code"
        ),
        "repeats": Option(default=REPEATS, text="groups of directions", source="Karras et al. 2018, code"),
        "directions": Option(default=DIRECTIONS, text="directions in each group", source="Karras et al. 2018, code"),
    },
    published_on=None,
    needs=frozenset({"equal"}),
)
