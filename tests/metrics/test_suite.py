"""Measures by name: known answers on real images, names, protocols, refusals."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from metric_helpers import frechet_by_scipy, image_set
from PIL import Image, ImageFilter

from zerosum.core.random import generator
from zerosum.data import load
from zerosum.data.images import Images
from zerosum.errors import UsageError
from zerosum.metrics.features.base import Extractor, Features
from zerosum.metrics.features.find import find_extractor
from zerosum.metrics.images import ImageSet, Maker, eight_bit, of_data, of_generator
from zerosum.metrics.measure import Context
from zerosum.metrics.registry import choose, measures
from zerosum.metrics.score import Score, differences
from zerosum.metrics.sides import Side, see
from zerosum.metrics.suite import Judge

COUNT = 1500
# `of_data(data, COUNT)` takes the first of this order: these are others.
UNSEEN = torch.randperm(5000, generator=generator("halves"))[COUNT : 2 * COUNT]


def scores_of(
    names: list[str], real: ImageSet, fake: ImageSet, extractor: Extractor, context: Context
) -> Iterator[Score]:
    judge = Judge(tuple(choose(names).values()), real, extractor, context)
    return judge.scores(lambda count: fake, context.seed, count=fake.count)


class Means:
    """An extractor whose features can be computed by hand: mean of each half of the image, in [0, 1]."""

    name, hash, resize, dimensions = "inception", "0" * 12, "none", 2

    def __call__(self, images: torch.Tensor) -> Features:
        halves = images.float().div(255).flatten(2).mean(1).unflatten(1, (2, -1)).mean(2)
        return Features(halves, 10 * halves)


@pytest.fixture(scope="module")
def clothes_halves() -> tuple[Images, Images]:
    return load("fashion-mini").split_halves()


@pytest.fixture(scope="module")
def halves(clothes_halves: tuple[Images, Images]) -> tuple[ImageSet, ImageSet]:
    first, second = clothes_halves
    return of_data(first, COUNT), of_data(second, COUNT)


@pytest.fixture(scope="module")
def whole(halves: tuple[ImageSet, ImageSet]) -> dict[str, Score]:
    """What undisturbed images score."""
    return values(["pr", "dc"], *halves)


@pytest.fixture(scope="module")
def triangles() -> Images:
    return load("triangles", split="test")


def values(names: list[str], real: ImageSet, fake: ImageSet, **options: object) -> dict[str, Score]:
    extractor = find_extractor("shipped", real.shape)
    return {s.name.split("_")[0]: s for s in scores_of(names, real, fake, extractor, Context(**options))}


def test_lost_classes_lower_recall_and_coverage_and_not_precision(halves, whole) -> None:
    real, fake = halves
    lost = values(["pr", "dc"], real, image_set(fake.pixels()[fake.labels < 5]))
    assert lost["recall"].value < whole["recall"].value - 0.25
    assert lost["coverage"].value < whole["coverage"].value - 0.25
    assert lost["precision"].value > whole["precision"].value - 0.05
    # The bootstrap interval of a share p of n is about p +- 1.96 sqrt(p (1 - p) / n).
    p, n = lost["recall"].value, real.count
    for side, end in ((-1, "low"), (1, "high")):
        assert lost["recall"].details[end] == pytest.approx(p + side * 1.96 * (p * (1 - p) / n) ** 0.5, abs=0.006)


def test_blur_of_half_the_images_lowers_precision_and_not_recall(halves, whole) -> None:
    # Half: where all are blurred no generated sample is left near a real one, and recall falls as well.
    real, fake = halves
    blur = ImageFilter.GaussianBlur(1.5)
    soft = np.stack([np.asarray(Image.fromarray(x).filter(blur)) for x in fake.pixels()[:, 0].numpy()])
    blurred = torch.from_numpy(soft)[:, None]
    mixed = torch.cat([blurred[: COUNT // 2], fake.pixels()[COUNT // 2 :]])
    half = values(["pr", "dc"], real, image_set(mixed))
    assert half["precision"].value < whole["precision"].value - 0.2
    assert half["density"].value < whole["density"].value - 0.2
    assert half["recall"].value > whole["recall"].value - 0.05
    every = values(["pr"], real, image_set(blurred))
    assert every["recall"].value < whole["recall"].value / 2


def test_a_generator_that_stores_its_training_set_is_caught(halves, clothes_halves) -> None:
    train, fresh = halves
    extractor = find_extractor("shipped", train.shape)
    unseen = of_data(clothes_halves[0]).select(UNSEEN)
    held_out = Side(unseen, extractor, frozenset({"vectors"}))
    stored = image_set(train.pixels()[torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))])
    copies = values(["copying", "fid"], train, stored, held_out=held_out)
    honest = values(["copying", "fid"], train, fresh, held_out=held_out)
    assert copies["copying"].details["flagged"] == 1
    assert copies["copying"].details["duplicates"] == 1
    assert honest["copying"].details["flagged"] == 0
    assert copies["fd"].value < honest["fd"].value  # the distance calls the thief the better one


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_each_measure_states_what_it_read(clothes_halves) -> None:
    real, fake = (of_data(half, 20) for half in clothes_halves)
    found = values(["fid", "is", "swd", "kid"], real, fake, seed=3)
    for score in found.values():
        assert score.protocol["samples"] == 20
        assert score.protocol["seed"] == 3
    assert found["fd"].protocol["reference_fingerprint"] == real.fingerprint
    assert found["fd"].protocol["features_hash"] == "cf580347b1c0"
    assert "reference" not in found["is"].protocol
    assert "features" not in found["swd"].protocol
    other = values(["fid"], of_data(clothes_halves[0], 19), fake, seed=4)["fd"]
    assert differences(found["fd"], other).keys() >= {"reference_count", "reference_fingerprint"}


def test_numbers_bear_published_names_on_published_features_only() -> None:
    pixels = torch.randint(256, (40, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    a, b = image_set(pixels[:20], "a"), image_set(pixels[20:], "b")
    extractor = Means()
    named_plainly = [s.name for s in scores_of(["fid", "is"], a, b, extractor, Context())]
    assert named_plainly == ["fid", "is"]
    extractor.name = "mine"
    assert [s.name for s in scores_of(["fid", "is"], a, b, extractor, Context())] == ["fd_mine", "is_mine"]


def test_the_distance_is_that_of_the_features() -> None:
    rng = np.random.default_rng(0)
    sets = [torch.from_numpy(rng.integers(0, high, (50, 1, 4, 4), dtype=np.uint8)) for high in (256, 128)]
    score = next(scores_of(["fid"], *(image_set(s, str(i)) for i, s in enumerate(sets)), Means(), Context()))
    a, b = (np.stack([s.numpy()[:, 0, :2].mean((1, 2)), s.numpy()[:, 0, 2:].mean((1, 2))], 1) / 255 for s in sets)
    assert score.value == pytest.approx(frechet_by_scipy(a, b), rel=1e-5)


def test_batches_change_nothing_and_nothing_unread_is_kept(halves) -> None:
    real, _ = halves
    extractor = find_extractor("shipped", real.shape)
    fresh = image_set(real.pixels()[:500])
    by_40 = see(fresh, extractor, reads=frozenset({"vectors"}), batch=40)
    by_333 = see(fresh, extractor, batch=333)
    torch.testing.assert_close(by_40.moments.scatter, by_333.moments.scatter, rtol=1e-6, atol=1e-6)
    assert by_40.vectors.shape == (500, 64)
    assert by_333.vectors is by_333.logits is by_40.logits is None


def test_features_of_real_images_are_computed_once(halves, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    real = halves[0].first(300)
    first = see(real, find_extractor("shipped", real.shape), reads=frozenset({"vectors", "logits"}))

    class Blind(type(find_extractor("shipped", real.shape))):
        def __call__(self, images: torch.Tensor) -> Features:
            raise AssertionError("looked again")

    again = see(real, Blind(), reads=frozenset({"vectors", "logits"}))
    assert (first.vectors == again.vectors).all()
    assert (first.logits == again.logits).all()


def test_chosen_images_keep_their_labels(clothes: Images) -> None:
    every, which = of_data(clothes), torch.tensor([700, 3, 1100, 0])
    some = every.select(which)
    assert torch.equal(some.pixels(), every.pixels()[which])
    assert torch.equal(torch.cat(list(some.batches(3))), some.pixels())
    assert some.labels.tolist() == every.labels[which].tolist() == [5, 0, 9, 0]
    assert some.first(2).labels.tolist() == [5, 0]
    assert torch.equal(some.select(torch.tensor([2, 0])).pixels(), every.pixels()[which[[2, 0]]])
    assert len({images.fingerprint for images in (every, some, some.first(2), every.select(which.flip(0)))}) == 4
    with pytest.raises(ValueError, match="clothes has 4 images, fewer than the 5 that are needed"):
        some.first(5)
    with pytest.raises(ValueError, match="can only be read in order"):
        image_set(some.pixels()).select(which)


def test_a_generator_and_its_files_have_equal_pixels() -> None:
    made = torch.rand(7, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2.2 - 1.1
    found = of_generator(lambda start, n: made[start : start + n], (1, 8, 8), 7, name="g", fingerprint="f")
    by_hand = ((made.clamp(-1, 1).double() + 1) * 127.5).round().to(torch.uint8)
    assert (found.pixels() == by_hand).all()
    assert (torch.cat(list(found.batches(3))) == by_hand).all()
    assert eight_bit(torch.tensor([-1.0, 1.0])).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["fidd"], "no measure 'fidd'. Did you mean 'fid'?"),
        ([], "name at least one measure"),
    ],
)
def test_names_that_do_not_exist(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        choose(names)


def test_what_cannot_be_measured_says_why(clothes_halves) -> None:
    real, fake = (of_data(half, 20) for half in clothes_halves)
    unlabelled = image_set(fake.pixels())
    small = image_set(torch.zeros(5, 1, 16, 16, dtype=torch.uint8), "small")
    for names, other, message in (
        (["fid"], small, "small has images of 1x16x16, .* of 1x32x32"),
        (["intra-fid"], unlabelled, "made has no labels"),
        (["copying"], fake, "name them as held_out"),
        (["cas"], fake, "name them as held_out"),
        (["modes"], fake, "stacked-digits"),
    ):
        with pytest.raises(ValueError, match=message):
            values(names, real, other)
    with pytest.raises(ValueError, match="has 1 image"):
        image_set(torch.zeros(1, 1, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="fewer than the 20,000 asked for"):
        of_data(load("fashion-mini"), 20_000)
    with pytest.raises(ValueError, match="Did you mean 'inception'"):
        find_extractor("inceptoin", (3, 32, 32))


def test_every_measure_has_a_line_for_people() -> None:
    assert all(len(measure.summary) > 20 for measure in measures().values())


def test_path_length_walks_among_the_latents_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Squared:
        name, hash = "squared", "0"

        def __call__(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (a.double() - b.double()).square().flatten(1).sum(1)

    monkeypatch.setattr("zerosum.metrics.measures.ppl.load_lpips", lambda device: Squared())

    def generate(z: torch.Tensor) -> torch.Tensor:
        return 0.5 * z.reshape(-1, 1, 16, 16)

    def latents(n: int, rng: torch.Generator) -> torch.Tensor:
        return torch.rand(n, 256, generator=rng, dtype=torch.float64) * 2 - 1

    maker = Maker(generate, latents, lambda a, b, t: (1 - t) * a + t * b, "lerp", 1.0)
    pixels = torch.zeros(400, 1, 16, 16, dtype=torch.uint8)
    fake = replace(image_set(pixels), maker=maker)
    score = next(scores_of(["ppl"], image_set(pixels), fake, Means(), Context()))
    # |g(b) - g(a)|^2 = |b - a|^2 / 4, and each of the 256 squared differences of uniforms is 2/3 on average.
    assert score.value == pytest.approx(256 * 2 / 3 / 4, rel=0.02)
    assert score.protocol["path"] == "lerp"
    assert score.protocol["distance"] == "squared 0"
    with pytest.raises(ValueError, match="images have no latents"):
        values(["ppl"], image_set(pixels), image_set(pixels))


def test_triangles_are_near_triangles_and_clothes_are_not(triangles, clothes_halves) -> None:
    real = of_data(triangles, 12)
    clothes = image_set(255 - of_data(clothes_halves[0], 12).pixels())  # black on white, as triangles are
    near = values(["polygons"], real, real)["polygon"]
    far = values(["polygons"], real, clothes)["polygon"]
    assert (near.name, near.value, far.value) == ("polygon_precision", 1.0, 0.0)
    assert near.details["distance"] < 0.2 < 2 < far.details["distance"]


def test_a_generator_of_one_triangle_recalls_that_one(triangles) -> None:
    real = of_data(triangles, 3)
    only = real.pixels()[:1].float() / 127.5 - 1

    def generate(z: torch.Tensor) -> torch.Tensor:
        return only.to(z) + 0 * z.sum(1).reshape(-1, 1, 1, 1)

    maker = Maker(generate, lambda n, rng: torch.rand(n, 2, generator=rng), lambda a, b, t: a, "lerp", 1.0)
    fake = replace(image_set(real.pixels()[:1].expand(2, -1, -1, -1)), maker=maker)
    found = {s.name: s.value for s in scores_of(["polygons"], real, fake, Means(), Context())}
    assert found["polygon_precision"] == 1
    assert found["polygon_recall"] == pytest.approx(1 / 3)
    assert found["polygon_f1"] == pytest.approx(0.5)  # 2 * 1 * 1/3 / (4/3)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize(("recipe", "way", "bound"), [("dcgan", "lerp", 1.0), ("wgan-gp", "slerp", None)])
def test_a_run_is_a_maker_of_its_samples(recipe: str, way: str, bound: float | None, precision: str) -> None:
    from zerosum import Settings
    from zerosum.runs import scoring
    from zerosum.runs.phases import begin, sampler_of
    from zerosum.runs.setup import build

    settings = Settings(data="fashion-mini", precision=precision)
    setup = build(recipe, {"width": 4, "batch_size": 4, "steps": 1}, settings)
    assert setup.autocast == {"float32": None, "bf16": torch.bfloat16}[precision]
    sampler = sampler_of(setup, begin(setup, setup.recipe.phases[0].game), 0)
    fake = scoring.generated_samples(sampler, setup, 0, 4)
    assert (fake.maker.way, fake.maker.bound) == (way, bound)  # a uniform prior, and a normal one
    z = sampler.latents(0, 4)[0].requires_grad_()
    images = fake.maker.generate(z)
    torch.testing.assert_close(images.detach(), sampler(0, 4))
    assert torch.equal(eight_bit(images.detach()), fake.pixels())  # what is measured
    assert torch.autograd.grad(images.square().sum(), z)[0].abs().sum() > 0


@pytest.mark.parametrize("name", ["cmmd", "fd_dinov2", "sfid"])
def test_features_that_nobody_named_are_not_blamed(
    name: str, clothes_halves: tuple[Images, Images], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise FileNotFoundError("no weights")

    monkeypatch.setattr("zerosum.metrics.features.find.find_extractor", refuse)
    real = of_data(clothes_halves[0], 10)
    for measure, features, told in ((name, "auto", f"metrics={name}"), ("fid", "inception", "features=inception")):
        with pytest.raises(UsageError, match=f"^{told}: no weights"):
            Judge((measures()[measure],), real, features).prepare()
