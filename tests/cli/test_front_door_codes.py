"""Exit codes are those that docs/install.md has a table of."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/install.md").read_text("utf-8")


def test_the_page_has_a_row_for_each_code() -> None:
    section = PAGE.split("## Exit codes\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| (\d+) \|", section, re.M) == ["0", "1", "2", "130"]


@pytest.mark.parametrize(
    "words",
    [
        ["data", "nowhere"],
        ["data", "nowhere/"],
        ["data", "folder:nowhere"],
        ["data", "zip:nowhere.zip"],
        ["data", "npz:nowhere.npz"],
        ["data", "folder:"],
        ["train", "gan", "nowhere/"],
        ["train", "gan", "--data", "folder:nowhere"],
        ["train", "./nowhere.py", "ring"],
        ["train", "gan", "ring", "--config", "nowhere.yaml"],
        ["eval", "nowhere/"],
        ["eval", "runs/nowhere"],
        ["sample", "runs/nowhere"],
        ["compare", "runs/nowhere", "runs/neither"],
        ["runs", "nowhere"],
        ["lab", "nowhere"],
        ["recipes", "nowhere"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_2_however_it_is_named(zerosum, words: list[str]) -> None:
    said = zerosum(*words)
    assert said.code == 2
    assert said.err.startswith("zerosum: ")
    assert said.err.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_real_images_that_are_not_there_are_2_as_well(zerosum, runs) -> None:
    for option in ("--against", "--held-out"):
        said = zerosum("eval", runs.images, option, "nowhere/", "--metrics", "copying")
        assert said.code == 2, said.err
        assert "there is no file or folder 'nowhere/'" in said.err


def test_what_is_there_and_damaged_is_1(zerosum) -> None:
    Path("photos.npz").write_bytes(b"not an archive")
    Path("empty").mkdir()
    for source in ("photos.npz", "npz:photos.npz", "empty/", "folder:empty"):
        said = zerosum("data", source)
        assert said.code == 1, source
        assert said.err.count("\n") == 1
