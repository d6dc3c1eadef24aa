"""Files of options, dry runs, seeds and the list of runs: what is said in cases that come up once in a while."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from zerosum import registry
from zerosum.cli import arguments, seeds
from zerosum.cli.config import read_config
from zerosum.cli.train import CommandOptions
from zerosum.errors import UsageError
from zerosum.folder import RunFolder
from zerosum.runs.loop import Stop

FEW = ["--steps", "2", "--latent", "2", "--width", "4", "--batch-size", "4", "--sample-every", "9", "--watch=-1"]
LISTS = "def recipe(data, *, sizes: tuple[int, ...] = (4,), deep: bool = True, rate: float = 1.0): ...\n"


def parsed(page: Any, config: Path, *words: str) -> dict[str, Any]:
    """The options of a recipe with a file of options and words of the command line."""
    return arguments.parse(page, [*words], "zerosum train", config=read_config(config), more=CommandOptions)


# Files of options.


@pytest.mark.parametrize("name", ["o.yaml", "o.yml", "O.YAML"])
def test_values_of_any_kind_come_from_a_file(tmp_path: Path, name: str) -> None:
    recipe, file = tmp_path / "gan.py", tmp_path / name
    recipe.write_text(LISTS)
    file.write_text("sizes: [7, 8]\ndeep: false\nrate: -2\nwatch: -1\neval-start: true\nout: -a folder\n")
    found = parsed(registry.page(recipe), file)
    assert (found["sizes"], found["deep"], found["rate"]) == ((7, 8), False, -2.0)
    assert (found["watch"], found["eval_start"], found["out"]) == (-1, True, "-a folder")
    assert parsed(registry.page(recipe), file, "--deep", "--sizes", "9")["sizes"] == (9,)


def test_earlier_names_are_understood_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "o.yaml").write_text("k: 3\n")
    assert parsed(registry.page("gan"), tmp_path / "o.yaml")["n_critic"] == 3
    assert "--k is now called --n-critic" in capsys.readouterr().err


def test_only_two_sections_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text('{"arguments": {"width": 5}, "other": {"width": 6}}')
    with pytest.raises(UsageError, match="'other' is not an option of gan"):
        parsed(registry.page("gan"), tmp_path / "o.json")


def test_a_run_on_data_of_python_gives_its_options_but_not_its_data(runs, tmp_path: Path) -> None:
    record = json.loads((runs.points / "run.json").read_text())
    record["data"]["given"], record["settings"]["data"] = True, "array of 9 points"
    (tmp_path / "run.json").write_text(json.dumps(record))
    options = read_config(tmp_path).options
    assert options.keys().isdisjoint({"data", "out"})
    assert (options["latent"], options["steps"], options["sample_every"]) == (4, 2, 2)


def test_a_home_folder_may_be_written_short(zerosum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path.cwd()))
    Path("o.yaml").write_text("widht: 3\n")
    assert "'widht' is not an option of gan" in zerosum("train", "gan", "--config", "~/o.yaml").err
    assert "'widht' is not an option of gan" in zerosum("train", "gan", "--config=~/o.yaml").err


def test_a_file_that_is_not_named_is_a_mistake(zerosum) -> None:
    said = zerosum("train", "gan", "ring", "--config")
    assert said.code == 2
    assert "--config" in said.err


def test_an_argument_of_a_strange_type_is_one_line(zerosum) -> None:
    Path("gan.py").write_text("def recipe(data, *, f: __import__('threading').Lock = None): ...\n")
    said = zerosum("train", "./gan.py", "ring")
    assert (said.code, "'gan'" in said.err, "Traceback" in said.err) == (2, True, False)


# Dry runs.


def test_a_dry_run_says_where_and_how_much_will_be_kept(zerosum) -> None:
    sizes = {}
    for keep in ("0", "1", "2"):
        said = zerosum("train", "gan", "ring", *FEW, "--dry-run", "--out", "my folder", "--keep", keep)
        assert "folder    my folder (not made: this is a dry run)" in said.out
        (line,) = [line for line in said.out.splitlines() if line.startswith("disk ")]
        each, kept = (float(part.split()[0]) for part in line.removeprefix("disk").split(" a checkpoint, "))
        sizes[keep] = round(kept / each)
    assert sizes == {"0": 10, "1": 2, "2": 3}  # the best is kept besides


# What is said at the end.


def test_commands_that_go_on_can_be_pasted(zerosum) -> None:
    said = zerosum("train", "gan", "ring", *FEW, "--out", "my folder")
    assert "zerosum resume 'my folder' --steps 4\n" in said.out
    assert "zerosum sample 'my folder' --count 64\n" in said.out
    assert "goes on to step" not in said.out


# Seeds.


@pytest.fixture
def asked() -> dict[str, Any]:
    return arguments.parse(registry.page("gan"), [*FEW, "--data", "ring", "--out", "many"], "zerosum train")


def test_seeds_end_where_they_are_stopped(zerosum, asked, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, trained = Stop(), []

    def train(page: Any, options: dict[str, Any], path: Path, stop: Stop) -> None:
        trained.append((options["seed"], path))
        stop.asked = len(trained) == 2

    monkeypatch.setattr(seeds, "_train_one", train)
    assert seeds.train_seeds(registry.page("gan"), asked, "4-6", stop) == 130
    assert trained == [(4, Path("many/seed-4")), (5, Path("many/seed-5"))]
    assert "stopped at seed 5, saved." in capsys.readouterr().out


def test_a_seed_without_a_checkpoint_is_not_passed_over(zerosum, runs) -> None:
    words = ["train", "gan", "ring", *FEW, "--out", "many", "--seeds", "0"]
    assert zerosum(*words).code == 0
    for checkpoint in RunFolder("many/seed-0").checkpoints():
        checkpoint.rename(checkpoint.name)
    Path("many/seed-0/outcome.json").write_text("{")
    said = zerosum(*words)
    assert said.code == 2
    assert "many/seed-0 was stopped before its first checkpoint: delete it" in said.err


def test_what_auto_meant_is_kept_by_seeds_that_go_on(zerosum) -> None:
    words = ["train", "gan", "ring", *FEW, "--out", "many", "--seeds", "0"]
    assert zerosum(*words).code == 0
    assert "finished before" in zerosum(*words, "--compile", "off").err
    said = zerosum(*words, "--compile", "on")
    assert (said.code, "compile: recorded 'off', now 'on'" in said.err) == (2, True)


def test_there_may_be_as_many_seeds_as_that() -> None:
    assert len(seeds.read_seeds(f"1-{seeds.MOST}")) == seeds.MOST
    with pytest.raises(UsageError, match="give numbers or ranges"):
        seeds.read_seeds(f"0-{seeds.MOST}")


# The list of runs.


def test_states_of_runs_are_told_apart(zerosum, point_run: Path) -> None:
    folder = RunFolder(point_run)

    def state() -> str:
        return json.loads(zerosum("runs", point_run, "--json").out)[0]["state"]

    assert state() == "finished"
    with folder.locked():
        assert state() == "training"
    folder.outcome_file.unlink()
    assert state() == "stopped"
    for checkpoint in folder.checkpoints():
        checkpoint.rename(point_run / checkpoint.name)
    folder.metrics.unlink()
    folder.scores.unlink()
    assert state() == "not begun"
    assert " 0 of 2 " in zerosum("runs", point_run).out


def test_links_do_not_lead_in_circles_and_runs_are_in_order(zerosum, point_run: Path) -> None:
    folder = point_run.parent / "more"
    folder.mkdir()
    for name in ("c", "a", "b"):
        (folder / name).mkdir()
        (folder / name / "run.json").write_text("{}")
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    found = [row["run"] for row in json.loads(zerosum("runs", folder, "--json").out)]
    assert found == [str(folder / name) for name in "abc"]


def test_runs_without_a_number_of_steps_are_listed(zerosum, point_run: Path) -> None:
    record = json.loads((point_run / "run.json").read_text())
    del record["arguments"]["steps"]
    (point_run / "run.json").write_text(json.dumps(record))
    said = zerosum("runs", point_run)
    assert said.code == 0
    assert " of " not in said.out.splitlines()[1]
    del record["settings"]
    (point_run / "run.json").write_text(json.dumps(record))
    assert zerosum("runs", point_run).code == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "just now"), (59, "just now"), (61, "1 minute ago"), (2 * 3600 + 9, "2 hours ago"), (86_410, "1 day ago")],
)
def test_the_time_of_the_last_change_is_in_words(zerosum, point_run: Path, seconds: int, said: str) -> None:
    when = time.time() - seconds
    for file in point_run.glob("*.json*"):
        os.utime(file, (when, when))
    assert f" {said} " in zerosum("runs", point_run).out
