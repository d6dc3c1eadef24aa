"""``zerosum lab``: the list, one experiment, all of them, and the page that holds the results."""

import json
from html import escape
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum import lab
from zerosum.cli import main
from zerosum.lab import results
from zerosum.lab.base import Findings, Lab


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiment ``bilinear`` with few steps."""
    from zerosum.lab.experiments import bilinear

    monkeypatch.setattr(bilinear, "QUICK", {"steps": 30})


def test_the_list_names_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["lab"]) == 0
    said = capsys.readouterr().out
    for name in lab.titles():
        assert f"{name} " in said
        assert lab.find(name).title in said


def test_a_file_among_the_experiments_is_all_that_it_takes() -> None:
    files = (Path(lab.__file__).parent / "experiments").glob("[!_]*.py")
    assert list(lab.titles()) == sorted(file.stem.replace("_", "-") for file in files)
    assert len(lab.titles()) == 22


@pytest.mark.parametrize("name", lab.titles())
def test_every_experiment_explains_itself(name: str) -> None:
    experiment = lab.find(name)
    assert 10 <= len(experiment.title) <= 115
    assert len(experiment.text) > 300, "a page of explanation"
    assert set(experiment.quick) <= set(experiment.arguments)
    from zerosum.arguments import documented

    assert set(experiment.arguments) <= set(documented(experiment.run.__doc__ or "")), "each argument is explained"


def test_an_unknown_name_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["lab", "biliner"]) == 1
    assert "no experiment 'biliner'. Did you mean 'bilinear'?" in capsys.readouterr().err


def test_what_is_done_elsewhere_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["lab", "truncation"]) == 1
    assert "zerosum truncation RUN" in capsys.readouterr().err
    main.run(["lab"])
    said = capsys.readouterr().out
    for name in ("truncation", "interpolation", "fid-vs-is"):
        assert f"\n  {name}: " in said
    root = Path(__file__).parents[2]
    assert all((root / file).exists() for file in ("tools/disturbances.py", "results/disturbances.md"))
    for verb in ("truncation", "interpolate"):
        assert main.run([verb, "--help"]) == 0


def test_one_experiment_leaves_numbers_figure_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "lab"
    words = ["lab", "bilinear", "--quick", "--lr", "0.2", "--out", str(out)]
    assert main.run(words) == 0
    record = json.loads((out / "bilinear.json").read_text())
    assert record["command"] == "zerosum lab bilinear --lr 0.2 --steps 300"
    assert record["arguments"] == {"lr": 0.2, "steps": 300, "strength": 1.0}
    assert (out / "bilinear-paths.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "index.html").read_text()
    assert record["says"][0] in page
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
    assert record["says"][0] in capsys.readouterr().out
    assert page.count("<summary>all numbers</summary>") == 1
    assert f"<pre>{escape(json.dumps(record['numbers'], indent=1))}</pre>" in page


@pytest.mark.usefixtures("short")
def test_all_keeps_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path)
    words = ["lab", "all", "--only", "transport", "--quick", "--keep", "--out", out]
    assert main.run(words) == 0
    assert "transport: " in capsys.readouterr().out
    assert main.run(words) == 0
    assert "transport: " not in capsys.readouterr().out
    assert main.run([*words, "--seed", "1"]) == 0
    assert "transport: " in capsys.readouterr().out


def test_numbers_become_json() -> None:
    given = {"a": np.float64(1.5), "b": torch.tensor([1, 2]), "c": (float("inf"), None), 3: {"d": True}}
    assert results.to_plain(given) == {"a": 1.5, "b": [1, 2], "c": ["inf", None], "3": {"d": True}}
    with pytest.raises(TypeError, match="cannot hold <object object"):
        results.to_plain(object())


@pytest.mark.usefixtures("short")
def test_an_experiment_that_fails_leaves_the_page_of_the_others(tmp_path: Path) -> None:
    def broken(room: Lab) -> Findings:
        raise FloatingPointError("no")

    assert main.run(["lab", "transport", "--quick", "--out", str(tmp_path)]) == 0
    before = (tmp_path / "transport.json").read_bytes()
    with pytest.raises(FloatingPointError):
        results.carry_out(lab.Experiment("transport", "t", "x", broken, {}), Lab(), {}, "c", tmp_path)
    assert (tmp_path / "transport.json").read_bytes() == before


@pytest.mark.usefixtures("short")
def test_one_of_many_that_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from zerosum.lab.experiments import divergences

    def broken(room: Lab) -> Findings:
        raise FloatingPointError("no such luck")

    monkeypatch.setattr(divergences, "experiment", broken)
    monkeypatch.setattr(divergences, "QUICK", {})
    assert main.run(["lab", "all", "--only", "divergences,transport", "--quick", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "no such luck" in said.err
    assert "failed: divergences" in said.err
    assert (tmp_path / "transport.json").exists()
    assert not (tmp_path / "divergences.json").exists()
    assert "boxes that are moved" in (tmp_path / "index.html").read_text()
