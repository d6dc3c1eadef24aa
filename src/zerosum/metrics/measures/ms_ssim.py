"""MS-SSIM between random pairs of a generator's images: near 1 where the generator repeats itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.core.random import generator
from zerosum.metrics.measure import Context, Measure, Number, Option
from zerosum.metrics.score import Plain
from zerosum.metrics.shared.class_names import plain_name
from zerosum.metrics.shared.ordering import DRAWN
from zerosum.metrics.sides import Side

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from fine to coarse; Wang et al. 2003
WINDOW, SIGMA = 11, 1.5
PAIRS = 100
LUMINANCE, CONTRAST = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # the constants C1 and C2 of Wang et al. 2004


@dataclass(frozen=True)
class Diversity:
    """Mean MS-SSIM over pairs of images of one set: at most 1, which is a single image repeated; lower is more diverse.

    Attributes:
        mean: Mean over all pairs, or over the classes' means where labels were given.
        deviation: Standard deviation over all pairs.
        classes: Label of each class and the mean over the pairs within it; empty without labels.
        pairs: Number of pairs, in each class where there are classes.
        scales: Number of scales, of five, that the images' size allows. Values at unlike ``scales`` do not compare.
    """

    mean: float
    deviation: float
    classes: tuple[tuple[int, float], ...]
    pairs: int
    scales: int


def scales_for(height: int, width: int) -> int:
    """Number of the five scales that fit: halving stops where the side would fall below the window of 11 pixels.

    There are five from 176 pixels on; 3 for 64, 2 for 28 and 32, 1 for 16.

    Raises:
        ValueError: The images are smaller than the window.
    """
    side, scales = min(height, width), 0
    while side >= WINDOW and scales < len(WEIGHTS):
        side, scales = side // 2, scales + 1
    if scales == 0:
        raise ValueError(f"SSIM needs images of at least {WINDOW} pixels a side, not {width}x{height}")
    return scales


def _smooth(x: Tensor) -> Tensor:
    """Average images (B, C, H, W) by a Gaussian window of 11x11, sigma 1.5; the result is 10 pixels smaller."""
    offsets = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    weights = (-offsets.square() / (2 * SIGMA**2)).exp()
    weights = weights / weights.sum()
    for axis in (2, 3):
        x = x.unfold(axis, WINDOW, 1) @ weights
    return x


def _similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over pixels and channels of SSIM, and of its contrast-structure part: each (B,)."""
    mean_a, mean_b = _smooth(a), _smooth(b)
    # E[x^2] - E[x]^2 in float64: in float32 the difference of two numbers near 255^2 loses what the constant C2 guards.
    variance = _smooth(a.square()) + _smooth(b.square()) - mean_a.square() - mean_b.square()
    covariance = _smooth(a * b) - mean_a * mean_b
    structure = (2 * covariance + CONTRAST) / (variance + CONTRAST)
    luminance = (2 * mean_a * mean_b + LUMINANCE) / (mean_a.square() + mean_b.square() + LUMINANCE)
    return (structure * luminance).mean(dim=(1, 2, 3)), structure.mean(dim=(1, 2, 3))


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """MS-SSIM of images pair by pair; Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity", Eq. 7.

    The product over scales j of (contrast-structure)_j^{w_j}, with SSIM itself at the coarsest; scales are halves by
    2x2 means. Images below 176 pixels hold fewer than five scales (:func:`scales_for`): the first ones are taken and
    their weights divided by their sum. A negative mean at some scale counts as 0, as its power is not real.

    Args:
        a: Images of one side, uint8 (B, C, H, W).
        b: Images of the other, uint8 (B, C, H, W).

    Returns:
        Similarities float64 (B,) in [0, 1]; 1 for equal images.

    Raises:
        ValueError: The images have another type or unlike shapes, or are smaller than 11 pixels.
    """
    if a.dtype != torch.uint8 or b.dtype != torch.uint8 or a.shape != b.shape or a.ndim != 4:
        raise ValueError(
            f"images must be uint8 (B, C, H, W) of one shape, not {a.dtype} {tuple(a.shape)} and {b.dtype} "
            f"{tuple(b.shape)}"
        )
    scales = scales_for(a.shape[2], a.shape[3])
    weights = [weight / sum(WEIGHTS[:scales]) for weight in WEIGHTS[:scales]]
    x, y = a.to(torch.float64), b.to(torch.float64)
    product = torch.ones(len(a), dtype=torch.float64, device=a.device)
    for scale, weight in enumerate(weights):
        whole, structure = _similarity(x, y)
        product = product * (whole if scale == scales - 1 else structure).clamp(min=0).pow(weight)
        if scale < scales - 1:
            x, y = functional.avg_pool2d(x, 2), functional.avg_pool2d(y, 2)
    return product


