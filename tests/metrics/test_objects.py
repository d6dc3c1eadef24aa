"""Measures in a loop of one's own: the numbers of `evaluate`, whatever the batches; torchmetrics; refusals."""

import copy
import hashlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from metric_helpers import frechet_by_scipy
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

import zerosum.metrics
from zerosum.data.images import Images
from zerosum.errors import UsageError
from zerosum.metrics import FID, KID, FDRandom, InceptionScore, Metric, PrecisionRecall, Score, Scores
from zerosum.metrics.features.inception import PUBLISHED, InceptionV3
from zerosum.metrics.features.weights import PublishedWeights
from zerosum.metrics.images import ImageSet
from zerosum.metrics.measure import Context
from zerosum.metrics.registry import choose, measures
from zerosum.metrics.sides import Side
from zerosum.metrics.suite import Judge

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick

NAMED = sorted(
    (value for name in zerosum.metrics.__all__ if isinstance(value := getattr(zerosum.metrics, name), type)),
    key=lambda kind: kind.__name__,
)
NAMED = [kind for kind in NAMED if issubclass(kind, Metric) and kind is not Metric]


@pytest.fixture(scope="module")
def halves(clothes: Images) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Real and other real images, and their labels, in mixed order."""
    order = torch.randperm(1200, generator=torch.Generator().manual_seed(0))
    pixels = torch.from_numpy(clothes.pixels).permute(0, 3, 1, 2)[order]
    labels = torch.from_numpy(clothes.labels)[order]
    return pixels[:620], pixels[620:], labels[:620], labels[620:]


class Pooled(nn.Module):
    """Means over a grid of 4x4: of [-1, 1] as ours gets it, of 0..255 as torchmetrics' gets it."""

    num_features = 16

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(x.double() * self.scale + self.offset, 4)
        return pooled.mean(1).flatten(1)


def as_set(pixels: Tensor, kind: str, labels: Tensor | None = None) -> ImageSet:
    content = hashlib.sha256(pixels.numpy().tobytes()).hexdigest()
    return ImageSet(
        kind,
        kind,
        content,
        tuple(pixels.shape[1:]),
        len(pixels),
        lambda start, n: pixels[start : start + n],
        labels,
        tuple("0123456789"),
        pick=lambda which: pixels[which],
    )


def fill(metric: Metric, halves: tuple[Tensor, ...], sizes: tuple[int, int], fakes: int | None = None) -> Metric:
    real, fake, real_labels, fake_labels = halves
    for x, y in zip(real.split(sizes[0]), real_labels.split(sizes[0]), strict=True):
        metric.update(x, real=True, labels=y)
    cut = fake[:fakes], fake_labels[:fakes]
    for x, y in zip(*(part.split(sizes[1]) for part in cut), strict=True):
        metric.update(x, real=False, labels=y)
    return metric


EVERY = [
    name
    for name in measures()
    # Latents, triangles, stacked digits; slow; downloads.
    if name not in ("ppl", "polygons", "modes", "cas", "sfid", "fd_dinov2", "cmmd")
]


@pytest.mark.parametrize("name", EVERY)
def test_the_numbers_are_those_of_evaluate(halves, name: str) -> None:
    measure = choose([name])[name]
    chosen = measure.sees and measure.features is None
    halved = name in ("fd_random", "fd_fashion", "classes")
    fakes = {"prd": 580, "swd": 30}.get(name, 300 if halved else 580)
    real, fake, real_labels, fake_labels = halves
    if name in ("prd", "swd"):  # as many of both
        halves = (real[:fakes], fake, real_labels[:fakes], fake_labels)
    sets = as_set(halves[0], "real", halves[2]), as_set(fake[:fakes], "generated", fake_labels[:fakes])
    held_out = as_set(real.flip(3)[:200], "real")
    extra = {"features": "shipped"} if chosen else {}
    metric = fill(Metric(name, seed=3, classes=tuple("0123456789"), **extra), halves, (37, 101), fakes)
    judge = Judge((measure,), sets[0], "shipped", Context(seed=3))
    if "held-out" in measure.needs:
        judge = judge.with_held_out(held_out)
        metric.update(real.flip(3)[:200], real=True, held_out=True)
    wanted = list(judge.scores(lambda count: sets[1], 3, count=fakes))
    found = metric.scores()
    assert list(found) == [score.name for score in wanted]
    apart = {"sample", "reference", "held_out"}
    apart |= {f"{name}_fingerprint" for name in apart}
    for score in wanted:
        assert found[score.name].value == score.value
        assert found[score.name].details == score.details
        ours, theirs = ({k: v for k, v in one.protocol.items() if k not in apart} for one in (found[score.name], score))
        assert ours == theirs


