"""Every measure where generated features lie on a device and real ones, from the cache, on the CPU: the same numbers.

The device is pretended (``pretended.py``), and refuses to mix its tensors with those of the CPU, as a GPU does.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from metric_helpers import image_set, normal
from pretended import DEVICE, Pretended, PretendedDevice

import zerosum.metrics
import zerosum.metrics.measures.two_sample
from zerosum.data.images import Images
from zerosum.latent.interpolate import slerp
from zerosum.metrics.features.base import Features
from zerosum.metrics.features.shipped import Shipped
from zerosum.metrics.features.stacked_classifier import load_digit_classifier
from zerosum.metrics.images import of_data
from zerosum.metrics.measure import Context, Number
from zerosum.metrics.measures.classification import Procedure
from zerosum.metrics.measures.modes import measure_modes
from zerosum.metrics.measures.ppl import perceptual_path_length
from zerosum.metrics.measures.precision_recall import precision_recall
from zerosum.metrics.measures.swd import sliced_wasserstein
from zerosum.metrics.measures.two_sample import kernel_test, neighbour_test
from zerosum.metrics.registry import measures
from zerosum.metrics.shared.bootstrap import bootstrap_mean
from zerosum.metrics.sides import Side, see

ELSEWHERE = {"ppl", "modes"}  # need latents, and stacked digits; see below
LONG = {"cas", "polygons"}  # seconds, not fractions of one


class OnDevice(Shipped):
    """The shipped classifier, whose features lie on the device."""

    def __call__(self, images: torch.Tensor) -> Features:
        vectors, logits = super().__call__(images)
        assert logits is not None
        return Features(vectors.to(DEVICE), logits.to(DEVICE))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer of what is drawn."""
    monkeypatch.setattr("zerosum.metrics.measures.polygons.FITTED", 2)
    monkeypatch.setitem(zerosum.metrics.measures.two_sample._LBFGS, "maxiter", 8)
    monkeypatch.setattr(Procedure.__init__, "__defaults__", (1, 128, "cpu"))
    for function, drawn in (
        (bootstrap_mean, {"resamples": 10}),
        (sliced_wasserstein, {"patches": 8, "repeats": 1, "directions": 16}),
        (neighbour_test, {"permutations": 20}),
        (kernel_test, {"permutations": 20}),
    ):
        for argument, number in drawn.items():
            monkeypatch.setitem(function.__kwdefaults__, argument, number)  # type: ignore[attr-defined]


def sets(clothes: Images, name: str) -> tuple[Images, Images, Images]:
    """Real images, those to be scored, and held-out ones, of three classes."""
    few = name in ("cas", "swd", "polygons")
    spans = [(0, 6), (60, 66), (90, 94)] if few else [(0, 40), (60, 100), (100, 120)]
    chosen = [np.concatenate([c * 120 + np.arange(*span) for c in range(3)]) for span in spans]
    real, fake, held_out = (clothes.subset(some, "clothes") for some in chosen)
    return real, fake, held_out


def run(name: str, images: tuple[Images, Images, Images], extractor: Any, device: torch.device | str) -> list[Number]:
    measure = measures()[name]
    real, fake, held_out = map(of_data, images)
    cached = Shipped() if measure.sees else None
    sides = [Side(real, cached, measure.reads), Side(held_out, cached, measure.reads)]
    if measure.looks_again:
        fake = of_data(images[1], 60)
    scored = Side(fake, extractor if measure.sees else None, measure.reads)
    if measure.reads and isinstance(extractor, OnDevice):
        seen = see(fake, extractor, reads=measure.reads, cached=False)  # as generated images are
        assert all(isinstance(kept, Pretended) for kept in (seen.vectors, seen.logits) if kept is not None)
        scored = Side(fake, extractor, measure.reads, seen=seen)
    return measure.run(sides[0], scored, Context(seed=2, device=str(device), held_out=sides[1]))


