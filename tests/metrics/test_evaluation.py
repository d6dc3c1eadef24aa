"""``zerosum.evaluate`` of images from anywhere: what is taken, at which size, by which measures; what is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from metric_helpers import frechet_by_scipy
from PIL import Image
from torch import Tensor
from torch.utils.data import TensorDataset

import zerosum as zs
from zerosum.data.images import Images
from zerosum.errors import DataError, UsageError
from zerosum.metrics.scores import Scores
from zerosum.runs.evaluation import PartlyScored, evaluate

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick

Pixels = np.ndarray


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder and cache, on a machine without weights and without a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZEROSUM_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def fail(*_: object, **__: object) -> None:
        raise OSError("there is no network here")

    monkeypatch.setattr("zerosum.metrics.features.weights.download", fail)


def noise(n: int, side: int, channels: int = 3, seed: int = 0, high: int = 256) -> Pixels:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, high, (n, side // 4, side // 4, channels), dtype=np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


def write(folder: str, pixels: Pixels) -> str:
    Path(folder).mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image.squeeze()).save(Path(folder, f"{i:04}.png"))
    return folder


def grey(clothes: Images, start: int, n: int) -> Pixels:
    return clothes.pixels[start : start + n * 3 : 3]


def test_the_line_of_the_design(clothes: Images) -> None:
    write("fakes", grey(clothes, 0, 60))
    write("photos", grey(clothes, 1, 80))
    scores = zs.evaluate("fakes/", against="photos/", metrics="fid,pr")
    assert isinstance(scores, Scores)
    assert list(scores) == ["fd_shipped", "precision_shipped", "recall_shipped"]
    assert scores["fid"].value > 0
    assert 0 <= scores["precision"].value <= 1
    assert scores["fid"].protocol["samples"] == 60
    assert scores["fid"].protocol["reference_count"] == 80
    assert json.loads(scores.to_json())["scores"][0]["name"] == "fd_shipped"


def test_images_are_images_however_they_come(clothes: Images, capsys: pytest.CaptureFixture[str]) -> None:
    fake, real = grey(clothes, 0, 50), grey(clothes, 1, 70)
    write("fakes", fake)
    write("real", real)
    np.savez("real.npz", images=real)
    shuffled_values = [score.value for score in evaluate("fakes", against="real", metrics="fid,pr").values()]
    tensor = torch.from_numpy(fake).permute(0, 3, 1, 2)
    for mine in (
        fake,
        fake[..., 0],
        tensor,
        tensor.float() / 127.5 - 1,
        TensorDataset(tensor),
        [Image.fromarray(image.squeeze()) for image in fake],
        Images.of(fake, name="mine"),
        Path("fakes"),
        "folder:fakes",
    ):
        for theirs in (real, "real.npz", Path("real"), zs.data.load("real.npz")):
            found = evaluate(mine, against=theirs, metrics=["fid", "pr"])
            assert [score.value for score in found.values()] == pytest.approx(shuffled_values, rel=1e-6)
    assert capsys.readouterr().out == ""


def test_pixels_are_seen_at_their_own_size() -> None:
    """With features that depend on the size, folders score as arrays of the same pixels do."""
    fake, real = noise(40, 128, seed=0), noise(50, 128, seed=1, high=200)
    write("fakes", fake)
    write("real", real)

    def corner(x: Tensor) -> Tensor:  # of the image as it is: 8 of 128 pixels
        return x[:, :, :8, :8].mean((2, 3))

    wanted = frechet_by_scipy(
        *((a[:, :8, :8] / 127.5 - 1).mean((1, 2)) for a in (fake.astype(np.float64), real.astype(np.float64)))
    )
    for mine, theirs in (("fakes", "real"), (fake, "real"), ("fakes", real), (fake, real)):
        found = evaluate(mine, against=theirs, metrics="fid", features=corner)
        assert found["fid"].value == pytest.approx(wanted, rel=1e-4)
        assert found["fid"].name == "fd_corner"


def test_sets_of_unlike_sizes_are_refused_and_brought_to_one_that_is_asked_for(clothes: Images) -> None:
    """Samples of a run at 32 pixels on a folder of larger grey images are scored as a folder, on shipped features."""
    write("samples", grey(clothes, 0, 40))
    large = grey(clothes, 1, 50).repeat(3, 1).repeat(3, 2)
    write("photos", large)
    message = r"folder:samples has images of 1x32x32, folder:photos images of 1x96x96: .*, with size=32 for instance"
    with pytest.raises(UsageError, match=message) as caught:
        evaluate("samples", against="photos")
    assert caught.value.argument == "size"
    found = evaluate("samples", against="photos", size=32)
    assert list(found) == ["fd_shipped"]
    trained_on = zs.data.load("folder:photos", size=32)
    plain = evaluate("samples", against=trained_on)["fid"]
    assert found["fid"].value == pytest.approx(plain.value)
    assert found["fid"].protocol["reference_fingerprint"] == trained_on.fingerprint
    assert (found["fid"].protocol["image_size"], plain.protocol["image_size"]) == ("32x32", "native")
    assert found["fid"].protocol["reference_decoding"] == "8 bits, Lanczos to 32x32, transparency left out"


def test_several_sizes_are_refused_and_one_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    write("real", noise(12, 96))
    write("fakes", noise(6, 96, seed=1))
    Image.fromarray(noise(1, 80)[0]).save("fakes/other.png")
    how = {"metrics": "fid", "features": "random"}
    message = r"several sizes, such as 96x96 \(0000.png\) and 80x80 \(other.png\); size=64, for instance, brings all"
    with pytest.raises(UsageError, match=message):
        evaluate("fakes", against="real", **how)
    evaluate("fakes", against="real", **how, size=96)
    told = capsys.readouterr().err
    assert "note: folder:fakes: 1 of 7 images are smaller than 96 and were enlarged" in told
    assert "folder:real" not in told


def test_colour_images_are_scored_without_any_download(capsys: pytest.CaptureFixture[str]) -> None:
    write("fakes", noise(20, 32))
    write("real", noise(40, 32, seed=1))
    found = evaluate("fakes", against="real")
    assert list(found) == ["fd_random", "fd_random_floor", "ms_ssim"]
    told = capsys.readouterr().err
    assert "inception's weights are not on this machine: fd_random, ms-ssim instead of fid" in told


def test_measures_of_pixels_ask_for_no_features() -> None:
    images = noise(40, 32)
    found = evaluate(images[:20], against=images[20:], metrics="swd, ms-ssim")
    assert list(found) == ["swd", "ms_ssim"]
    with pytest.raises(UsageError, match=r"features=auto: .*could not be downloaded \(there is no network here\)"):
        evaluate(images[:20], against=images[20:], metrics="fid")


def test_where_the_weights_are_here_the_default_is_fid(monkeypatch: pytest.MonkeyPatch) -> None:
    from zerosum.metrics.features.inception import PUBLISHED
    from zerosum.metrics.features.random_convolutions import RandomFeatures

    Path("cache/weights").mkdir(parents=True)
    Path("cache/weights", PUBLISHED.name).write_bytes(b"")

    class Stand(RandomFeatures):
        name = "inception"

    monkeypatch.setattr("zerosum.metrics.features.inception.load_extractor", lambda name, device: Stand(device))
    images = noise(40, 32)
    assert list(evaluate(images[:20], against=images[20:])) == ["fid"]


def test_names_may_be_written_freely() -> None:
    images = noise(60, 32)
    for names in ("fid, kid", "FID,kid,", ["fid", "kid"], (" fid", "KID "), ("fid", "kid", "fid")):
        found = evaluate(images[:30], against=images[30:], metrics=names, features="random")
        assert list(found) == ["fd_random", "kid_random"]
    for names in ("", ",", []):
        with pytest.raises(UsageError, match="metrics: name at least one measure"):
            evaluate(images, against=images, metrics=names)


@pytest.mark.parametrize("name", ["count", "reference_count"])
@pytest.mark.parametrize("count", [0, 1, -5, 2.5, True, "3"])
def test_a_count_is_at_least_two(name: str, count: object) -> None:
    with pytest.raises(UsageError, match=f"^{name} must be a whole number of at least 2, got"):
        evaluate(noise(5, 32), against=noise(5, 32), **{name: count})


def test_a_count_takes_so_many_in_one_fixed_order() -> None:
    images = noise(60, 32)
    found = evaluate(images[:30], against=images[30:], metrics="fid", features="random", count=10)
    assert found["fid"].protocol["samples"] == 10
    with pytest.raises(UsageError, match="30 images, fewer than the 31 asked for"):
        evaluate(images[:30], against=images[30:], metrics="fid", features="random", count=31)


def test_needs_are_checked_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = noise(40, 32), np.arange(40) % 3
    asked: list[str] = []
    monkeypatch.setattr("zerosum.metrics.suite.score", lambda measure, *_: asked.append(measure.name))
    for metrics, message in (
        ("fid,copying", "name them as held_out"),
        ("fid,cas", "name them as held_out"),
        ("fid,intra-fid", "needs the class of each image, and array has no labels"),
        ("fid,ppl", "needs a run whose generator takes only latents, which array is not"),
        ("fid,is", "features=random: is not a classifier, whose verdicts 'is' reads"),
        ("fid,nothing", "there is no measure 'nothing'"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            evaluate(images[:20], against=images[20:], metrics=metrics, features="random")
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="array has no labels"):
        evaluate(images[:20], against=images[20:], labels=labels[:20], metrics="fid,intra-fid", features="random")
    with pytest.raises(UsageError, match="array has images of 3x32x32, array images of 3x64x64"):
        evaluate(images[:20], against=noise(9, 64), metrics="fid", features="random")
    with pytest.raises(UsageError, match="has images of 3x64x64"):
        evaluate(images[:20], against=images[20:], metrics="copying", features="random", held_out=noise(9, 64))
    assert asked == []


def test_labels_come_beside_arrays() -> None:
    images, labels = noise(80, 32), np.arange(80) % 4
    real = zs.data.load(images[40:], labels=labels[40:])
    found = evaluate(images[:40], labels=labels[:40], against=real, metrics="intra-fid", features="random")
    assert found["intra_fid"].details.keys() == {"0", "1", "2", "3"}
    held_out = zs.data.load(noise(30, 32, seed=3), labels=np.arange(30) % 4)
    cas = evaluate(images[:40], labels=labels[:40], against=real, metrics="cas", held_out=held_out)
    assert 0 <= cas["cas"].value <= 1


def test_a_measure_that_refuses_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(60, 32)

    def fail(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("sums do not converge")

    monkeypatch.setattr("zerosum.metrics.measures.kernel.kernel_distance", fail)
    with pytest.raises(PartlyScored, match="cannot be scored by kid: sums do not converge") as caught:
        evaluate(images[:20], against=images[20:], metrics="fid,kid,dc", features="random")
    assert list(caught.value.scores) == ["fd_random", "density_random", "coverage_random"]
    assert caught.value.argument == "metrics"


def test_what_is_out_of_memory_or_singular_in_torch_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(60, 32)
    for error in (torch.OutOfMemoryError("CUDA\nat length"), torch.linalg.LinAlgError("singular"), MemoryError()):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("zerosum.metrics.measures.kernel.kernel_distance", fail)
        with pytest.raises(PartlyScored, match=f"by kid: {type(error).__name__.lstrip('_')}") as caught:
            evaluate(images[:20], against=images[20:], metrics="kid,fid", features="random")
        assert list(caught.value.scores) == ["fd_random"]
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("measure", "extra"), [("prd", {"features": "random"}), ("swd", {})])
def test_equal_numbers_are_asked_for_first_and_can_be_had(measure: str, extra: dict[str, str]) -> None:
    images = noise(60, 32)
    how = {"metrics": f"ms-ssim,{measure}", **extra}
    message = f"{measure} takes as many real as generated images, and there are "
    with pytest.raises(UsageError, match=f"^{message}40 and 20: reference_count=20 cuts the larger") as caught:
        evaluate(images[:20], against=images[20:], **how)
    assert not isinstance(caught.value, PartlyScored)
    with pytest.raises(UsageError, match=f"^{message}20 and 40: count=20 cuts the larger set"):
        evaluate(images[20:], against=images[:20], **how)
    found = evaluate(images[:20], against=images[20:], reference_count=20, **how)
    assert [score.protocol["reference_count"] for score in found.values()] == [20] * len(found)
    other_way = evaluate(images[20:], against=images[:20], count=20, **how)
    assert [score.protocol["samples"] for score in other_way.values()] == [20] * len(found)
    with pytest.raises(UsageError, match="40 images, fewer than the 41 asked for"):
        evaluate(images[:20], against=images[20:], reference_count=41, **how)


def test_what_would_be_ignored_is_refused() -> None:
    images = noise(40, 32)
    call: Callable[..., Scores] = lambda **how: evaluate(images[:20], **{"against": images[20:], **how})  # noqa: E731
    for how, message in (
        ({"features": "vgg16", "metrics": "swd"}, r"features=vgg16: no measure reads them \(swd\)"),
        ({"held_out": images, "metrics": "swd"}, "no measure reads held-out images"),
        ({"best": True}, "best=True: is for runs, and the ndarray has images already"),
        ({"step": 0}, "step=0: is for runs"),
        ({"truncation": 0.5}, "truncation=0.5: is for runs"),
        ({"truncation": -1}, "truncation must be above 0"),
        ({"standing": 3}, "standing=3: is for runs"),
        ({"against": None}, "the ndarray contains images: name the real ones with against=SOURCE"),
        ({"against": "ring"}, "against=ring: has points, and the ndarray has images"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            call(**how)
        assert "\n" not in str(caught.value)
    for target in (torch.nn.Sequential(torch.nn.Linear(2, 2)), 5, None, object()):
        with pytest.raises((UsageError, DataError)):
            evaluate(target, against=images)


def test_points_are_scored_as_they_are() -> None:
    modes = zs.data.load("ring").modes
    points = modes.repeat(20, 1)[: 8 * 20]
    found = evaluate(points, against="ring")
    assert found["modes"].value == 8
    assert found["high_quality"].value == 1
    assert found["modes"].protocol["samples"] == 160
    assert evaluate(points[:100].numpy(), against="ring", metrics="modes", count=4)["modes"].value == 4
    assert evaluate("ring", against="ring")["modes"].protocol["samples"] == 2500
    with pytest.raises(UsageError, match="160 points, fewer"):
        evaluate(points, against="ring", count=161)
    with pytest.raises(UsageError, match="metrics=fid: looks at images, and ring has points"):
        evaluate(points, against="ring", metrics="fid")


def test_a_score_can_be_infinite() -> None:
    """All samples fall into a mode that the reference does not have."""
    rng = np.random.default_rng(0)
    fake = np.zeros((12, 32, 32, 3), np.uint8)
    fake[:, 8:24, 14:18] = 255
    real = zs.data.load(rng.integers(0, 255, (12, 32, 32, 3), dtype=np.uint8), labels=np.full(12, 0))
    found = evaluate(fake, against=real, metrics="modes")
    kept = Scores.from_json(found.to_json())
    assert kept["modes"].details["reverse_kl"] == found["modes"].details["reverse_kl"] == math.inf


def test_the_bar_moves_for_real_images_too() -> None:
    from zerosum.runs.evaluation import Evaluation
    from zerosum.runs.targets import Question

    images = noise(60, 32)
    seen: list[tuple[int, int]] = []
    question = Question(target=images[:20], against=images[20:], metrics=("fid",), features="random")
    evaluation = Evaluation(question, show=lambda done, total: seen.append((done, total)))
    list(evaluation.scores(0))
    assert {(20, 20), (40, 40)} <= set(seen)


def test_data_sets_of_hugging_face_are_read_at_their_own_size(clothes: Images) -> None:
    datasets = pytest.importorskip("datasets")
    images = clothes.pixels[:6, 4:24, :, 0]
    table = datasets.Dataset.from_dict({"image": [Image.fromarray(image) for image in images]})
    table.save_to_disk("saved")
    found = evaluate("hf:saved", against=np.ascontiguousarray(images), metrics="fid", features="random")
    assert found["fid"].value == pytest.approx(0, abs=1e-6)
    assert found["fid"].protocol["image_shape"] == "1x20x32"
