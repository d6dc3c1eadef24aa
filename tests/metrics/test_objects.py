"""Measures in a loop of one's own: the numbers of `evaluate`, whatever the batches; torchmetrics; features; names."""

import copy
import hashlib
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from metric_helpers import Pooled, fill, frechet_by_scipy
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

import zerosum.metrics
from zerosum.metrics import FID, KID, InceptionScore, Metric, PrecisionRecall, Score, Scores
from zerosum.metrics.features.inception import PUBLISHED, InceptionV3
from zerosum.metrics.features.weights import PublishedWeights
from zerosum.metrics.images import ImageSet
from zerosum.metrics.measure import Context
from zerosum.metrics.registry import choose, measures
from zerosum.metrics.suite import Judge

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


NAMED = sorted(
    (value for name in zerosum.metrics.__all__ if isinstance(value := getattr(zerosum.metrics, name), type)),
    key=lambda kind: kind.__name__,
)
NAMED = [kind for kind in NAMED if issubclass(kind, Metric) and kind is not Metric]


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


def test_all_of_them_are_listed_and_nothing_heavy_is_imported() -> None:
    listed = dir(zerosum.metrics)
    assert {"FID", "KID", "PrecisionRecall", "DensityCoverage", "InceptionScore", "Metric", "Scores"} <= set(listed)
    assert all(hasattr(zerosum.metrics, name) for name in zerosum.metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'FIDD'"):
        zerosum.metrics.FIDD  # noqa: B018
    code = "import sys, zerosum.metrics; dir(zerosum.metrics); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
