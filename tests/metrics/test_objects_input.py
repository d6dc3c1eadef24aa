"""What measures in a loop are given: ranges of values, labels, sizes, numbers; what is refused, in one line."""

import pytest
import torch
from metric_helpers import fill

from zerosum.errors import UsageError
from zerosum.metrics import FID, FDRandom, InceptionScore, Metric

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


def test_floats_and_bytes_are_the_same_images(halves) -> None:
    real, fake = halves[:2]
    wanted = fill(FID(features="shipped"), halves, (100, 100)).compute()
    unit, symmetric = FID(features="shipped", range=(0, 1)), FID(features="shipped")
    unit.update(real.float() / 255, real=True)
    unit.update(fake.double() / 255, real=False)
    symmetric.update(real.float() / 127.5 - 1, real=True)
    symmetric.update(fake, real=False)
    assert unit.compute() == symmetric.compute() == wanted


def test_a_range_that_is_not_known_is_asked_for_on_each_side(halves) -> None:
    real, fake = (part.float() / 255 for part in halves[:2])
    metric = FID(features="shipped")
    metric.update(real * 2 - 1, real=True)
    with pytest.raises(UsageError, match=r"say range=\(0, 1\) or range=\(-1, 1\)"):
        metric.update(fake, real=False)  # a generator that ends in a sigmoid
    metric.update(fake * 2 - 1, real=False)
    metric.update(fake[:1] * 0 + 0.9, real=False)  # nearly white images of a range that has been seen
    metric.reset()
    with pytest.raises(UsageError, match="say range"):
        metric.update(real, real=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Metric("fdi"), "Did you mean 'fid'"),
        (lambda: Metric("ppl"), "walks among a generator's latents"),
        (lambda: Metric("swd", features="shipped"), "'swd' reads pixels, so leave them out"),
        (lambda: Metric("fd_random", features="shipped"), "has features of its own"),
        (lambda: FID(range=(1, 0)), "range="),
        (
            lambda: FID(features="inceptoin").update(torch.zeros(2, 3, 8, 8).byte(), real=True),
            "Did you mean 'inception'",
        ),
        (lambda: FID(features=5).update(torch.zeros(2, 3, 8, 8).byte(), real=True), "features=int"),
        (lambda: FID(features="nowhere.onnx").update(torch.zeros(2, 3, 8, 8).byte(), real=True), "nowhere.onnx"),
        (lambda: FID(features=lambda x: x).update(torch.zeros(2, 3, 8, 8).byte(), real=True), "lambda must return"),
        (lambda: FID(features="shipped").update(torch.zeros(2, 3, 8, 8).byte(), real=True), "takes grey images"),
        (lambda: InceptionScore(features="random").update(torch.zeros(250, 3, 8, 8).byte()), "not a classifier"),
        (lambda: FID("random").update(torch.zeros(2, 3, 8, 8).byte(), real=False, held_out=True), "real=True"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_labels_are_whole_numbers_for_all_images_or_none(halves) -> None:
    images = halves[0][:6]
    for labels in (
        torch.zeros(5, dtype=torch.int64),
        torch.zeros(6),
        torch.zeros(6, 1, dtype=torch.int64),
        torch.tensor([0, 1, 2, -1, 0, 0]),
        torch.zeros(6, dtype=torch.bool),
    ):
        with pytest.raises(UsageError, match="6 images need as many whole numbers"):
            FID(features="shipped").update(images, real=True, labels=labels)
    with pytest.raises(UsageError, match="needs the class of each image"):
        Metric("intra-fid", features="shipped").update(images, real=True)
    metric = FID(features="shipped")
    metric.update(images, real=True)
    with pytest.raises(UsageError, match="the images before had none"):
        metric.update(images, real=True, labels=torch.zeros(6, dtype=torch.int64))
    metric.update(images, real=False, labels=torch.zeros(6, dtype=torch.uint8))
    with pytest.raises(UsageError, match="the images before had labels"):
        metric.update(images, real=False)


def test_images_are_of_one_size(halves) -> None:
    metric = FID(features="random")
    metric.update(halves[0], real=True)
    with pytest.raises(UsageError, match="images are 1x16x16, but the real images so far are 1x32x32"):
        metric.update(halves[1][..., ::2, ::2], real=False)
    with pytest.raises(UsageError, match="images are 3x32x32"):
        metric.update(halves[1].expand(-1, 3, -1, -1), real=True)


def test_too_few_images_are_told(halves) -> None:
    metric = FID(features="shipped")
    metric.update(halves[0][:1], real=True)
    metric.update(halves[1], real=False)
    with pytest.raises(UsageError, match=r"'fid' cannot be computed: real images has 1 image\(s\)"):
        metric.compute()
    random = FDRandom()
    random.update(halves[0][:20], real=True)
    random.update(halves[1], real=False)
    with pytest.raises(UsageError, match="'fd_random' cannot be computed: cannot take 580 images each"):
        random.compute()
    few = InceptionScore(features="shipped")
    few.update(halves[0][:5])
    with pytest.raises(UsageError, match=r"is\.splits=10: can be at most 5 with 5 images to measure"):
        few.compute()
    copying = Metric("copying", features="shipped")
    copying.update(halves[0], real=True)
    copying.update(halves[1], real=False)
    with pytest.raises(UsageError, match=r"no held-out images yet: call update\(images, real=True, held_out=True\)"):
        copying.compute()
