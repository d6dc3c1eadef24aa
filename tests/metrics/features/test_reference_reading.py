"""Saved statistics know how their images were read, are compared with images read alike only, and take one pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metric_helpers import frechet_by_scipy
from PIL import Image
from random_weights import random_images
from torch import Tensor

import zerosum as zs
from zerosum.cli.main import run
from zerosum.errors import DataError, UsageError
from zerosum.metrics import SFID, differences
from zerosum.metrics.features.inception import Inception, SpatialInception
from zerosum.metrics.images import ImageSet
from zerosum.metrics.reference import read_reference, write_reference

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    write("photos", random_images("photos", 12, 48, 64))
    write("fakes", random_images("fakes", 10, 32, 32))
    write("large", random_images("large", 10, 48, 64))


def write(folder: str, images: Tensor, mode: str = "RGB") -> None:
    Path(folder).mkdir()
    for i, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        Image.fromarray(image.squeeze()).convert(mode).save(f"{folder}/{i:02}.png")


def save(*words: str, target: str = "photos", to: str = "ref.npz") -> dict[str, Any]:
    assert run(["eval", target, "--save-stats", to, "--features", "random", *words]) == 0
    with np.load(to, allow_pickle=False) as stored:
        facts: dict[str, Any] = json.loads(str(stored["zerosum"]))
    return facts


def evaluate(target: Any, against: str = "stats:ref.npz", **how: Any) -> zs.Score:
    return next(iter(zs.evaluate(target, against=against, features="random", metrics="fid", **how).values()))


def change(**facts: Any) -> None:
    """Another text of what the file says of itself."""
    with np.load("ref.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    known = json.loads(str(arrays["zerosum"])) | facts
    kept = {name: value for name, value in known.items() if value is not None}
    np.savez("ref.npz", **(arrays | {"zerosum": np.array(json.dumps(kept))}))


def test_what_was_asked_is_recorded() -> None:
    facts = save("--size", "32", "--crop", "--background", "white")
    assert facts["reading"] == {"image_size": "32x32", "crop": "centre square", "background": "white"}
    assert facts["decoding"] == "8 bits, centre square, Lanczos to 32x32, transparency on white"
    assert save()["reading"] == {"image_size": "native", "crop": "none", "background": "none"}
    np.savez("photos.npz", random_images("photos", 12, 32, 32).permute(0, 2, 3, 1).numpy())
    assert save(target="photos.npz")["reading"] == {"image_size": "native", "crop": "none"}


def test_images_read_alike_score_as_against_the_images() -> None:
    for words, how in (
        (["--size", "32", "--crop"], {"size": 32, "crop": True}),
        (["--crop", "--background", "#102030"], {"crop": True, "background": "#102030"}),
        ([], {}),
    ):
        save(*words)
        with_images, with_statistics = evaluate("large", "photos", **how), evaluate("large", **how)
        assert with_statistics.value == pytest.approx(with_images.value, rel=1e-9)
        assert differences(with_images, with_statistics) == {}
        assert with_statistics.protocol["reference_decoding"] == with_images.protocol["reference_decoding"]


@pytest.mark.parametrize(
    ("words", "how", "message"),
    [
        (
            ["--size", "32", "--crop"],
            {},
            "with size 32x32, crop centre square, and those to score with size native, crop",
        ),
        (
            ["--size", "32", "--crop"],
            {"size": 16, "crop": True},
            "with size 32x32, and those to score with size 16x16: ",
        ),
        (
            [],
            {"crop": True},
            "with crop none, and those to score with crop centre square: read both alike, or save the",
        ),
        (["--background", "white"], {}, "with background white, and those to score with background none: "),
        ([], {"background": "#00ff00"}, "with background none, and those to score with background #00ff00: "),
    ],
)
def test_images_read_in_another_way_are_refused(words: list[str], how: dict[str, Any], message: str) -> None:
    save(*words)
    with pytest.raises(UsageError) as caught:
        evaluate("large", **how)
    assert str(caught.value).startswith(f"against=stats:ref.npz: its images were read {message}")
    assert "\n" not in str(caught.value)


def test_images_of_another_size_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    save()
    with pytest.raises(UsageError, match="its images are 48x64 pixels, and those to score 32x32: bring both to one"):
        evaluate("fakes")
    assert run(["eval", "fakes", "--against", "stats:ref.npz", "--features", "random"]) == 2
    assert capsys.readouterr().err == (
        "zerosum: --against stats:ref.npz: its images are 48x64 pixels, and those to score 32x32: bring both to one "
        "size; nothing is resized silently\n"
    )
    np.savez("points.npz", np.zeros((20, 2), np.float32))
    with pytest.raises(UsageError, match=r"against=stats:ref.npz: is of images, and .* has points"):
        evaluate(torch.zeros(20, 2))


def test_what_is_no_reference_is_refused_before_weights_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    save()
    for features in ("inception", "auto"):
        with pytest.raises(
            UsageError, match=r"^against=stats:ref.npz: has statistics of features 'random', not 'inception'"
        ):
            zs.evaluate("large", against="stats:ref.npz", features=features)
    with pytest.raises(UsageError, match=r"^against=stats:: name a file, stats:FILE.npz"):
        evaluate("large", "stats:")
    with pytest.raises(UsageError, match=r"^stats:ref.npz: statistics are what images are scored against"):
        evaluate("stats:ref.npz", "photos")
    assert run(["eval", "large", "--against", "stats:none.npz"]) == 2  # as for any path that is not there
    assert "none.npz: cannot be read (No such file or directory)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "against", "how"), [("photos", "large", "count"), ("large", "photos", "reference_count")]
)
def test_more_images_than_there_are_name_the_option(target: str, against: str, how: str) -> None:
    with pytest.raises(UsageError, match=rf"^{how}=13: folder:photos has 12 images, fewer than the 13 asked for$"):
        evaluate(target, against, **{how: 13})
    assert run(["eval", "photos", "--save-stats", "ref.npz", "--features", "random", "--count", "13"]) == 2


def test_arrays_have_no_background() -> None:
    save("--background", "white", target="fakes")
    pixels = random_images("fakes", 10, 32, 32)
    assert evaluate(pixels).value == pytest.approx(0, abs=1e-9)
    np.savez("fakes.npz", pixels.permute(0, 2, 3, 1).numpy())
    save(target="fakes.npz")
    assert evaluate("fakes", background="white").value == pytest.approx(0, abs=1e-9)


def test_grey_images_are_taken_as_rgb_where_that_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    write("grey", random_images("grey", 9, 32, 32, channels=1))
    save(target="fakes")
    assert evaluate("grey").value == pytest.approx(evaluate("grey", "fakes").value, rel=1e-9)
    assert "note: folder:grey is grey and ref.npz of colour: grey images are taken as RGB" in capsys.readouterr().err
    save(target="grey")
    with pytest.raises(
        UsageError, match=r"its images have 1 channel\(s\), and those to score 3, which random does not"
    ):
        evaluate("fakes")


def test_files_that_say_less_are_noted_and_nonsense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    save()
    change(reading=None, decoding=None)
    assert evaluate("large").value > 0
    assert "note: ref.npz: does not say how its images were read (size, crop, background)" in capsys.readouterr().err
    for facts in (
        {"reading": []},
        {"reading": {"crop": 1}},
        {"shape": [3, 48]},
        {"shape": "3x4"},
        {"shape": [3, 48, -1]},
    ):
        save()
        change(**facts)
        with pytest.raises(DataError, match=r"ref.npz: what it says of itself \(zerosum\) (makes no sense|is damaged)"):
            read_reference(Path("ref.npz"))


def test_statistics_of_a_run_and_for_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("data.npz", random_images("data", 40, 16, 16).permute(0, 2, 3, 1).numpy())
    how: dict[str, Any] = {"latent": 4, "width": 4, "kernel": 4, "batch_size": 8, "steps": 1}
    zs.train("dcgan", data="npz:data.npz", out="run", **how)
    # Real images for a run are cut to squares of its size: so were these.
    save("--size", "16", "--crop")
    value = evaluate("run", count=20).value
    assert value == pytest.approx(evaluate("run", "photos", count=20).value, rel=1e-9)
    save()
    with pytest.raises(UsageError, match="its images are 48x64 pixels, and those to score 16x16"):
        evaluate("run", count=20)
    assert save("--count", "20", target="run")["reading"] == {}
    assert evaluate("large", size=16, crop=True).value > 0


class Looked:
    """Leaves images as they are, and counts them."""

    count = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.count += len(images)
        return images.float()

    def __str__(self) -> str:
        return "none"


class Blocks(torch.nn.Module):
    """In the place of Inception's network: means of channels, and means of blocks of red."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(3, 3)

    def features(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def spatial_features(self, x: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x[:, :1], (4, 4))

    def both_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.features(x), self.spatial_features(x)


def means_of(images: Tensor) -> np.ndarray:
    return (images.double().numpy() / 128 - 1).mean((2, 3))


def places_of(images: Tensor) -> np.ndarray:
    return (images[:, 0].double().view(-1, 4, 4, 4, 4).numpy() / 128 - 1).mean((2, 4)).reshape(-1, 16)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Inception:
    monkeypatch.setattr(Inception, "dimensions", 3)
    monkeypatch.setattr(SpatialInception, "dimensions", 16)
    made = object.__new__(Inception)
    network: Any = Blocks().requires_grad_(False)
    made.__dict__ |= {"hash": "0" * 12, "device": torch.device("cpu"), "_resize": Looked(), "_network": network}
    return made


@pytest.mark.parametrize("kind", ["generated", "files"])
def test_one_pass_makes_the_statistics_of_both_networks(kind: str, small: Inception) -> None:
    images = random_images("pass", 700, 16, 16)
    read: list[tuple[int, int]] = []

    def rows(start: int, n: int) -> Tensor:
        read.append((start, n))
        return images[start : start + n]

    one = ImageSet("made", kind, "f", (3, 16, 16), 700, rows)
    shown: list[int] = []
    looked: Any = small._resize
    for _ in range(2):
        read.clear()
        shown.clear()
        looked.count = 0
        write_reference(Path("ref.npz"), one, small, batch_size=300, progress=lambda done, total: shown.append(done))
        assert read == [(0, 250), (250, 250), (500, 200)]
        assert shown == [250, 500, 700]
        assert looked.count == 700
        with np.load("ref.npz", allow_pickle=False) as stored:
            for ending, seen in (("", means_of(images)), ("_s", places_of(images))):
                np.testing.assert_allclose(stored[f"mu{ending}"], seen.mean(0), rtol=1e-4, atol=1e-6)
                np.testing.assert_allclose(stored[f"sigma{ending}"], np.cov(seen, rowvar=False), rtol=1e-3, atol=1e-8)


def test_the_class_sfid_is_the_fréchet_distance_of_places(small: Inception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpatialInception, "load", classmethod(lambda cls, **how: small.spatial()))
    fakes, reals = random_images("sfid fakes", 90, 16, 16), random_images("sfid reals", 120, 16, 16)
    metric = SFID(batch_size=50)
    for part in reals.split(35):
        metric.update(part, real=True)
    metric.update(fakes, real=False)
    score = metric.compute()
    assert score.value == pytest.approx(frechet_by_scipy(places_of(fakes), places_of(reals)), rel=1e-4)
    assert score.name == "sfid"
    (same,) = zs.evaluate(fakes, against=reals, metrics="sfid").values()
    assert score.value == pytest.approx(same.value, rel=1e-6)
    assert (score.protocol["features"], same.protocol["features"]) == ("inception-spatial",) * 2
    other = SFID()
    other.update(reals, real=True)
    other.update(fakes[:40], real=False)
    later = SFID()
    later.update(fakes[40:], real=False)
    assert other.merge(later).compute().value == pytest.approx(score.value, rel=1e-6)
    with pytest.raises(TypeError):
        SFID(features="random")
