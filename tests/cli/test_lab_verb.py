"""``zerosum lab``: the list, one experiment, all of them, and the page that holds the results."""

import json
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from full_results import FULL, ROOT, one_of

from zerosum import lab
from zerosum.cli import main
from zerosum.errors import DataError, UsageError
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
        assert lab.find(name).title in " ".join(said.split())


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_list_fits_the_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main.run(["lab"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if "https://" not in line) <= max(columns, 74)  # the last line


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
    assert main.run(["lab", "biliner"]) == 2
    assert "no experiment 'biliner'. Did you mean 'bilinear'?" in capsys.readouterr().err


def test_what_is_done_elsewhere_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["lab", "truncation"]) == 2
    assert "zerosum truncation RUN" in capsys.readouterr().err
    main.run(["lab"])
    said = capsys.readouterr().out
    for name in ("truncation", "interpolation", "fid-vs-is"):
        assert re.search(rf"^{name} +elsewhere: ", said, re.M)
    assert "results/disturbances.md" not in re.sub(r"https://\S+", "", said), "what is not shipped has an address"
    root = Path(__file__).parents[2]
    assert all((root / file).exists() for file in ("tools/disturbances.py", "results/disturbances.md"))
    for verb in ("truncation", "interpolate"):
        assert main.run([verb, "--help"]) == 0


def test_one_experiment_leaves_numbers_figure_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "lab"
    words = ["lab", "bilinear", "--quick", "--lr", "0.2", "--out", str(out)]
    assert main.run(words) == 0
    record = json.loads((out / "bilinear-quick-lr=0.2.json").read_text())
    assert record["command"] == "zerosum lab bilinear --lr 0.2 --steps 300"
    assert record["arguments"] == {"lr": 0.2, "steps": 300, "strength": 1.0}
    assert (out / "bilinear-quick-lr=0.2-paths.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "index.html").read_text()
    assert record["says"][0] in page
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
    assert "quick sizes: lr 0.2 instead of 0.1, steps 300 instead of 1,000" in page
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
    before = (tmp_path / "transport-quick.json").read_bytes()
    with pytest.raises(FloatingPointError):
        results.carry_out(lab.Experiment("transport", "t", "x", broken, {}), Lab(), {}, "c", tmp_path)
    assert (tmp_path / "transport-quick.json").read_bytes() == before


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
    assert (tmp_path / "transport-quick.json").exists()
    assert not (tmp_path / "divergences-quick.json").exists()
    assert "boxes that are moved" in (tmp_path / "index.html").read_text()


def test_names_of_files_are_short_and_safe() -> None:
    one = lab.find("random-architectures")
    long = results.stem_of(one, {"count": 2, "depths": tuple(range(60)), "widths": (1,)}, 0)
    other = results.stem_of(one, {"count": 3, "depths": tuple(range(60)), "widths": (1,)}, 0)
    assert len(long) <= results.LONGEST
    assert long != other
    assert results.stem_of(lab.find("loss-meaning"), {"data": "folder:/a b/c"}, 0) == "loss-meaning-data=folder_a_b_c"
    assert results.stem_of(one, {"depths": (4, 6)}, 0) == "random-architectures-depths=4+6"
    defaults = {key: argument.default for key, argument in one.arguments.items()}
    assert results.stem_of(one, defaults, 0) == "random-architectures"
    assert results.stem_of(one, defaults | one.quick, 0) == "random-architectures-quick"


def test_a_page_links_code_and_papers_and_typesets(tmp_path: Path) -> None:
    experiment = one_of("dirac-gan")
    results.carry_out(experiment, Lab(), {}, "c", tmp_path)
    page = results.write_page(tmp_path).read_text()
    source = (ROOT / experiment.file).read_text().splitlines()
    assert source[experiment.line - 1].startswith("def experiment(")
    assert f"/blob/main/{experiment.file}#L{experiment.line}" in page
    assert '<a href="https://arxiv.org/abs/1801.04406">' in page
    assert page.count("<svg") == len(experiment.formulas) > 0
    assert "√(<i>γ</i><sup>2</sup>/4 − 1/4)" in page
    assert "gamma/2" not in re.sub(r"<svg.*?</svg>|<pre>.*?</pre>", "", page, flags=re.S)


@pytest.mark.parametrize("name", lab.titles())
def test_experiments_lead_to_their_code(name: str) -> None:
    experiment = lab.find(name)
    line = (ROOT / experiment.file).read_text().splitlines()[experiment.line - 1]
    assert line.startswith(("def experiment(", "experiment = "))
    assert experiment.formulas


def test_a_result_is_kept_if_its_claims_cannot_be_judged(tmp_path: Path) -> None:
    def broken(numbers: Any) -> dict[str, bool]:
        raise KeyError("no")

    with pytest.raises(KeyError):
        results.carry_out(one_of("bilinear", claims=broken), Lab(), {}, "c", tmp_path)
    assert json.loads((tmp_path / "bilinear.json").read_text())["says"] == ["found"]


def test_results_of_earlier_versions_are_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "bilinear.json").write_text(json.dumps(FULL["bilinear"] | {"figures": []}))
    assert FULL["bilinear"]["says"][0] in results.write_page(tmp_path).read_text()
    (tmp_path / "other.json").write_text("[1]")
    results.write_page(tmp_path)
    (tmp_path / "other.json").write_text("{")
    with pytest.raises(DataError, match=r"other.json is damaged"):
        results.write_page(tmp_path)


def test_where_nothing_can_be_written_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main.run(["lab", "bilinear", "--out", str(tmp_path / "file")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("zerosum: --out ")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_the_lab_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in ("nashpy", "ot", "sklearn", "datasets"):
        monkeypatch.setitem(sys.modules, extra, None)
    found = lab.find("nash").run(Lab(), steps=4, alone=4, looks=2)
    assert found.numbers["matrix games"]["matching pennies"]["equilibria"] == [[[0.5, 0.5], [0.5, 0.5]]]


def test_what_cannot_be_done_here_is_left_out_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from zerosum.lab.experiments import divergences

    def lacking(room: Lab) -> Findings:
        raise UsageError("this needs what is not here: pip install it")

    monkeypatch.setattr(divergences, "experiment", lacking)
    monkeypatch.setattr(divergences, "QUICK", {})
    main.run(["lab", "all", "--only", "divergences,transport,transport", "--quick", "--out", str(tmp_path)])
    said = capsys.readouterr()
    assert "left out: this needs what is not here: pip install it" in said.err
    assert "Traceback" not in said.err
    assert "[2/2] transport" in said.out, "each once"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bilinear", "--steps", "0"], "--steps 0: must be at least 2"),
        (["bilinear", "--steps", "1"], "--steps 1: must be at least 2"),
        (["bilinear", "--lr", "0"], "--lr 0.0: must be above 0"),
        (["bilinear", "--lr", "nan"], "--lr nan: must be 0 or more, and finite"),
        (["bilinear", "--strength", "-1"], "--strength -1.0: must be 0 or more, and finite"),
        (["mode-collapse", "--shots", "0"], "--shots 0: must be at least 1"),
        (["nash", "--looks", "1"], "--looks 1: must be at least 2"),
        (["random-architectures", "--depths", "-4"], "--depths -4: must be at least 0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_in_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["lab", *words, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"zerosum: {message}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", lab.titles())
def test_defaults_and_quick_sizes_are_accepted(name: str) -> None:
    experiment = lab.find(name)
    defaults = {key: one.default for key, one in experiment.arguments.items()}
    experiment.check(defaults)
    experiment.check(defaults | experiment.quick)
    assert set(experiment.least) <= set(defaults)