def diversity(
    images: Tensor,
    *,
    seed: int,
    labels: Tensor | None = None,
    names: Sequence[str] | None = None,
    pairs: int = PAIRS,
    batch: int = 50,
) -> Diversity:
    """Mean MS-SSIM between random pairs of generated images, within each class where labels are given.

    Odena et al. 2017, "Conditional image synthesis with auxiliary classifier GANs" (arXiv:1610.09585, section 4.2): 100
    random pairs of each class. The two images of a pair are never the same one. A real set's value is the yardstick:
    above it, the generator varies less than the data. Compute both at the same size.

    Args:
        images: Generated images, uint8 (N, C, H, W).
        seed: Seed of the pairs.
        labels: Classes of the images, whole numbers (N,), or ``None``.
        names: Names of the classes: the pairs of a class then depend on its name and not on its number.
        pairs: Number of pairs, in each class where there are labels.
        batch: Number of pairs compared at a time.

    Raises:
        ValueError: There are fewer than two images (in any class), labels of another number, or no pairs, or
            :func:`ms_ssim` refuses the images.
    """
    if pairs < 1 or batch < 1:
        raise ValueError(f"{pairs=} and {batch=} must be at least 1")
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 (N, C, H, W), not {images.dtype} {tuple(images.shape)}")
    if labels is not None and (labels.shape != (len(images),) or labels.is_floating_point()):
        raise ValueError(f"{len(images)} images need as many whole labels, not {labels.dtype} {tuple(labels.shape)}")
    scales = scales_for(images.shape[2], images.shape[3])
    if labels is None:
        values = _compare_pairs(images, _draw_pairs(torch.arange(len(images)), pairs, (seed, "ms-ssim")), batch)
        return Diversity(float(values.mean()), float(values.std(correction=0)), (), pairs, scales)
    found, every = [], []
    for label in torch.unique(labels).tolist():
        members = (labels == label).nonzero().flatten().cpu()
        name = label if names is None else names[label]
        path = seed, "ms-ssim", name if isinstance(name, int) else plain_name(name)
        drawn = _draw_pairs(members, pairs, path, f" of class {name}")
        values = _compare_pairs(images, drawn, batch)
        found.append((int(label), float(values.mean())))
        every.append(values)
    if not found:
        raise ValueError("no images: there are no pairs to compare")
    mean = sum(value for _, value in found) / len(found)
    return Diversity(mean, float(torch.cat(every).std(correction=0)), tuple(found), pairs, scales)


def _draw_pairs(members: Tensor, pairs: int, path: tuple[int | str, ...], of: str = "") -> Tensor:
    """Indices (pairs, 2) of two different images each, all such pairs equally likely."""
    if len(members) < 2:
        raise ValueError(f"pairs need at least 2 images{of}, not {len(members)}")
    rng = generator(*path)
    first = torch.randint(len(members), (pairs,), generator=rng)
    step = torch.randint(1, len(members), (pairs,), generator=rng)
    return members[torch.stack([first, (first + step) % len(members)], dim=1)]


def _compare_pairs(images: Tensor, pairs: Tensor, batch: int) -> Tensor:
    """MS-SSIM of each pair, on the CPU."""
    parts = [ms_ssim(*(images[side.to(images.device)] for side in some.T)) for some in torch.split(pairs, batch)]
    return torch.cat(parts).cpu()


def _measure(real: Side, fake: Side, context: Context) -> list[Number]:
    # Pairs within classes only if both sides have them: pairs of two classes are less alike, on either side.
    within = all(side.images.labels is not None for side in (real, fake))
    yardstick, found = (
        diversity(
            side.ordered_pixels(),
            seed=context.seed,
            pairs=context.options.get("pairs", PAIRS),
            labels=side.ordered_labels if within else None,
            names=side.class_names if within else None,
        )
        for side in (real, fake)
    )
    constants: dict[str, Plain] = {"scales": found.scales, "within_classes": within}
    return [Number("ms_ssim", found.mean, {"real": yardstick.mean}, constants)]


MEASURE = Measure(
    name="ms-ssim",
    summary="similarity of pairs of generated images (Odena 2017)",
    run=_measure,
    directions={"ms_ssim": "neither"},
    constants={"pairs": PAIRS, **DRAWN},
    options={
        "pairs": Option(default=PAIRS, text="pairs, within each class where there are some", source="Odena et al. 2017")
    },
    published_on=None,
)
