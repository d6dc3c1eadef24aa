"""What images in a loop may be: nothing is taken for what it is not."""

import pytest
import torch

from zerosum.errors import UsageError
from zerosum.metrics.pixels import check_range, to_pixels

RNG = torch.Generator().manual_seed(0)
LEVELS = torch.randint(256, (3, 3, 6, 5), generator=RNG, dtype=torch.uint8)
UNIT = LEVELS.float() / 255


def test_bytes_stay() -> None:
    assert to_pixels(LEVELS, None) is LEVELS
    assert to_pixels(LEVELS, (0, 1)) is LEVELS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0), (-2.5, 7.5)])
def test_every_level_comes_back_from_every_range(low: float, high: float, dtype: torch.dtype) -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(to_pixels(low + every.to(dtype) / 255 * (high - low), (low, high)), every)


def test_half_precision_is_taken_to_the_nearest_level() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        found = to_pixels((UNIT * 2 - 1).to(dtype), None)
        assert (found.int() - LEVELS.int()).abs().max() <= 1


def test_gradients_and_strides_do_not_matter() -> None:
    images = (UNIT * 2 - 1).to(memory_format=torch.channels_last).requires_grad_()
    assert torch.equal(to_pixels(images, None), LEVELS)


def test_what_could_be_either_is_refused_unless_said() -> None:
    with pytest.raises(UsageError, match=r"could lie in \[0, 1\] or in \[-1, 1\]: say range"):
        to_pixels(UNIT, None)
    with pytest.raises(UsageError, match="could lie in"):  # an enlarged image in [0, 1], which swings below 0
        to_pixels((UNIT * 1.1 - 0.05).clamp(max=1), None)
    assert torch.equal(to_pixels(UNIT, (0, 1)), LEVELS)
    assert torch.equal(to_pixels(UNIT, (-1, 1)), ((UNIT + 1) * 127.5).round().to(torch.uint8))
    assert torch.equal(to_pixels(UNIT, None, settled=True), to_pixels(UNIT, (-1, 1)))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (UNIT * 255, "values from 0 to 254, outside"),
        (UNIT * 3 - 1.5, "outside"),
        (torch.full((1, 1, 2, 2), float("nan")), "NaN or infinity"),
        (torch.full((1, 1, 2, 2), float("inf")), "NaN or infinity"),
        (LEVELS.int(), "not torch.int32"),
        (LEVELS > 9, "not torch.bool"),
        (LEVELS[0], "not \\(3, 6, 5\\)"),
        (LEVELS.permute(0, 2, 3, 1), "not \\(3, 6, 5, 3\\)"),
        (LEVELS[:0], "not \\(0, 3, 6, 5\\)"),
        (LEVELS.numpy(), "must be a tensor, not ndarray"),
    ],
)
def test_what_is_not_a_batch_of_images_is_refused(images: torch.Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        to_pixels(images, None)
    assert "\n" not in str(caught.value)
    assert caught.value.argument == "images"


def test_a_range_is_two_numbers() -> None:
    assert check_range([0, 1]) == (0.0, 1.0)
    assert check_range(None) is None
    for wrong in ((1, 0), (0, 0), (0, float("inf")), (float("nan"), 1), (1, 2, 3), 5, "ab"):
        with pytest.raises(UsageError, match="range="):
            check_range(wrong)
    with pytest.raises(UsageError, match=r"outside \[0, 1\]"):
        to_pixels(UNIT * 2 - 1, (0, 1))
