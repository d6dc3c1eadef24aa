"""Classes are paired by name, in every measure that pairs them, or refused with both lists."""

import numpy as np
import pytest
import torch
from metric_helpers import image_set

import zerosum as zs
from zerosum.data.images import Images
from zerosum.errors import UsageError
from zerosum.metrics.features.shipped import Shipped
from zerosum.metrics.images import ImageSet, of_data
from zerosum.metrics.measure import Context, Number
from zerosum.metrics.measures.label_accuracy import label_accuracy
from zerosum.metrics.registry import measures
from zerosum.metrics.shared.class_names import are_numbers, check_pairs, pair_names
from zerosum.metrics.sides import Side


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("a b c", "c a b", (1, 2, 0)),
        ("b", "a b", (1,)),  # a set may lack classes
        ("a b", "a", None),
        ("T-shirt_top Ankle-boot", "ankle_boot T-shirt/top", (1, 0)),
        ("CAT dog", "Dog Cat", (1, 0)),
        ("Cat cat", "cat Cat", (1, 0)),  # equal names first
        ("Cat CAT", "cat dog", None),  # which of the two is the cat?
        ("cat", "Cat CAT", None),
        ("cat CAT", "cat Cat", (0, 1)),
        ("a a", "a b", None),
        ("a", "a a", None),
        ("- _", "_ -", (1, 0)),
        ("-", "_", None),  # nothing is left of either
        ("1.0 10", "10 1.0", (1, 0)),
        ("1.0", "10", (0,)),
        ("Strasse", "Straße", (0,)),
        ("", "", ()),
    ],
)
def test_names_that_pair(ours: str, theirs: str, expected: tuple[int, ...] | None) -> None:
    assert pair_names(ours.split(), theirs.split()) == expected


def test_what_cannot_be_paired_is_shown_with_both_lists() -> None:
    with pytest.raises(UsageError) as caught:
        check_pairs(("cat", "dog"), "fakes", ("cat", "wolf"), "photos")
    assert str(caught.value) == (
        "labels: the classes of fakes (cat, dog) cannot be paired by name with those of photos (cat, wolf): give each "
        "class one name in both"
    )
    many = [f"n{i}" for i in range(1000)]
    with pytest.raises(UsageError, match=r"of b \(n0, n1, .* and 988 more\)"):
        check_pairs((*many[:500], "other", *many[500:]), "a", many, "b")
    with pytest.raises(UsageError, match=r"of a \(other, n0, .* and 989 more\)"):  # what is wrong comes first
        check_pairs((*many[:500], "other", *many[500:]), "a", many, "b")


def test_numbers_are_no_names() -> None:
    assert are_numbers(("0", "1", "2"))
    assert not are_numbers(("1", "0"))
    assert not are_numbers(("000", "001"))


def renamed(clothes: Images, seed: int = 0) -> Images:
    """The same images, their classes in another order and written in another way, as folders would have them."""
    order = np.random.default_rng(seed).permutation(10)
    names = [clothes.classes[place].upper().replace("/", "_").replace(" ", "-") for place in order]
    labels = np.argsort(order)[clothes.labels]
    return Images.of(clothes.pixels, labels, name="renamed", classes=names)


def halves(clothes: Images) -> tuple[Images, Images]:
    chosen = np.arange(len(clothes.pixels))
    return clothes.subset(chosen[::2], "first"), clothes.subset(chosen[1::2], "second")


def run(name: str, real: ImageSet, fake: ImageSet, held_out: ImageSet | None = None) -> list[Number]:
    measure = measures()[name]
    extractor = Shipped() if measure.sees else None
    sides = [Side(images, extractor, measure.reads) for images in (real, fake)]
    context = Context(held_out=None if held_out is None else Side(held_out))
    return measure.run(*sides, context)


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
@pytest.mark.parametrize("name", ["intra-fid", "labels", "classes", "ms-ssim"])
def test_names_decide_and_not_numbers(clothes: Images, name: str) -> None:
    real, fake = halves(clothes)
    count = 300 if name == "classes" else None  # it takes half of the real ones
    (usual, *_), (found, *_), (both, *_) = (
        run(name, of_data(a), of_data(b, count))
        for a, b in ((real, fake), (real, renamed(fake)), (renamed(real, 1), renamed(fake)))
    )
    assert found.value == pytest.approx(usual.value, rel=1e-9)
    assert both.value == pytest.approx(usual.value, rel=1e-9)
    plain = {key.casefold().replace("_", "/").replace("-", " ").replace("t shirt", "t-shirt") for key in both.details}
    assert plain == {key.casefold() for key in usual.details}
    for key in set(usual.details) & set(clothes.classes):
        assert found.details[key] == pytest.approx(usual.details[key], rel=1e-9)


