"""The accuracy score where the right answer is known: separable classes, swapped labels, missing classes."""

from dataclasses import replace

import pytest
import torch

from zerosum.metrics.measures import classification as module
from zerosum.metrics.measures.classification import Procedure, accuracy_after, classification_accuracy_score

Labelled = tuple[torch.Tensor, torch.Tensor]
USUAL = Procedure(classes=3, seed=0)
QUICK = replace(USUAL, epochs=3, batch=32)
SHORT = replace(QUICK, epochs=2)


def bars(n: int, seed: int, *, size: int = 12, channels: int = 1, classes: int = 3) -> Labelled:
    """A bright band whose height in the image is the class, in noise."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=rng)
    images = torch.randint(0, 90, (n, channels, size, size), generator=rng)
    band = torch.arange(size) * classes // size == labels[:, None]
    return (images + 120 * band[:, None, :, None]).byte(), labels


def noise(n: int, seed: int) -> Labelled:
    images, _ = bars(n, seed)
    return images[torch.randperm(n, generator=torch.Generator().manual_seed(seed))], bars(n, seed + 1)[1]


@pytest.mark.parametrize(("size", "channels"), [(12, 3), (28, 1)])
def test_separable_classes_are_learnt(size: int, channels: int) -> None:
    train, test = (bars(n, s, size=size, channels=channels) for n, s in ((160, 0), (100, 1)))
    found = accuracy_after(train, test, QUICK)
    assert found.overall > 0.97
    assert (found.trained_on, found.tested_on, found.epochs) == (160, 100, 3)
    assert (found.size, found.scaled) == (size, False)


def test_swapped_labels_are_learnt_as_they_are() -> None:
    # Trained to call 0 what is 1 and the other way round, the classifier is right on class 2 alone.
    images, labels = bars(200, 0)
    swapped = torch.tensor([1, 0, 2])[labels]
    test = bars(200, 1)
    found = accuracy_after((images, swapped), test, QUICK)
    assert found.classes == pytest.approx((0.0, 0.0, 1.0), abs=0.05)
    assert found.overall == pytest.approx(float((test[1] == 2).double().mean()), abs=0.05)


def test_a_dropped_class_is_lost_and_no_other() -> None:
    images, labels = bars(250, 0)
    kept = labels != 1
    found = classification_accuracy_score((images[kept], labels[kept]), bars(300, 3), bars(200, 1), QUICK)
    assert found.generated.classes == pytest.approx((1.0, 0.0, 1.0), abs=0.05)
    assert found.real.overall > 0.97
    assert found.gap == pytest.approx(1 / 3, abs=0.1)
    assert found.generated.trained_on == found.real.trained_on == int(kept.sum())


def test_each_epoch_has_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = bars(10, 0)
    images[:, 0, 0, 0] = torch.arange(10)  # the number of each image in its corner
    seen: list[int] = []

    def watched(some: torch.Tensor, device: str) -> torch.Tensor:
        seen.extend(some[:, 0, 0, 0].tolist())
        return prepare(some, device)

    prepare = module._prepare
    monkeypatch.setattr(module, "_prepare", watched)
    accuracy_after((images, labels), bars(1, 1), replace(USUAL, epochs=3, batch=5))
    orders = [seen[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({*map(tuple, orders), tuple(range(10))}) == 4


def test_labels_that_say_nothing_teach_nothing() -> None:
    found = accuracy_after(noise(300, 0), bars(300, 5), SHORT)
    assert found.overall < 0.6


def test_a_sorted_set_is_not_cut_to_its_first_classes() -> None:
    images, labels = bars(500, 0)
    order = labels.argsort(stable=True)
    found = classification_accuracy_score(bars(160, 2), (images[order], labels[order]), bars(200, 1), QUICK)
    assert min(share for share in found.real.classes if share is not None) > 0.9


def test_the_same_seed_gives_the_same_number_and_leaves_the_global_one_alone() -> None:
    train, test = noise(120, 0), bars(90, 1)
    state = torch.get_rng_state()
    once = Procedure(classes=4, seed=0, epochs=1, batch=32)
    runs = [accuracy_after(train, test, replace(once, seed=seed)) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
    # In one batch of all images their order is nothing: the initial weights follow the seed, too.
    single = [accuracy_after(train, test, replace(once, seed=seed, batch=120)) for seed in (0, 0, 1)]
    assert single[0] == single[1] != single[2]
    assert torch.equal(torch.get_rng_state(), state)
    assert runs[0].classes[3] is None  # no test image of that class


def test_large_images_are_scaled_down_and_the_result_says_so() -> None:
    train, test = (bars(n, s, size=48) for n, s in ((160, 0), (60, 1)))
    found = accuracy_after(train, test, SHORT)
    assert (found.size, found.scaled) == (32, True)
    assert found.overall > 0.9


def test_progress_counts_both_trainings() -> None:
    told: list[tuple[int, int]] = []
    classification_accuracy_score(
        bars(40, 0), bars(40, 1), bars(20, 2), replace(USUAL, epochs=2), lambda *counts: told.append(counts)
    )
    assert told == [(40, 160), (80, 160), (120, 160), (160, 160)]


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ((bars(9, 0)[0], None), bars(9, 0), "the training images have no labels"),
        (bars(9, 0), (bars(9, 0)[0], None), "the test images have no labels"),
        ((bars(9, 0)[0], torch.zeros(8, dtype=torch.int64)), bars(9, 0), "as many whole labels"),
        ((bars(9, 0)[0], torch.full((9,), 3)), bars(9, 0), "0 .. 2, not 3 .. 3"),
        ((bars(9, 0)[0].float(), bars(9, 0)[1]), bars(9, 0), "uint8"),
        (bars(9, 0), bars(9, 0, channels=3), "training images are"),
        (bars(1, 0), bars(9, 0), "2 images to train on"),
        (bars(9, 0), bars(0, 0), "1 to test"),
    ],
)
def test_what_is_refused(train: Labelled, test: Labelled, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        accuracy_after(train, test, USUAL)
    with pytest.raises(ValueError, match="must be at least 2"):
        replace(USUAL, classes=1)


def test_generated_images_without_labels() -> None:
    with pytest.raises(ValueError, match="the generated images have no labels: this score needs a generator of given"):
        classification_accuracy_score((bars(9, 0)[0], None), bars(9, 0), bars(9, 0), USUAL)
