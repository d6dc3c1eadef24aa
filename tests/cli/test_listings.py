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


def test_a_source_is_described_and_drawn(zerosum, runs) -> None:
    said = zerosum("data", "ring")
    assert said.code == 0
    assert "modes        8" in said.out
    assert "data-ring.png" in said.out
    assert Path("data-ring.png").is_file()
    said = zerosum("data", f"npz:{runs.pixels}", "--size", 16, "--out", "new/x.png")
    assert "16 x 16, grey" in said.out
    with Image.open("new/x.png") as image:
        assert image.size == (128, 128)
    zerosum("data", f"npz:{runs.pixels}")
    assert [path.name for path in Path().glob("data-npz-*clothes.npz.png")]


def test_damaged_images_are_noted_or_refused(zerosum) -> None:
    folder = Path("pets")
    folder.mkdir()
    Image.new("L", (8, 8)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no image")
    lenient = zerosum("data", "folder:pets")
    assert lenient.code == 0
    assert "note " in lenient.out
    strict = zerosum("data", "folder:pets", "--strict")
    assert strict.code == 1
    assert "b.png" in strict.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["ring", "--size", 16], "size"),
        (["folder:nowhere"], "nowhere"),
        (["ring", "--out", "x.jpg"], "call it x.png"),
        (["ring", "--out", "file/x.png"], "cannot be written"),
    ],
)
def test_data_that_cannot_be_shown_is_explained(zerosum, words: list[object], part: str) -> None:
    Path("file").touch()
    said = zerosum("data", *words)
    assert said.code == 1
    assert part in said.err


def test_the_doctor_says_what_there_is(zerosum, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(doctor, "SECONDS", 0.0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == "gradio" else there(name))
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
    assert "no   gradio (the studio): pip install 'zerosum[studio]'" in said.out
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