@pytest.mark.filterwarnings("ignore:Fréchet distance from", "ignore:.*CUDA is not available")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in sorted(set(measures()) - ELSEWHERE)],
)
@pytest.mark.parametrize("where", [DEVICE, torch.device("cpu")], ids=str)
def test_every_measure_has_the_number_of_the_cpu(clothes: Images, name: str, where: torch.device) -> None:
    if where.type == "cpu" and not measures()[name].sees:
        return  # nothing lies on the device
    images = sets(clothes, name)
    usual = run(name, images, Shipped(), "cpu")
    with PretendedDevice():
        found = run(name, images, OnDevice(), where)
    for a, b in zip(usual, found, strict=True):
        digits = 1e-5 if name == "fid-infinity" else 1e-6  # it extrapolates, which magnifies the last ones
        assert b.value == pytest.approx(a.value, rel=digits)
        assert b.details == pytest.approx(a.details, rel=digits)


@pytest.fixture
def device() -> Iterator[None]:
    with PretendedDevice():
        yield


@pytest.mark.usefixtures("device")
def test_a_tensor_that_is_left_on_the_cpu_is_found() -> None:
    there, here = normal(5, 3).to(DEVICE), normal(5, 3)
    for mixed in (
        lambda: there + here,
        lambda: torch.cat([there, here]),
        lambda: here[torch.tensor([0]).to(DEVICE)],
        lambda: there[:, :2].copy_(here[:, :2]).mm(here[:2]),
        lambda: torch.mm(there, here.T),
        lambda: here.add_(there[0, 0]),
        lambda: torch.randperm(3, device=DEVICE, generator=torch.Generator()),
        lambda: there.numpy(),
    ):
        with pytest.raises(RuntimeError, match=r"same device|device type for generator|numpy"):
            mixed()
    assert there[torch.tensor([1])].device == (there * torch.tensor(2.0)).device == DEVICE
    assert torch.equal((there @ there.T).cpu(), there.cpu() @ there.cpu().T)
    with pytest.raises(ValueError, match="move them to one device"):
        precision_recall(here, there)


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("name", ["kid", "labels", "intra-fid"])
def test_a_loop_on_the_device_has_the_number_of_the_cpu(clothes: Images, name: str) -> None:
    found = []
    for extractor, device in ((Shipped(), "cpu"), (OnDevice(), DEVICE)):
        metric = zerosum.metrics.Metric(name, features=extractor, device=device, classes=clothes.classes)
        for images, real in zip(sets(clothes, name)[:2], (True, False), strict=True):
            pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2)
            labels = None if images.labels is None else torch.from_numpy(images.labels)
            metric.update(pixels, real=real, labels=labels)
        found.append(next(iter(metric.scores().values())).value)
    assert found[1] == pytest.approx(found[0], rel=1e-6)


@pytest.mark.usefixtures("device")
def test_modes_of_stacked_digits_and_of_points_on_the_device() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8)
    real = Images.of(pixels, np.arange(30), name="stacks", classes=[f"{i:03d}" for i in range(1000)])
    sides = Side(of_data(real)), Side(image_set(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    usual, found = (measures()["modes"].run(*sides, Context(device=str(where))) for where in ("cpu", DEVICE))
    assert usual == found
    load_digit_classifier.cache_clear()  # nobody else gets that of the device
    points, modes = normal(50, 2), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert measure_modes([points.to(DEVICE)], modes.to(DEVICE), 0.5) == measure_modes([points], modes, 0.5)


@pytest.mark.usefixtures("device")
def test_path_lengths_on_the_device() -> None:
    weights = normal(4, 12, seed=1)

    def length(device: torch.device | str) -> float:
        there = weights.to(device)
        return perceptual_path_length(
            lambda z: (z @ there).tanh().view(-1, 3, 2, 2),
            lambda n, rng: torch.randn(n, 4, generator=rng),
            lambda a, b: (a - b).square().sum(dim=(1, 2, 3)),
            path=slerp,
            seed=0,
            pairs=40,
            device=device,
        ).mean

    assert length(DEVICE) == pytest.approx(length("cpu"), rel=1e-6)
