"""No score depends on the order of the images, whether scored, real or held out: five orders, every measure.

Features of an image differ by rounding where it comes at another place of a batch, so scores are held to 1e-5 of their
value; what only counts, and what reads pixels, is the same to the last bit.
"""

import numpy as np
import pytest
import torch

import zerosum.metrics
from zerosum.data.images import Images
from zerosum.metrics.features.shipped import Shipped
from zerosum.metrics.images import of_data
from zerosum.metrics.measure import Context, Number
from zerosum.metrics.measures.classification import Procedure
from zerosum.metrics.measures.inception_score import inception_score
from zerosum.metrics.measures.swd import sliced_wasserstein
from zerosum.metrics.measures.two_sample import kernel_test, neighbour_test
from zerosum.metrics.registry import measures
from zerosum.metrics.shared.bootstrap import bootstrap_mean
from zerosum.metrics.sides import Side

HALVED = {"classes", "fd_fashion", "fd_random"}  # the reference is one half of the real images: 90
ELSEWHERE = {"ppl", "modes"}  # looks at no images; counts points or stacked digits, see below
LONG = {"cas", "polygons"}  # seconds, not fractions of one
SLOW = {"cas", "swd"}
EXACT = {"pr", "dc", "labels", "ms-ssim", "cas", "polygons", "classes", "modes", "swd"}


@pytest.fixture(scope="module")
def sets(clothes: Images) -> tuple[Images, Images, Images]:
    """180 real images, 150 to be scored, 90 held out, of three classes, each set in the order of its classes."""
    chosen = [
        np.concatenate([c * 120 + np.arange(*span) for c in range(3)]) for span in ((0, 60), (60, 110), (90, 120))
    ]
    real, fake, held_out = (clothes.subset(some, name) for some, name in zip(chosen, ("a", "b", "c"), strict=True))
    return real, fake, held_out


def orders(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(count)
    return [np.arange(count)[::-1], *(rng.permutation(count) for _ in range(4))]


def shuffled(images: Images, which: int) -> Images:
    return images if which < 0 else images.subset(orders(len(images.pixels))[which], images.name)


def run(name: str, sets: tuple[Images, Images, Images], which: int) -> list[Number]:
    measure = measures()[name]
    extractor = Shipped() if measure.sees else None
    real, fake, held_out = (shuffled(images, which) for images in sets)
    some = of_data(fake, 80 if name in HALVED else 24 if name in SLOW else None)
    known = of_data(real, some.count if "equal" in measure.needs or name in SLOW else None)
    sides = [Side(images, extractor, measure.reads) for images in (known, some, of_data(held_out))]
    return measure.run(sides[0], sides[1], Context(seed=3, held_out=sides[2]))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer of what is drawn."""
    monkeypatch.setattr("zerosum.metrics.measures.polygons.FITTED", 4)
    monkeypatch.setattr("zerosum.metrics.measures.kernel.SUBSET_SIZE", 50)
    monkeypatch.setattr(Procedure.__init__, "__defaults__", (2, 128, "cpu"))
    for function, drawn in (
        (bootstrap_mean, {"resamples": 10}),
        (sliced_wasserstein, {"patches": 8, "repeats": 1, "directions": 16}),
        (neighbour_test, {"permutations": 50}),
        (kernel_test, {"permutations": 50}),
    ):
        for argument, number in drawn.items():
            monkeypatch.setitem(function.__kwdefaults__, argument, number)  # type: ignore[attr-defined]


def check(name: str, sets: tuple[Images, Images, Images]) -> None:
    usual = run(name, sets, -1)
    for which in range(5):
        for a, b in zip(usual, run(name, sets, which), strict=True):
            if name in EXACT:
                assert (a.value, a.details) == (b.value, b.details), which
            else:
                assert b.value == pytest.approx(a.value, rel=1e-5, abs=1e-7), which
                assert b.details == pytest.approx(a.details, rel=1e-4, abs=1e-6), which


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in sorted(set(measures()) - ELSEWHERE)],
)
def test_five_orders_have_one_score(sets: tuple[Images, Images, Images], name: str) -> None:
    check(name, sets)


def test_five_orders_of_stacked_digits_have_the_same_modes() -> None:
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (60, 32, 32, 3), np.uint8), rng.integers(1000, size=60)
    stacks = Images.of(pixels, labels, name="stacks", classes=[f"{i:03d}" for i in range(1000)])
    check("modes", (stacks, stacks.subset(np.arange(30), "fakes"), stacks))


@pytest.mark.parametrize("name", ["kid", "is"])
def test_another_seed_draws_other_images(sets: tuple[Images, Images, Images], name: str) -> None:
    sides = [Side(of_data(images), Shipped(), measures()[name].reads) for images in sets[:2]]
    sides[0] = Side(of_data(sets[0], 100), Shipped(), measures()[name].reads)  # fewer than the others: subsets differ
    found = {measures()[name].run(sides[0], sides[1], Context(seed=seed))[0].value for seed in range(3)}
    assert len(found) == 3


def test_classes_in_a_row_do_not_spoil_what_is_drawn(clothes: Images) -> None:
    # By hand, from the classifier's verdicts: in the order of classes each of ten splits would be one class, and score
    # near 1; splits that are drawn score about what all images together do.
    side = Side(of_data(clothes), Shipped(), frozenset({"logits"}))
    (found,) = measures()["is"].run(side, side, Context())
    logits = side.logits.double()
    sorted_by_class = np.mean([inception_score(part, splits=1).mean for part in logits.chunk(10)])
    assert sorted_by_class < 2.5
    assert found.value == pytest.approx(inception_score(logits, splits=1).mean, rel=0.05)
    (test,) = (number for number in measures()["tests"].run(*halves(clothes), Context()) if number.name == "mmd2")
    assert test.details["p"] > 0.01  # two parts of one set


def halves(clothes: Images) -> tuple[Side, Side]:
    chosen = np.arange(0, 1200, 2)
    parts = clothes.subset(chosen, "a"), clothes.subset(chosen + 1, "b")
    first, second = (Side(of_data(part), Shipped(), frozenset({"vectors"})) for part in parts)
    return first, second


def test_batches_of_a_loop_in_any_order_have_one_score(sets: tuple[Images, Images, Images]) -> None:
    real, fake = (torch.from_numpy(images.pixels).permute(0, 3, 1, 2) for images in sets[:2])
    values = []
    for which in range(-1, 5):
        metric = zerosum.metrics.KID(features="shipped", seed=1)
        for images, is_real in ((real, True), (fake, False)):
            order = np.arange(len(images)) if which < 0 else orders(len(images))[which].copy()
            for batch in images[torch.from_numpy(order)].split(64):
                metric.update(batch, real=is_real)
        values.append(metric.compute().value)
    assert values == pytest.approx([values[0]] * 6, rel=1e-5)