def test_the_accuracy_of_a_classifier_pairs_all_three_sets(clothes: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []

    def keep(*sets: object) -> None:
        seen.extend(labels for _, labels in sets[:3])  # type: ignore[misc]
        raise KeyboardInterrupt

    monkeypatch.setattr("zerosum.metrics.measures.classification.classification_accuracy_score", keep)
    first, second = halves(clothes)
    for sets in ((first, second, first), (first, renamed(second), renamed(first, 1))):
        with pytest.raises(KeyboardInterrupt):
            run("cas", *map(of_data, sets))
    # The same images in the same order: all three kinds of labels are the same numbers.
    for usual, other in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(usual, other)


def test_classes_of_a_classifier_are_paired_with_those_of_its_clothes(clothes: Images) -> None:
    # 91.4% on held-out images, more on those that it was trained on: by hand, from its logits.
    images = of_data(clothes)
    logits = Shipped()(images.pixels()).logits
    assert logits is not None
    assert images.labels is not None
    expected = label_accuracy(logits, images.labels).overall
    shuffled = renamed(clothes)
    (found,) = run("labels", of_data(shuffled), of_data(shuffled))
    assert found.value == expected > 0.85
    assert found.details["real"] == expected
    dress = next(name for name in shuffled.classes if name == "DRESS")
    assert found.details[dress] == label_accuracy(logits, images.labels).by_class[clothes.classes.index("Dress")]


def test_numbers_are_those_of_the_classifier(clothes: Images) -> None:
    numbered = Images.of(clothes.pixels, clothes.labels, name="numbers", classes=tuple(map(str, range(10))))
    (found,), (usual,) = (run("labels", of_data(one), of_data(one)) for one in (numbered, clothes))
    assert found.value == usual.value


@pytest.mark.parametrize("name", ["intra-fid", "labels", "cas"])
def test_other_names_are_refused_before_anything_is_computed(clothes: Images, name: str) -> None:
    other = Images.of(clothes.pixels, clothes.labels, name="numbers", classes=tuple(map(str, range(10))))
    held_out = {"held_out": clothes} if name == "cas" else {}
    with pytest.raises(UsageError, match=r"numbers \(0, 1, .*\) cannot be paired .* clothes \(T-shirt/top, Trouser"):
        zs.evaluate(other, against=clothes, metrics=name, features="auto", **held_out)
    with pytest.raises(UsageError, match=r"numbers \(0, 1, .*\) cannot be paired .* clothes \(T-shirt/top, Trouser"):
        run(name, of_data(clothes), of_data(other), of_data(clothes))


def test_classes_that_a_side_lacks_are_named(clothes: Images) -> None:
    some = clothes.subset(np.flatnonzero(clothes.labels != 3), "some")
    with pytest.raises(ValueError, match=r"fewer than 2 generated samples: \['Dress'\]"):
        run("intra-fid", of_data(clothes), of_data(some))


def test_stacked_digits_are_the_modes_that_their_names_say() -> None:
    rng = np.random.default_rng(0)
    pixels, labels, order = (
        rng.integers(0, 256, (90, 32, 32, 3), np.uint8),
        rng.integers(1000, size=50),
        rng.permutation(1000),
    )
    names = np.array([f"{i:03d}" for i in range(1000)])
    fake = image_set(torch.from_numpy(pixels[50:]).permute(0, 3, 1, 2))
    usual, found, numbers, refused = (
        Images.of(pixels[:50], some, name="stacks", classes=tuple(called))
        for some, called in (
            (labels, names),
            (np.argsort(order)[labels], names[order]),
            (labels, [str(i) for i in range(1000)]),
            (labels, ["cat", *names[1:]]),
        )
    )
    expected = run("modes", of_data(usual), fake)
    assert run("modes", of_data(found), fake) == run("modes", of_data(numbers), fake) == expected
    with pytest.raises(UsageError, match=r"classes of stacks \(cat, .*paired by name with those of the modes \(000, "):
        run("modes", of_data(refused), fake)