@pytest.mark.parametrize("name", ["fid", "kid", "pr", "is", "intra-fid", "fd_random", "ms-ssim"])
def test_batches_change_nothing(halves, name: str) -> None:
    extra = {} if name in ("fd_random", "ms-ssim") else {"features": "shipped"}
    found = [
        fill(Metric(name, **extra), halves, sizes, 300).scores()
        for sizes in ((620, 580), (1, 7), (250, 33), (251, 299))
    ]
    for other in found[1:]:
        assert dict(other) == dict(found[0])


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


def test_it_equals_torchmetrics_on_features_of_ones_own(halves) -> None:
    real, fake = halves[:2]
    peer = FrechetInceptionDistance(feature=Pooled(), input_img_size=(3, 32, 32))
    peer.set_dtype(torch.float64)
    # Theirs sees 0..255 and ours [-1, 1]: this module brings ours back.
    ours = FID(features=Pooled(127.5, 127.5))
    for x, y in zip(real.split(100), fake.split(100), strict=False):
        for images, is_real in ((x, True), (y, False)):
            peer.update(images, real=is_real)
            ours.update(images, real=is_real)
    found = ours.compute()
    assert found.name == "fd_Pooled"
    assert found.value == pytest.approx(float(peer.compute()), rel=1e-6)
    by_hand = [Pooled()(images).numpy() for images in (real[:600], fake)]
    assert found.value == pytest.approx(frechet_by_scipy(*by_hand), rel=1e-6)


def test_kid_equals_torchmetrics_where_all_are_one_subset(halves) -> None:
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = KernelInceptionDistance(feature=Pooled(1 / 127.5, -1), subsets=1, subset_size=580)
    ours = KID(features=Pooled())
    for metric in (peer, ours):
        metric.update(halves[0][:580], real=True)
        metric.update(halves[1], real=False)
    # Features are kept in float32 here and in float64 there.
    assert ours.compute().value == pytest.approx(float(peer.compute()[0]), rel=1e-4)


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


@pytest.mark.parametrize("kind", NAMED)
def test_each_name_stands_for_its_measure_and_says_where_it_is_from(kind: type[Metric]) -> None:
    metric = kind()
    assert metric._measure.name == kind.named
    assert len(kind.__doc__) > 60
    several = len(metric._measure.directions) > 1
    assert kind.compute.__annotations__["return"] == ("Scores" if several else "Score")


def test_what_is_computed_is_a_score_or_scores_by_plain_names(halves) -> None:
    found = fill(PrecisionRecall(features="shipped"), halves, (100, 100)).compute()
    assert isinstance(found, Scores)
    assert found["precision"].name == "precision_shipped"
    assert 0 < found["recall"].value <= 1
    assert isinstance(fill(Metric("pr", features="shipped"), halves, (100, 100)).compute(), Scores)
    one = fill(Metric("kid", features="shipped"), halves, (100, 100)).compute()
    assert isinstance(one, Score)
    assert one.protocol["subset_size"] == 580
    assert one.protocol["seed"] == 0


def test_an_inception_score_looks_at_generated_images_only(halves) -> None:
    both = fill(InceptionScore(features="shipped"), halves, (100, 100)).compute()
    alone = InceptionScore(features="shipped")
    alone.update(halves[1])
    assert alone.compute().value == both.value > 5
    assert alone.compute().name == "is_shipped"


