"""``zerosum eval`` of folders: what is said of how files are read, what was scored, and what a later failure costs."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerosum as zs
from zerosum.data.decode import decode_unchanged
from zerosum.errors import DataError, UsageError
from zerosum.metrics.score import Score, comparable
from zerosum.runs import native
from zerosum.runs.native import FileReading, read_files
from zerosum.runs.reading import load_unchanged

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick

FID = ("--metrics", "fid", "--features", "random")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))


def noise(*shape: int, seed: int = 0, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def write(folder: str, images: np.ndarray, suffix: str = ".png", **how: object) -> str:
    Path(folder).mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(Path(folder, f"{i:03}{suffix}"), **how)
    return folder


def pixels_of(folder: str, reading: FileReading = FileReading()) -> np.ndarray:  # noqa: B008
    return np.asarray(load_unchanged(folder, reading).pixels)


def test_transparency_is_left_out_as_elsewhere_or_put_on_a_colour(zerosum) -> None:
    images = noise(8, 20, 24, 4)
    write("layers", images)
    write("photos", noise(9, 20, 24, 3, seed=1))
    said = zerosum("eval", "layers", "--against", "photos", *FID, "--json")
    assert said.code == 0
    assert "folder:layers: 8 of 8 images are transparent in part: that was left out" in said.err
    protocol = json.loads(said.out)["scores"][0]["protocol"]
    assert (protocol["background"], protocol["image_shape"]) == ("none", "3x20x24")
    np.testing.assert_array_equal(pixels_of("layers"), images[..., :3])

    said = zerosum("eval", "layers", "--against", "photos", *FID, "--json", "--background", "#ff8000")
    assert "folder:layers: 8 of 8 images are transparent in part, and were put on #ff8000" in said.err
    assert json.loads(said.out)["scores"][0]["protocol"]["background"] == "#ff8000"
    share = images[..., 3:] / 255
    wanted = images[..., :3] * share + np.array([255, 128, 0]) * (1 - share)
    assert np.abs(pixels_of("layers", FileReading(background="#ff8000")) - wanted).max() <= 1


def test_grey_with_transparency_16_bits_and_orientation_are_told(zerosum) -> None:
    layers, deep = noise(6, 16, 16, 2), noise(6, 16, 16, dtype=np.uint16)
    write("layers", layers)
    write("deep", deep)
    said = zerosum("eval", "layers", "--against", "deep", *FID)
    assert said.code == 0
    assert "folder:layers: 6 of 6 images are transparent in part: that was left out" in said.err
    assert "folder:deep: 6 of 6 images have 16 bits and were rounded to 8" in said.err
    np.testing.assert_array_equal(pixels_of("layers"), layers[..., :1])
    np.testing.assert_array_equal(pixels_of("deep"), np.rint(deep / 257)[..., None])
    Path("turned").mkdir()
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        image = Image.fromarray(noise(12, 12, 3, seed=orientation))
        image.save(f"turned/{orientation}.png", exif=exif)
    said = zerosum("eval", "turned", "--against", "turned", *FID)
    assert "folder:turned: 7 of 8 images were turned upright, as their EXIF orientation says" in said.err
    a = [noise(12, 12, 3, seed=orientation) for orientation in range(1, 9)]
    wanted = [a[0], a[1][:, ::-1], a[2][::-1, ::-1], a[3][::-1], a[4].transpose(1, 0, 2)]
    wanted += [np.rot90(a[5], -1), np.rot90(a[6], 2).transpose(1, 0, 2), np.rot90(a[7], 1)]
    np.testing.assert_array_equal(pixels_of("turned"), np.stack(wanted))


def test_a_damaged_orientation_costs_no_photo() -> None:
    content = Path("a.jpg")
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(noise(10, 12, 3)).save(content, exif=exif)
    whole = content.read_bytes()
    at = whole.index(b"Exif\0\0") + 6
    damaged = whole[:at] + b"XX" + whole[at + 2 :]
    assert decode_unchanged(whole).pixels.shape == (12, 10, 3)
    found = decode_unchanged(damaged)
    assert found.pixels.shape == (10, 12, 3)
    assert not found.turned


def test_crop_and_size_are_done_when_asked_and_told(zerosum) -> None:
    write("fakes", noise(6, 30, 40, 3))
    write("photos", noise(7, 30, 40, 3, seed=1))
    said = zerosum("eval", "fakes", "--against", "photos", *FID, "--size", 16)
    assert said.code == 2
    assert "folder:photos 000.png is 40 pixels wide and 30 high, not square; --crop takes the" in said.err
    said = zerosum("eval", "fakes", "--against", "photos", *FID, "--size", 16, "--crop", "--json")
    protocol = json.loads(said.out)["scores"][0]["protocol"]
    assert [protocol[name] for name in ("image_size", "crop")] == ["16x16", "centre square"]
    for folder, count in (("fakes", 6), ("photos", 7)):
        assert f"folder:{folder}: {count} of {count} images were cut to their centre squares" in said.err
        assert f"folder:{folder}: {count} of {count} images are larger than 16 and were shrunk" in said.err
    # As a data set for training is read.
    np.testing.assert_array_equal(pixels_of("fakes", FileReading(16, crop=True)), zs.data.load("fakes", size=16).pixels)
    np.testing.assert_array_equal(pixels_of("fakes", FileReading(crop=True)), noise(6, 30, 40, 3)[:, :, 5:35])
    arrays = noise(6, 30, 40, 3), noise(7, 30, 40, 3, seed=1)
    how = {"metrics": "fid", "features": "random"}
    by_hand = zs.evaluate(arrays[0], against=arrays[1], size=16, crop=True, **how)
    assert by_hand["fid"].value == json.loads(said.out)["scores"][0]["value"]
    with pytest.raises(UsageError, match="is 40 pixels wide and 30 high, not square; crop=True takes"):
        zs.evaluate(arrays[0], against=arrays[1], size=16, **how)
    with pytest.raises(UsageError, match="background=white: is for images of files"):
        zs.evaluate(arrays[0], against=arrays[1], background="white", **how)


def test_a_score_says_what_was_scored(zerosum) -> None:
    write("fakes", noise(6, 16, 16, 3))
    write("others", noise(6, 16, 16, 3, seed=2))
    write("photos", noise(7, 16, 16, 3, seed=1))
    for folder in ("fakes", "others"):
        assert zerosum("eval", folder, "--against", "photos", *FID, "--out", "s.jsonl").code == 0
    mine, other = (Score.from_json(line) for line in Path("s.jsonl").read_text().splitlines())
    assert mine.protocol["sample"] == "folder:fakes"
    assert mine.protocol["sample_path"] == str(Path("fakes").resolve())
    assert mine.protocol["sample_fingerprint"] == zs.data.load("fakes", size=16).fingerprint
    assert other.protocol["sample"] == "folder:others"
    assert comparable(mine, other)
    Path("s2.jsonl").write_text(Path("s.jsonl").read_text().splitlines()[0])
    said = zerosum("compare", "s.jsonl", "s2.jsonl", "--json")
    rows = json.loads(said.out)["rows"]
    assert [row["fd_random"] for row in rows] == [other.value, mine.value]
    assert [row["fd_random_n"] for row in rows] == [1, 1]


def test_two_samples_in_one_file_are_no_repetitions(zerosum) -> None:
    """With different seeds they would look like some."""
    write("photos", noise(7, 16, 16, 3, seed=1))
    for seed in (0, 1):
        write(f"f{seed}", noise(6, 16, 16, 3, seed=5 + seed))
        asked = ("eval", f"f{seed}", "--against", "photos", *FID, "--out", "s.jsonl", "--seed", seed)
        assert zerosum(*asked).code == 0
    scores = [Score.from_json(line) for line in Path("s.jsonl").read_text().splitlines()]
    rows = json.loads(zerosum("compare", "s.jsonl", "s.jsonl", "--json").out)["rows"]
    assert rows[0]["fd_random"] == scores[-1].value
    assert rows[0]["fd_random_n"] == 1


def test_a_run_is_scored_with_all_that_is_given(zerosum, image_run: Path, runs) -> None:
    fresh = zs.data.load("fashion-mini").pixels
    write("photos", np.repeat(fresh[1:90, ..., 0], 2, axis=1))
    np.savez("held.npz", images=np.repeat(fresh[200:260], 3, axis=3))
    said = zerosum("eval", image_run, "--against", "photos", "--features", "random", "--held-out", "held.npz", "--json")
    assert said.code == 0, said.err
    assert "folder:photos: 89 of 89 images were cut to their centre squares" in said.err
    assert "npz:held.npz: all images were brought from 3x32x32 to 1x32x32" in said.err
    found = {row["name"]: row["protocol"] for row in json.loads(said.out)["scores"]}
    assert list(found) == ["fd_fashion", "fd_fashion_floor", "fd_random", "copying_z_random"]
    assert {row["reference"] for row in found.values()} == {"folder:photos"}
    assert found["copying_z_random"]["held_out"] == "npz:held.npz"
    told = "8 bits, centre square, Lanczos to 32x32, transparency on white, as grey"
    assert {row["reference_decoding"] for row in found.values()} == {told}
    assert found["fd_random"]["sample"] == "dcgan at step 4"
    assert found["fd_random"]["sample_path"] == str(image_run.resolve())
    assert "sample" not in found["fd_fashion_floor"]
    for option, value in (("--size", "32"), ("--background", "white")):
        said = zerosum("eval", image_run, option, value)
        assert said.code == 2
        assert f"{option} {value}: is for" in said.err


def test_a_failure_of_the_library_loses_no_score(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even in JSON, which is printed at the end."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("zerosum.metrics.measures.kernel.kernel_distance", fail)
    write("fakes", noise(6, 16, 16, 3))
    write("photos", noise(7, 16, 16, 3, seed=1))
    asked = ("--metrics", "fid,kid", "--features", "random", "--out", "s.jsonl", "--json")
    from zerosum.cli.eval import run

    with pytest.raises(RuntimeError, match="a bug"):
        run(["fakes", "--against", "photos", *asked])
    kept = json.loads(Path("s.jsonl").read_text())
    assert kept["name"] == "fd_random"
    assert json.loads(capsys.readouterr().out)["scores"] == [kept]


def test_what_a_network_of_ones_own_is_called_borrows_no_name() -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, save

    pool = helper.make_node("GlobalAveragePool", ["x"], ["m"])
    flat = helper.make_node("Flatten", ["m"], ["y"])
    ports = {"x": ["n", 3, 16, 16], "y": ["n", 3]}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ports.items()]
    graph = helper.make_graph([pool, flat], "g", ends[:1], ends[1:])
    for name in ("inception", "Inception", "shipped", "random"):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        save(model, f"{name}.onnx")
        images = noise(12, 16, 16, 3)
        found = zs.evaluate(images[:6], against=images[6:], metrics="fid,kid", features=f"{name}.onnx")
        assert list(found) == [f"fd_own-{name}", f"kid_own-{name}"]


def test_what_is_too_much_to_keep_is_decoded_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(9, 16, 12, 3)
    write("photos", images)
    write("grey", images[..., 0])
    Path("photos/broken.png").write_bytes(b"x")
    kept = {name: load_unchanged(name, FileReading()) for name in ("photos", "grey")}
    monkeypatch.setattr(native, "MOST_CACHED", 0)
    for name, shape in (("photos", (3, 16, 12)), ("grey", (1, 16, 12))):
        found = load_unchanged(name, FileReading(background="white"))
        assert found.shape == kept[name].shape == shape
        assert found.notes == kept[name].notes
        for which in (slice(2, 5), np.array([7, 0, 3])):
            np.testing.assert_array_equal(found.pixels[which], kept[name].pixels[which])
    how = {"against": noise(8, 16, 12, 3, seed=1), "metrics": "fid,ms-ssim", "features": "random"}
    values = [score.value for score in zs.evaluate("photos", **how).values()]
    monkeypatch.setattr(native, "MOST_CACHED", 4 << 30)
    assert [score.value for score in zs.evaluate("photos", **how).values()] == values


def test_what_is_read_again_is_found_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    write("photos/a", noise(3, 16, 12, 3))
    write("photos/b", noise(4, 16, 12, 3, seed=1))
    first = read_files("folder:photos", FileReading())
    assert first.classes == ("a", "b")
    assert first.labels.tolist() == [0] * 3 + [1] * 4
    assert first.fingerprint == zs.data.load(first.pixels, labels=["a"] * 3 + ["b"] * 4).fingerprint
    monkeypatch.setattr(native, "decode_unchanged", None)
    again = read_files("folder:photos", FileReading())
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.pixels, first.pixels)


def test_damaged_and_missing_files_are_told() -> None:
    write("photos", noise(3, 16, 12, 3))
    for name in ("x", "y", "z", "zz"):
        Path(f"photos/{name}.png").write_bytes(b"no")
    found = load_unchanged("photos", FileReading())
    assert found.notes[0].startswith("4 damaged images were skipped: x.png: is not an image")
    assert "and 1 more" in found.notes[0]
    for file in Path("photos").glob("0*"):
        file.write_bytes(b"no")
    with pytest.raises(DataError, match="none of its 7 images could be read"):
        load_unchanged("photos", FileReading())
    Path("no.zip").write_bytes(b"no")
    with pytest.raises(DataError, match="is not a zip file"):
        load_unchanged("no.zip", FileReading())
    with zipfile.ZipFile("empty.zip", "w"):
        pass
    with pytest.raises(DataError, match="holds no images"):
        load_unchanged("empty.zip", FileReading())
