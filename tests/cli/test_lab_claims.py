"""``zerosum lab`` says what the numbers show of the claims of a page, and what not; results lie side by side."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from full_results import FULL, NOT_REPRODUCED

from zerosum import lab
from zerosum.cli import main
from zerosum.lab.base import Findings, Lab


@pytest.mark.parametrize("name", lab.titles())
def test_every_page_states_claims_that_its_full_size_shows(name: str) -> None:
    claims = lab.find(name).claims(FULL[name]["numbers"])
    assert claims
    assert all(type(shown) is bool for shown in claims.values())
    assert all(claims.values()) == (name not in NOT_REPRODUCED), claims


def altered(numbers: Any, change: Callable[[float], float]) -> Any:
    """Numbers in which every float is another one."""
    if isinstance(numbers, dict):
        return {key: altered(value, change) for key, value in numbers.items()}
    if isinstance(numbers, list):
        return [altered(value, change) for value in numbers]
    return change(numbers) if isinstance(numbers, float) else numbers


@pytest.mark.parametrize("name", sorted(set(lab.titles()) - NOT_REPRODUCED))
@pytest.mark.parametrize("seed", [0, 1, None])
def test_other_numbers_do_not_show_the_claims(name: str, seed: int | None) -> None:
    """Numbers at random, and nan, as of a training that diverged: no claim is true by construction."""
    rng = np.random.default_rng(seed)
    change = (lambda _: float(rng.normal(0, 100))) if seed is not None else (lambda _: float("nan"))
    claims = lab.find(name).claims(altered(FULL[name]["numbers"], change))
    assert not all(claims.values())


@pytest.mark.parametrize("name", lab.titles())
def test_claims_can_be_judged_of_zeros(name: str) -> None:
    judged = lab.find(name).claims(altered(FULL[name]["numbers"], lambda _: 0.0))
    assert judged
    assert {type(shown) for shown in judged.values()} == {bool}


def chase() -> Any:
    """Numbers of ``mode-collapse --quick`` as they were found: the plain game has one mode, WGAN-GP has one too."""
    numbers = json.loads(json.dumps(FULL["mode-collapse"]["numbers"]))
    for method in numbers["methods"].values():
        method["shots"][-1] |= {"modes": 1, "high_quality": 0.01}
    return numbers


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """``verb(numbers, *words)``: the verb, with an experiment ``mode-collapse`` that finds these numbers."""
    from zerosum.lab.experiments import mode_collapse

    def call(numbers: Any, *words: str) -> int:
        def experiment(room: Lab, *, steps: int = 4_000, shots: int = 5, count: int = 2_500) -> Findings:
            return Findings(numbers, ("found",))

        experiment.__doc__ = mode_collapse.experiment.__doc__
        monkeypatch.setattr(mode_collapse, "experiment", experiment)
        return main.run(["lab", *words, "--out", str(tmp_path)])

    return call


def test_quick_sizes_that_show_the_opposite_say_so(
    verb: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Formerly nothing said that WGAN-GP with one mode of eight was the doing of 250 steps."""
    assert verb(chase(), "mode-collapse", "--quick") == 0
    said = capsys.readouterr().out
    page = (tmp_path / "index.html").read_text()
    for text in (said, page):
        assert "quick sizes: steps 250 instead of 4,000, count 500 instead of 2,500" in text
        assert "NOT shown by these numbers: WGAN-GP and unrolling cover seven modes or all" in text
        assert "quick sizes are too small to say anything against a claim; at full size" in text
        assert "zerosum lab mode-collapse" in text
    assert 'class="open"' in page
    assert 'class="shown"' not in page


def test_full_size_says_what_it_shows(
    verb: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb(FULL["mode-collapse"]["numbers"], "mode-collapse") == 0
    said = capsys.readouterr().out
    assert "these numbers show what the page claims" in said
    assert "quick" not in said
    assert 'class="shown"' in (tmp_path / "index.html").read_text()
    assert verb(chase(), "mode-collapse") == 0
    assert "these are the default arguments: what is not shown was not reproduced" in capsys.readouterr().out
    assert verb(chase(), "mode-collapse", "--steps", "9000") == 0
    said = capsys.readouterr().out
    assert "not the default arguments: steps 9,000 instead of 4,000" in said
    assert "with the default arguments: `zerosum lab mode-collapse`" in said
    assert "too small" not in said


def test_results_of_other_arguments_are_kept(verb: Callable[..., int], tmp_path: Path) -> None:
    """Formerly the last one replaced all before it."""
    numbers = FULL["mode-collapse"]["numbers"]
    runs = [
        [],
        ["--quick"],
        ["--quick", "--shots", "2"],
        ["--steps", "100"],
        ["--seed", "3"],
        ["--steps", "100", "--seed", "3"],
    ]
    for words in [*runs, ["--steps", "100"]]:
        assert verb(numbers, "mode-collapse", *words) == 0
    stems = [
        "mode-collapse",
        "mode-collapse-quick",
        "mode-collapse-quick-shots=2",
        "mode-collapse-seed=3",
        "mode-collapse-steps=100",
        "mode-collapse-steps=100-seed=3",
    ]
    assert sorted(path.stem for path in tmp_path.glob("*.json")) == sorted(stems)
    page = (tmp_path / "index.html").read_text()
    assert "1 experiment, 6 results" in page
    for stem in stems:
        assert f'<a href="#{stem}">' in page
        assert page.count(f'id="{stem}"') == 1
    assert page.count("Eight Gaussians on a circle") == 1, "explained once"
