"""Where equations are: the page is fresh, what people would type finds the right file, every recipe cites."""

import subprocess
import sys
from pathlib import Path

import pytest

from zerosum import registry
from zerosum.cli.main import run
from zerosum.equations import SOURCE, equations, page, search

DOCS = Path(__file__).parents[1] / "docs" / "EQUATIONS.md"


def test_the_page_is_fresh() -> None:
    assert DOCS.read_text() == page(), "run: python -m zerosum.equations"


def test_every_link_of_the_page_leads_to_a_file() -> None:
    for e in equations():
        assert (DOCS.parent / "../src/zerosum" / e.file).is_file()


@pytest.mark.parametrize("name", registry.names())
def test_every_recipe_but_the_free_one_cites_its_paper(name: str) -> None:
    (found,) = [e for e in equations() if e.section == "recipes" and e.name == name]
    assert name == "custom" or "arXiv:" in found.text


@pytest.mark.parametrize(
    ("words", "name", "definition"),
    [
        ("gradient penalty", "gradient.wgan_gp", "def wgan_gp("),
        ("1802.05957 sigma", "spectral.spectral_norm", "def spectral_norm("),
        ("Goodfellow log D(G(z))", "minimax_loss.non_saturating_loss", "def non_saturating_loss("),
        ("frechet distance", "frechet.frechet_distance", "def frechet_distance("),
        ("spherical", "interpolate.slerp", "def slerp("),
    ],
)
def test_people_find_what_they_look_for(words: str, name: str, definition: str) -> None:
    found = {e.name: e for e in search(words)}
    assert name in found
    at = found[name]
    assert (SOURCE / at.file).read_text().splitlines()[at.line - 1].startswith(definition)


def test_what_names_the_words_comes_before_what_only_mentions_them() -> None:
    found = [e.name for e in search("wgan gp")]
    assert set(found[:2]) == {"wgan-gp", "gradient.wgan_gp"}
    assert search("zebra crossing") == []


def test_where_prints_places_without_importing_torch() -> None:
    code = "import sys; from zerosum.cli import main; main.run(['where', 'hinge']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first = done.stdout.splitlines()[0].split("  ")[0]
    file, line = first.rsplit(":", 1)
    nearest = search("hinge")[0]
    assert (Path(file), int(line)) == (SOURCE / nearest.file, nearest.line)
    assert done.stdout.count("    ") >= len(search("hinge")), "each with what it is"


def test_where_says_when_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["where", "wasserstien"]) == 1
    assert "wasserstein" in capsys.readouterr().err
