"""What people met in their first hour, and should not: each told by what the commands say and leave."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from zerosum import registry
from zerosum.cli.arguments import parse
from zerosum.runs.api import setup_of

ROOT = Path(__file__).parents[2]
TINY = ["--latent", "4", "--width", "2", "--batch-size", "4", "--precision", "float32", "--watch=-1"]
DCGAN = ["--kernel", "4", "--steps", "2", "--sample-every", "9"]


def write_photos(folder: str, shape: tuple[int, ...], count: int = 40) -> None:
    """Images of noise, the same each time, in two classes."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
    for i, each in enumerate(pixels):
        path = Path(folder, "ab"[i % 2], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(each).save(path)


def averaged(run: str, step: int) -> list[str]:
    """Names of the averaged tensors in a checkpoint."""
    with safe_open(Path(run, "state", f"step-{step:09}", "tensors.safetensors"), "pt") as tensors:
        return [name for name in tensors.keys() if name.startswith("average/")]  # noqa: SIM118


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No published weights are here, and none can be downloaded."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("there is no network here")

    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZEROSUM_WEIGHTS", raising=False)
    monkeypatch.setattr("urllib.request.urlopen", refuse)


# The running average that a recipe has by itself.


def test_the_command_line_keeps_the_running_average_of_a_recipe(zerosum) -> None:
    """Formerly the run's `--ema`, which is none unless asked for, hid the recipe's 0.9999, and a resume was refused."""
    write_photos("photos", (32, 32), 8)
    words = [*TINY, "--shared", "4", "--sample-every", "9", "--eval-count", "2", "--steps", "1", "--size", "32"]
    assert zerosum("train", "biggan", "--data", "folder:photos", *words, "--out", "run").code == 0
    kept = averaged("run", 1)
    assert kept
    said = zerosum("resume", "run", "--steps", 2, "--override")
    assert said.code == 0, said.err
    assert averaged("run", 2) == kept


@pytest.mark.parametrize(("words", "decay"), [([], 0.9999), (["--ema", "0.5"], 0.5), (["--ema", "0"], None)])
@pytest.mark.parametrize("recipe", ["biggan", "biggan-deep"])
def test_an_average_that_is_asked_for_takes_the_place_of_the_recipe_s(
    recipe: str, words: list[str], decay: float | None
) -> None:
    page = registry.page(recipe)
    options = parse(page, ["--latent", "4", "--width", "4", "--batch-size", "4", *words], "zerosum train")
    game = setup_of(page, options).recipe.phases[0].game
    assert game.average.keys() == (set() if decay is None else {"G"})
    if decay is not None:
        assert game.average["G"].decay(10**7) == decay


# Versions of torch.


def test_the_oldest_torch_was_tried_and_the_small_one_is_named() -> None:
    """All was tried with torch 2.12 (.ci/oldest.txt); on Linux `torch==2.13.0` alone brings CUDA."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    (oldest,) = [re.match(r"torch>=(\d+)\.(\d+)", one) for one in needed if one.startswith("torch")]
    assert oldest is not None
    assert tuple(map(int, oldest.groups())) >= (2, 12)
    for page in ("README.md", "docs/install.md", "constraints.txt"):
        text = (ROOT / page).read_text("utf-8")
        assert "https://download.pytorch.org/whl/cpu" in text, page
        assert "CUDA" in text, page
        assert "emove th" not in text, "a pin of torch does not choose between its builds"


# Scores of pictures of one's own.


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_a_training_on_colour_pictures_ends_with_a_score(zerosum) -> None:
    """Formerly it ended without a score and without a word, and what looks at pixels alone asked for Inception."""
    write_photos("photos", (32, 32, 3))
    said = zerosum("train", "dcgan", "--data", "folder:photos", "--size", 32, *TINY, *DCGAN, "--out", "run")
    assert said.code == 0, said.err
    assert re.search(r"^fd_random [\d.]+, floor ", said.out, re.M), said.out
    assert "fd_random" in Path("run/scores.jsonl").read_text()
    said = zerosum("eval", "run", "--metrics", "ms-ssim")
    assert (said.code, said.out.startswith("ms_ssim ")) == (0, True), said.err


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_grey_pictures_that_were_trained_at_another_size_are_scored_as_folders(zerosum) -> None:
    write_photos("photos", (40, 40))
    said = zerosum("train", "dcgan", "--data", "folder:photos", "--size", 32, *TINY, *DCGAN, "--out", "run")
    assert re.search(r"^fd_fashion [\d.]+, floor ", said.out, re.M), said.err
    assert zerosum("sample", "run", "--count", 30, "--out", "fakes/").code == 0
    said = zerosum("eval", "fakes", "--against", "folder:photos", "--size", 32)
    assert said.code == 0, said.err
    assert said.out.startswith("fd_shipped ")


# The command after `make demo`.


def test_the_readme_says_how_to_get_the_command() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert "pip install zerosum" in text
    assert "source .venv/bin/activate" in text
    assert ".venv/bin/zerosum" in text


def test_a_page_that_is_yet_to_be_measured_does_not_state_what_will_be_found() -> None:
    assert "same scores" not in (ROOT / "tools/precision_table.py").read_text("utf-8")