def test_the_reference_is_known_by_its_content_in_order(halves) -> None:
    def print_of(real: Tensor, size: int) -> str:
        metric = FID(features="shipped")
        for part in real.split(size):
            metric.update(part, real=True)
        metric.update(halves[1], real=False)
        return str(metric.compute().protocol["reference_fingerprint"])

    real = halves[0]
    assert print_of(real, 31) == print_of(real, 620)
    changed = real.clone()
    changed[5, 0, 3, 3] += 1
    assert len({print_of(x, 100) for x in (real, changed, real.flip(0), real[1:])}) == 4


def test_features_of_ones_own_are_left_alone_and_known_by_what_they_are(halves) -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(1024, 8), nn.BatchNorm1d(8), nn.Dropout())
    before = copy.deepcopy(critic.state_dict())
    metric = fill(FID(features=critic), halves, (100, 100))
    found = metric.compute()
    assert critic.training
    assert all(parameter.requires_grad for parameter in critic.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in critic.state_dict().items())
    assert found.name == "fd_Sequential"
    with torch.no_grad():
        critic[1].weight += 1
    assert (
        fill(FID(features=critic), halves, (100, 100)).compute().protocol["features_hash"]
        != (found.protocol["features_hash"])
    )
    first, second = (fill(FID(features=f), halves, (100, 100)).compute() for f in (mean_of_rows, mean_of_columns))
    assert (first.name, second.name) == ("fd_mean_of_rows", "fd_mean_of_columns")
    assert first.protocol["features_hash"] != second.protocol["features_hash"]


def mean_of_rows(x: Tensor) -> Tensor:
    assert x.dtype == torch.float32
    assert -1 <= float(x.min()) < -0.9
    return x.mean(dim=(1, 2))


def mean_of_columns(x: Tensor) -> Tensor:
    return x.mean(dim=(1, 3))


def inception(x: Tensor) -> Tensor:
    return x.mean(dim=(1, 3))


def test_published_names_are_not_borrowed(halves) -> None:
    assert fill(FID(features=inception), halves, (100, 100)).compute().name == "fd_own-inception"


def test_inception_of_random_weights_gives_an_fid(halves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = InceptionV3()
    path = tmp_path / PUBLISHED.name
    torch.save(network.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = PublishedWeights(PUBLISHED.url, digest)
    monkeypatch.setattr("zerosum.metrics.features.inception.Inception.weights", known)
    monkeypatch.setenv("ZEROSUM_WEIGHTS", str(tmp_path))
    real, fake = halves[0][:4], halves[1][:4]
    # As in the design, line by line.
    fid = zerosum.metrics.FID(features="inception")
    fid.update(real, real=True)
    fid.update(fake, real=False)
    score = fid.compute()
    assert score.name == "fid"
    assert score.protocol["features"] == "inception"
    from zerosum.metrics.features.inception import Inception

    extractor = Inception(network)
    x, y = (extractor(images).vectors.double() for images in (real, fake))
    centred = [(features - features.mean(0)) / 3**0.5 for features in (x, y)]
    overlap = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()  # of rank 3: no matrix of 2048 is needed
    spread = sum(features.square().sum() for features in centred)
    by_hand = (x.mean(0) - y.mean(0)).square().sum() + spread - 2 * overlap
    assert score.value == pytest.approx(float(by_hand), rel=1e-6)


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


def test_all_of_them_are_listed_and_nothing_heavy_is_imported() -> None:
    listed = dir(zerosum.metrics)
    assert {"FID", "KID", "PrecisionRecall", "DensityCoverage", "InceptionScore", "Metric", "Scores"} <= set(listed)
    assert all(hasattr(zerosum.metrics, name) for name in zerosum.metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'FIDD'"):
        zerosum.metrics.FIDD  # noqa: B018
    code = "import sys, zerosum.metrics; dir(zerosum.metrics); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_side_that_is_known_is_not_looked_at_again(halves) -> None:
    metric = fill(FID(features="shipped"), halves, (100, 100))
    gathered = metric._sides["real images"].gathered(metric._extractor)
    side = gathered.side("x", "real", (), metric._extractor)
    assert isinstance(side, Side)
    assert side.moments.n == 620
    with pytest.raises(AssertionError, match="did not name"):
        side.images.pixels()
    assert np.isfinite(side.moments.mean.numpy()).all()
