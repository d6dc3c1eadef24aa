import importlib.util
from pathlib import Path

import pytest
from PIL import Image

from zerosum import registry
from zerosum.cli import doctor
from zerosum.cli.recipes import arguments
from zerosum.data import SOURCES


def test_recipes_are_listed_with_their_papers(zerosum) -> None:
    said = zerosum("recipes")
    assert said.code == 0
    for name in registry.names():
        assert f"\n{name} " in said.out
    (line,) = [line for line in said.out.splitlines() if line.startswith("wgan-gp ")]
    for part in ("Gulrajani et al. 2017", "D x5, G", "wasserstein", "wgan-gp"):
        assert part in line


@pytest.mark.parametrize("name", registry.names())
def test_a_recipe_s_page_shows_what_its_signature_says(zerosum, name: str) -> None:
    source = registry.RECIPES.folder / f"{name.replace('-', '_')}.py"
    said, texts = arguments(registry.RECIPES.tree(name))
    known = registry.arguments(name)
    assert said.keys() == known.keys()
    assert texts.keys() >= known.keys()
    for key, parameter in known.items():
        option, default = said[key].split(" ", 1)
        assert option == f"--{key.replace('_', '-')}"
        assert eval(default, {}) == parameter.default
    page = zerosum("recipes", name).out
    assert registry.describe(name) in page
    assert str(source) in page
    assert all(option in page for option in said.values())
    assert all(texts[key].split()[-1] in page for key in said)


def test_sources_are_listed(zerosum) -> None:
    said = zerosum("data")
    assert said.code == 0
    for source in SOURCES.values():
        assert f"{source.usage} " in said.out
        assert source.summary in said.out


def test_a_source_that_is_not_there_is_not_taken_for_a_far_one(zerosum) -> None:
    assert "there is no source 'nope'. Sources: fashion-mini" in zerosum("data", "nope").err
    assert "there is no source 'fashon-mini'. Did you mean 'fashion-mini'?" in zerosum("data", "fashon-mini").err


def test_a_source_is_described_and_nothing_is_written(zerosum, runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(runs.pixels.parent))
    for source, parts in (
        ("ring", ["modes        8", "add --out data-ring.png"]),
        (f"npz:{runs.pixels}", ["32 x 32, grey", "memory ", "classes      none", "add --out data-clothes.npz.png"]),
        (str(runs.pixels), ["source       npz:", "32 x 32, grey"]),
        ("~/clothes.npz", ["source       npz:~/clothes.npz"]),
    ):
        said = zerosum("data", source)
        assert said.code == 0
        for part in parts:
            assert part in said.out
    assert not list(Path().iterdir())


def test_a_source_is_drawn_where_asked_to(zerosum, runs) -> None:
    said = zerosum("data", "ring", "--out", "ring.png")
    assert said.code == 0
    assert "picture      ring.png" in said.out
    assert Path("ring.png").is_file()
    said = zerosum("data", f"npz:{runs.pixels}", "--size", 16, "--out", "new/x.png")
    assert "16 x 16, grey" in said.out
    with Image.open("new/x.png") as image:
        assert image.size == (128, 128)


def test_damaged_images_are_noted_or_refused(zerosum) -> None:
    folder = Path("pets")
    folder.mkdir()
    Image.new("L", (8, 8)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no image")
    lenient = zerosum("data", "pets/")
    assert lenient.code == 0
    assert "note " in lenient.out
    strict = zerosum("data", "folder:pets", "--strict")
    assert strict.code == 1
    assert "b.png" in strict.err


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["ring", "--size", 16], 1, "size"),
        (["folder:nowhere"], 2, "nowhere"),
        (["nowhere/"], 2, "there is no file or folder 'nowhere/'"),
        (["file"], 1, "file is not a folder of images, a .zip or an .npz"),
        (["ring", "--out", "x.jpg"], 2, "call it x.png"),
        (["ring", "--out", "file/x.png"], 2, "cannot be written"),
    ],
)
def test_data_that_cannot_be_shown_is_explained(zerosum, words: list[object], code: int, part: str) -> None:
    Path("file").touch()
    said = zerosum("data", *words)
    assert said.code == code
    assert part in said.err


def test_the_doctor_says_what_there_is(zerosum, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(doctor, "SECONDS", 0.0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == "sklearn" else there(name))
    said = zerosum("doctor")
    assert said.code == 0
    for part in (
        "torch ",
        "cpu ",
        "GFLOP/s in float32",
        "auto means",
        "--precision",
        "fashion-mini (shipped)",
        "GiB free",
    ):
        assert part in said.out
    assert "no   sklearn (the data `digits` and `stacked-digits`): pip install 'zerosum[data]'" in said.out
    assert "no   mnist: downloaded to" in said.out


def test_the_doctor_finds_data_in_the_cache(zerosum, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "SECONDS", 0.0)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "cifar-10-binary.tar.gz").touch()
    assert f"yes  cifar10 ({tmp_path / 'cifar10'})" in zerosum("doctor").out


def test_a_report_is_written_again(zerosum, image_run: Path) -> None:
    (image_run / "report.html").unlink()
    said = zerosum("report", image_run)
    assert (said.code, said.out) == (0, f"{image_run / 'report.html'}\n")
    text = (image_run / "report.html").read_text()
    for part in ("finished after 4 steps", "loss of D", "loss of G", "fd_fashion", "kernel", "arXiv:1511.06434"):
        assert part in text
