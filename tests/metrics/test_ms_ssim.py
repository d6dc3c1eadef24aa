"""MS-SSIM against torchmetrics, and pairs whose value is known."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d, interpolate

from zerosum.metrics.measures.ms_ssim import WEIGHTS, diversity, ms_ssim, scales_for


def smooth(n: int, size: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    """Blurry pictures, as SSIM of white noise is 0 at every scale."""
    small = torch.rand(n, channels, size // 4, size // 4, generator=torch.Generator().manual_seed(seed))
    return (interpolate(small, size=(size, size), mode="bicubic").clamp(0, 1) * 255).round().byte()


def disturbed(images: torch.Tensor, by: int, seed: int = 1) -> torch.Tensor:
    shift = torch.randint(-by, by + 1, images.shape, generator=torch.Generator().manual_seed(seed))
    return (images.int() + shift).clamp(0, 255).byte()


@pytest.mark.parametrize(("size", "scales", "channels"), [(16, 1, 1), (28, 2, 1), (32, 2, 3), (64, 3, 3), (176, 5, 1)])
def test_equals_torchmetrics_scale_by_scale(size: int, scales: int, channels: int) -> None:
    # Its own product of scales takes SSIM over a mirrored border too at the coarsest one; cut off, both must agree.
    single = pytest.importorskip("torchmetrics.functional.image").structural_similarity_index_measure
    a = smooth(3, size, channels)
    # Near copies and an unrelated picture, whose negative terms count as 0.
    b = torch.cat([disturbed(a[:2], 40), smooth(1, size, channels, seed=5)])
    assert scales_for(size, size) == scales
    x, y, expected = a.double(), b.double(), torch.ones(3, dtype=torch.float64)
    for scale, weight in enumerate(WEIGHTS[:scales]):
        if scale < scales - 1:
            _, value = single(x, y, data_range=255.0, reduction="none", return_contrast_sensitivity=True)
        else:
            _, full = single(x, y, data_range=255.0, reduction="none", return_full_image=True)
            value = full[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
        expected = expected * value.clamp(min=0) ** (weight / sum(WEIGHTS[:scales]))
        x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
    torch.testing.assert_close(ms_ssim(a, b), expected, rtol=1e-9, atol=1e-12)


def test_one_scale_by_scipy() -> None:
    # 16 pixels hold one scale, which is plain SSIM; scipy's filter cut to where the window fits whole.
    a = smooth(1, 16, 1)
    b = disturbed(a, 60)
    x, y = (image[0, 0].double().numpy() for image in (a, b))

    def mean(z: np.ndarray) -> np.ndarray:
        return scipy.ndimage.gaussian_filter(z, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]

    c1, c2 = 2.55**2, 7.65**2
    numerator = (2 * mean(x) * mean(y) + c1) * (2 * (mean(x * y) - mean(x) * mean(y)) + c2)
    spread = mean(x * x) - mean(x) ** 2 + mean(y * y) - mean(y) ** 2
    expected = (numerator / ((mean(x) ** 2 + mean(y) ** 2 + c1) * (spread + c2))).mean()
    assert 0.1 < expected < 0.9
    assert float(ms_ssim(a, b)) == pytest.approx(expected, rel=1e-9)


def test_two_grey_levels_by_hand() -> None:
    # Constant images have no structure to differ in: structure 1, luminance (2 ab + c1) / (a^2 + b^2 + c1), which
    # enters at the coarser of two scales with the power 0.2856 / (0.0448 + 0.2856).
    a, b = (torch.full((1, 1, 32, 32), level, dtype=torch.uint8) for level in (50, 200))
    luminance = (2 * 50 * 200 + 2.55**2) / (50**2 + 200**2 + 2.55**2)
    assert float(ms_ssim(a, b)) == pytest.approx(luminance ** (0.2856 / 0.3304), rel=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from([11, 20, 28, 44]))
def test_bounds_symmetry_and_batches(seed: int, size: int) -> None:
    a, b = smooth(3, size, seed=seed), smooth(3, size, seed=seed + 1)
    value = ms_ssim(a, b)
    assert bool(((value >= 0) & (value <= 1)).all())
    torch.testing.assert_close(ms_ssim(b, a), value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.cat([ms_ssim(a[:1], b[:1]), ms_ssim(a[1:], b[1:])]), value, rtol=1e-10, atol=0)
    torch.testing.assert_close(ms_ssim(a, a), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-9)


def test_a_collapsed_class_stands_out() -> None:
    varied, one = smooth(30, 32), smooth(1, 32, seed=7).expand(30, -1, -1, -1)
    images = torch.cat([varied, disturbed(one, 3)])
    labels = torch.arange(2).repeat_interleave(30)
    found = diversity(images, seed=0, labels=labels, pairs=20)
    (_, first), (_, second) = found.classes
    assert second > 0.95 > 0.5 > first
    assert found.mean == pytest.approx((first + second) / 2)
    assert (found.pairs, found.scales) == (20, 2)
    assert diversity(images, seed=0, labels=labels, pairs=20, batch=7) == found
    assert diversity(one, seed=0).mean == pytest.approx(1, abs=1e-9)
    assert diversity(varied, seed=0).mean < 0.5


def test_pairs_are_of_two_images_of_one_class() -> None:
    # Two images in a class leave one pair; a pair of an image with itself would show as a value of 1.
    images, labels = smooth(4, 16, 1), torch.tensor([0, 0, 3, 3])
    found = diversity(images, seed=5, labels=labels, pairs=30)
    expected = [float(ms_ssim(images[i : i + 1], images[i + 1 : i + 2])) for i in (0, 2)]
    assert [label for label, _ in found.classes] == [0, 3]
    assert [value for _, value in found.classes] == pytest.approx(expected, rel=1e-9)
    assert found.deviation == pytest.approx(abs(expected[0] - expected[1]) / 2)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (smooth(1, 16), None, "at least 2 images, not 1"),
        (smooth(3, 16), torch.tensor([0, 0, 1]), "at least 2 images of class 1, not 1"),
        (smooth(3, 16), torch.tensor([0, 0]), "as many whole labels"),
        (smooth(3, 16).float(), None, "uint8"),
        (smooth(3, 8), None, "at least 11 pixels"),
        (smooth(0, 16), torch.empty(0, dtype=torch.int64), "no images"),
    ],
)
def test_what_is_refused(images: torch.Tensor, labels: torch.Tensor | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        diversity(images, seed=0, labels=labels)
    with pytest.raises(ValueError, match="pairs=0"):
        diversity(smooth(3, 16), seed=0, pairs=0)
    with pytest.raises(ValueError, match="of one shape"):
        ms_ssim(smooth(2, 16), smooth(2, 20))
