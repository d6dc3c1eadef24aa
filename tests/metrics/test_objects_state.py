"""What measures in a loop keep: parts that are merged, what is forgotten, moved, copied or changed afterwards."""

import copy

import numpy as np
import pytest
import torch
from metric_helpers import Pooled, fill

from zerosum.errors import UsageError
from zerosum.metrics import FID, KID, Metric, PrecisionRecall
from zerosum.metrics.sides import Side

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


def test_parts_merge_to_the_whole(halves) -> None:
    real, fake, real_labels, fake_labels = halves
    for name in ("fid", "pr", "is", "intra-fid", "fd_random"):
        extra = {} if name in ("fd_random", "ms-ssim") else {"features": "shipped"}
        whole = fill(Metric(name, **extra), halves, (100, 100), 300).scores()
        parts = [Metric(name, **extra) for _ in range(3)]
        for part, x, y in zip(parts, real.split(250), real_labels.split(250), strict=True):
            part.update(x, real=True, labels=y)
        for part, x, y in zip(parts, fake[:300].split(130), fake_labels[:300].split(130), strict=True):
            part.update(x, real=False, labels=y)
        before = repr(parts[1])
        first = parts[0]
        assert first.merge_state(parts[1:]) is first
        assert repr(parts[1]) == before
        for key, score in whole.items():
            assert first.scores()[key].value == pytest.approx(score.value, rel=1e-6)
        empty = Metric(name, **extra).merge(first)
        for key, score in whole.items():
            assert empty.scores()[key].value == pytest.approx(score.value, rel=1e-6)
        first.update(fake[300:310], real=False, labels=fake_labels[300:310])
        assert "310 generated" in repr(first)


def test_what_does_not_belong_together_is_not_merged(halves) -> None:
    a = FID(features="shipped")
    a.update(halves[0], real=True)
    b = FID(features="random")
    b.update(halves[0], real=True)
    c = FID(features=Pooled())
    c.update(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), real=True)
    with pytest.raises(UsageError, match="features of 'random' into features of 'shipped'"):
        a.merge(b)
    with pytest.raises(UsageError, match="cannot merge 'kid' into 'fid'"):
        a.merge(KID(features="shipped"))
    with pytest.raises(UsageError, match="cannot merge 'int' into 'fid'"):
        a.merge(3)
    other = FID(features=Pooled())
    other.update(halves[0], real=True)
    with pytest.raises(UsageError, match="cannot merge"):
        other.merge(c)


def test_reset_forgets_all_or_all_but_the_real_ones(halves) -> None:
    metric = fill(FID(features="shipped"), halves, (100, 100))
    first = metric.compute()
    metric.reset(keep_real=True)
    with pytest.raises(UsageError, match=r"no generated images yet: call update\(images, real=False\)"):
        metric.compute()
    metric.update(halves[1], real=False, labels=halves[3])
    assert metric.compute() == first
    metric.reset()
    with pytest.raises(UsageError, match="no real images yet"):
        metric.compute()
    assert "no images yet" in repr(metric)
    metric.update(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), real=True)  # another size is right again


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_callers_modes_change_nothing(halves, precision: torch.dtype) -> None:
    wanted = fill(PrecisionRecall(features="shipped"), halves, (100, 100)).compute()
    metric = PrecisionRecall(features="shipped")
    with torch.inference_mode(), torch.autocast("cpu", precision, enabled=precision is torch.bfloat16):
        metric.update(halves[0].clone(), real=True, labels=halves[2])
    metric.update(halves[1], real=False, labels=halves[3])
    with torch.inference_mode():
        assert dict(metric.compute()) == dict(wanted)


def test_images_that_change_afterwards_change_nothing(halves) -> None:
    wanted = fill(FID(features="shipped"), halves, (100, 100)).compute()
    metric = FID(features="shipped")
    for part in (*halves[0].split(90),):
        buffer, labels = part.clone(), torch.zeros(len(part), dtype=torch.int64)
        metric.update(buffer, real=True, labels=labels)
        buffer.zero_()
        labels.fill_(-1)
    metric.update(halves[1], real=False)
    assert metric.compute().value == wanted.value


def test_it_can_be_moved_and_copied(halves) -> None:
    wanted = fill(Metric("dc", features="shipped"), halves, (100, 100)).compute()
    metric = Metric("dc", features="shipped")
    metric.update(halves[0][:300], real=True)
    assert metric.to("cpu") is metric
    other = copy.deepcopy(metric)
    metric.update(halves[0][300:], real=True)
    metric.update(halves[1], real=False)
    assert metric.device == torch.device("cpu")
    assert metric.compute()["coverage"].value == wanted["coverage"].value
    assert "300 real" in repr(other)


def test_a_side_that_is_known_is_not_looked_at_again(halves) -> None:
    metric = fill(FID(features="shipped"), halves, (100, 100))
    gathered = metric._sides["real images"].gathered(metric._extractor)
    side = gathered.side("x", "real", (), metric._extractor)
    assert isinstance(side, Side)
    assert side.moments.n == 620
    with pytest.raises(AssertionError, match="did not name"):
        side.images.pixels()
    assert np.isfinite(side.moments.mean.numpy()).all()


def test_scores_may_be_asked_for_on_the_way(halves) -> None:
    metric, whole = FID(features="shipped"), fill(FID(features="shipped"), halves, (620, 580))
    for start in range(0, 620, 124):
        metric.update(halves[0][start : start + 124], real=True)
        metric.update(halves[1][start : start + 124], real=False)
        metric.compute()
    assert metric.compute().value == pytest.approx(whole.compute().value, rel=1e-6)


def test_memory_of_a_distance_does_not_grow(halves) -> None:
    metric = FID(features="shipped")

    def held() -> int:
        kept = [
            v for side in metric._sides.values() for part in vars(side).values() if isinstance(part, list) for v in part
        ]
        return sum(tensor.numel() * tensor.element_size() for tensor in kept)

    sizes = []
    for _ in range(3):
        fill(metric, (halves[0], halves[1], halves[2], halves[3]), (50, 50))
        sizes.append(held())
    labels = 8 * 1200  # a whole number for each image is all that is kept besides images that wait
    assert sizes[2] - sizes[1] <= labels + 2 * 250 * 1024
