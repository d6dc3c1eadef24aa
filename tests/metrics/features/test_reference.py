"""Reference statistics: against numpy's mean and covariance, in the layouts of other programs, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_weights import random_images
from torch import Tensor

import zerosum as zs
from zerosum.cli.main import main
from zerosum.errors import DataError, UsageError
from zerosum.metrics.features.find import find_extractor
from zerosum.metrics.reference import check_measures, read_reference
from zerosum.metrics.registry import measures

REALS, FAKES = (random_images(name, count, 32, 32) for name, count in (("reals", 200), ("fakes", 150)))

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    for name, images in (("reals", REALS), ("fakes", FAKES)):
        np.savez(f"{name}.npz", images.permute(0, 2, 3, 1).numpy())


def command(*words: str) -> int:
    """The exit status of a command."""
    try:
        main(["eval", *words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def vectors(images: Tensor) -> np.ndarray:
    return find_extractor("random", (3, 32, 32))(images).vectors.double().numpy()


def foreign(path: str = "ref.npz", **changes: Any) -> None:
    """A file as pytorch-fid writes it."""
    seen = vectors(REALS)
    arrays = {"mu": seen.mean(0), "sigma": np.cov(seen, rowvar=False), **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


def evaluate(metrics: str | None = "fid", against: str = "stats:ref.npz", features: Any = "random") -> zs.Score:
    (score,) = zs.evaluate("fakes.npz", against=against, metrics=metrics, features=features).values()
    return score


def test_saved_statistics_stand_for_the_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("reals.npz", "--save-stats", "ref.npz", "--features", "random") == 0
    assert "ref.npz: statistics of 200 of " in capsys.readouterr().out
    with np.load("ref.npz", allow_pickle=False) as stored:
        assert sorted(stored.files) == ["mu", "sigma", "zerosum"]
        seen = vectors(REALS)
        np.testing.assert_allclose(stored["mu"], seen.mean(0), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(stored["sigma"], np.cov(seen, rowvar=False), rtol=1e-5, atol=1e-8)
        assert stored["mu"].dtype == stored["sigma"].dtype == np.float64
        facts = json.loads(str(stored["zerosum"]))
    assert (facts["features"], facts["count"], facts["shape"]) == ("random", 200, [3, 32, 32])
    with_images, with_statistics = evaluate(against="reals.npz"), evaluate()
    assert with_statistics.value == pytest.approx(with_images.value, rel=1e-9)
    assert with_statistics.name == with_images.name == "fd_random"
    differ = {key for key in with_images.protocol if with_images.protocol[key] != with_statistics.protocol.get(key)}
    assert differ <= {"reference_path", "reference_decoding", "reference_size"}, differ
    assert evaluate(None).value == with_statistics.value  # fid is what statistics are for
    unbiased = [evaluate("fid-infinity", against).value for against in ("reals.npz", "stats:ref.npz")]
    assert unbiased[1] == pytest.approx(unbiased[0], rel=1e-9)


def test_statistics_of_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    expected = evaluate(against="reals.npz").value
    foreign()
    score = evaluate()
    assert score.value == pytest.approx(expected, rel=1e-4)  # their covariance is of float32 features
    assert score.protocol["reference"] == "stats:ref.npz"
    assert score.protocol["reference_count"] is None
    assert "does not say which extractor, resize and number of images" in capsys.readouterr().err
    # ADM's files hold images too, and float32; EDM's hold what pytorch-fid's do.
    foreign(arr_0=np.zeros((2, 8, 8, 3), np.uint8), mu=vectors(REALS).mean(0).astype(np.float32))
    assert evaluate().value == pytest.approx(expected, rel=1e-4)
    foreign(mu=vectors(REALS).mean(0) + 1)
    assert evaluate().value > expected + 1


def test_statistics_of_another_extractor_are_refused() -> None:
    command("reals.npz", "--save-stats", "ref.npz", "--features", "random")
    dimensions = find_extractor("random", (3, 32, 32)).dimensions

    def own(images: Tensor) -> Tensor:
        return images.flatten(1)[:, :dimensions]

    with pytest.raises(UsageError, match="statistics of features 'random', not 'own'"):
        evaluate(features=own)
    foreign()
    with pytest.raises(UsageError, match=f"statistics of {dimensions} features, and lambda has 5: take the extractor"):
        evaluate(features=lambda images: images.flatten(1)[:, :5])


@pytest.mark.parametrize("name", ["kid", "pr", "prd", "swd", "fd_random"])
def test_measures_that_need_images_say_so(name: str) -> None:
    foreign()
    with pytest.raises(
        UsageError, match=f"metrics={name}: needs the real images, .*[(]fd_dinov2, fid, fid-infinity, sfid[)]"
    ):
        zs.evaluate("fakes.npz", against="stats:ref.npz", metrics=name)


def test_measures_of_generated_images_alone_need_no_reference() -> None:
    check_measures([measures()["is"], measures()["sfid"]])


class Unsafe:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("opened"),)


def test_pickles_and_objects_are_never_loaded() -> None:
    Path("ref.pkl").write_bytes(pickle.dumps(Unsafe()))
    Path("named.npz").write_bytes(pickle.dumps(Unsafe()))
    foreign("objects.npz", mu=np.array([Unsafe()], dtype=object))
    for file in ("ref.pkl", "named.npz"):
        with pytest.raises(DataError, match=f"{file}: a pickle can run any code .* take the .npz"):
            read_reference(Path(file))
    with pytest.raises(DataError, match=r"objects.npz: is damaged, or holds Python objects, which are not loaded"):
        read_reference(Path("objects.npz"))
    assert not Path("opened").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mu": None}, "has no mu and sigma, but sigma; images are named without stats:"),
        ({"mu": np.zeros(3)}, r"mu and sigma must be D and D x D floating-point numbers, not float64 \(3,\)"),
        ({"sigma": np.zeros((4, 4), int), "mu": np.zeros(4)}, "not float64 .* and int64"),
        ({"mu": np.array([0, np.nan]), "sigma": np.eye(2)}, "hold NaN or infinity"),
        ({"mu": np.zeros(2), "sigma": np.array([[1.0, 0.5], [0, 1]])}, "this is no covariance"),
        ({"mu": np.zeros(2), "sigma": -np.eye(2)}, "this is no covariance"),
        ({"zerosum": np.array("{")}, "what it says of itself .* is damaged"),
        ({"zerosum": np.array('{"count": 1, "features": "random"}')}, "makes no sense"),
    ],
)
def test_files_that_make_no_sense(changes: dict[str, Any], message: str) -> None:
    foreign(**changes)
    with pytest.raises(DataError, match=f"^ref.npz: .*{message}|^ref.npz: {message}"):
        read_reference(Path("ref.npz"))


def test_what_cannot_be_read_or_written() -> None:
    with pytest.raises(DataError, match=r"^missing.npz: cannot be read \(No such file or directory\)"):
        evaluate(against="stats:missing.npz")
    Path("text.npz").write_text("mu")
    with pytest.raises(DataError, match=r"text.npz: is no .npz file"):
        read_reference(Path("text.npz"))
    foreign()
    Path("cut.npz").write_bytes(Path("ref.npz").read_bytes()[:500])
    with pytest.raises(DataError, match=r"cut.npz: is damaged"):
        read_reference(Path("cut.npz"))
    assert command("reals.npz", "--save-stats", "ref.txt", "--features", "random") == 2
    assert command("reals.npz", "--save-stats", "no/ref.npz", "--features", "random") == 2
    assert command("reals.npz", "--save-stats", "x.npz", "--against", "fakes.npz") == 2
    with pytest.raises(UsageError, match=r"reference_count=5: stats:ref.npz is of a fixed number"):
        zs.evaluate("fakes.npz", against="stats:ref.npz", reference_count=5, features="random")
