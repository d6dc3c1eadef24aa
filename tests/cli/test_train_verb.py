"""``train`` from a file of options, as a dry run, with several seeds; the list of runs."""

import json
import os
import re
import sys
from pathlib import Path
from urllib.error import URLError

import pytest

from zerosum.cli.config import read_config
from zerosum.cli.main import VERBS, code_of
from zerosum.cli.seeds import read_seeds
from zerosum.errors import CheckpointError, DataError, UsageError
from zerosum.folder import RunFolder
from zerosum.runs.settings import Settings, device_for

FEW = ["--steps", "2", "--latent", "2", "--width", "4", "--batch-size", "4", "--sample-every", "9", "--watch=-1"]


def recorded(path: str | Path) -> dict:
    record = RunFolder(path).record()
    return record["arguments"] | record["settings"]


def test_the_data_may_stand_after_the_recipe(zerosum) -> None:
    assert zerosum("train", "gan", "ring", *FEW, "--out", "run").code == 0
    assert recorded("run")["data"] == "ring"


# A file of options.


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "o.yaml",
            "recipe: gan\ndata: ring\nwidth: 5\nlr: 1e-3\nbatch-size: 4\nsteps: 2\nlatent: 2\neval_start: true\n",
        ),
        (
            "o.toml",
            'recipe = "gan"\n[arguments]\nwidth = 5\nlr = 1e-3\nbatch_size = 4\nsteps = 2\nlatent = 2\n'
            '[settings]\ndata = "ring"\neval_start = true\n',
        ),
        (
            "o.json",
            '{"recipe": "gan", "data": "ring", "width": 5, "lr": 0.001, "batch_size": 4, "steps": 2, "latent": 2,'
            '"eval_start": true}',
        ),
    ],
)
def test_options_come_from_a_file_and_words_go_before_them(zerosum, name: str, text: str) -> None:
    Path(name).write_text(text)
    said = zerosum("train", "--config", name, "--steps", "1", "--out", "run", "--watch=-1")
    assert said.code == 0, said.err
    found = recorded("run")
    assert {key: found[key] for key in ("data", "width", "lr", "steps", "eval_start")} == {
        "data": "ring", "width": 5, "lr": 1e-3, "steps": 1, "eval_start": True,
    }  # fmt: skip


def test_a_run_can_be_made_again_from_its_record(zerosum, runs) -> None:
    said = zerosum("train", f"--config={runs.points / 'run.json'}", "--out", "again")
    assert said.code == 0, said.err
    old, new = recorded(runs.points), recorded("again")
    assert {key for key in old if old[key] != new[key]} == {"out"}
    assert zerosum("train", "--config", runs.points, "--seed", 5, "--out", "other").code == 0  # the folder will do
    assert recorded("other")["seed"] == 5
    losses = [Path(run, "metrics.jsonl").read_text() for run in (runs.points, "again", "other")]
    losses = [re.findall(r'"losses": \{[^}]*\}', text) for text in losses]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("o.yaml", "widht: 5\n", "--config o.yaml: 'widht' is not an option of gan. Did you mean 'width'?"),
        ("o.yaml", "width: {a: 1}\n", "--config o.yaml: width must be one value, not a mapping"),
        ("o.yaml", "- width\n", "--config o.yaml: must be a mapping from options to values"),
        ("o.yaml", "a: [", "--config o.yaml: is damaged (while parsing"),
        ("o.yaml", "!!python/object/apply:os.system ['x']\n", "--config o.yaml: is damaged"),
        ("o.toml", "a =", "--config o.toml: is damaged"),
        ("o.json", "{", "--config o.json: is damaged"),
        ("o.txt", "", "--config o.txt: must be a run.json, or a .yaml, .toml or .json file of options"),
        ("o.yaml", "width: much\n", "much"),
    ],
)
def test_what_is_wrong_in_a_file_of_options_is_said(zerosum, name: str, text: str, said: str) -> None:
    Path(name).write_text(text)
    found = zerosum("train", "gan", "ring", "--config", name)
    assert found.code == 2
    assert said in " ".join(found.err.split())
    assert not Path("runs").exists()


def test_a_file_of_options_that_is_not_there_is_said(zerosum) -> None:
    assert "--config nowhere.yaml: cannot be read (No such file" in zerosum("train", "--config", "nowhere.yaml").err
    assert "run.json" in zerosum("train", "--config", ".").err
    Path("o.yaml").write_text("width: 3\n")
    said = zerosum("train", "--config", "o.yaml")
    assert (said.code, "the recipe comes first" in said.err) == (2, True)


def test_a_record_of_a_newer_version_is_said(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(CheckpointError, match="update zerosum"):
        read_config(tmp_path)


# Dry runs.


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(zerosum) -> None:
    said = zerosum("train", "gan", "ring", *FEW, "--dry-run")
    assert said.code == 0
    rows = dict(re.findall(r"^(\w+) +(.*)$", said.out, re.M))
    assert rows["data"] == "ring: points without limit of 2"
    assert re.fullmatch(r"G \d+ weights, D \d+ weights", rows["networks"])
    assert "2 steps" in rows["time"]
    assert "a checkpoint" in rows["disk"]
    assert rows["folder"] == "runs/gan-ring-1 (not made: this is a dry run)"
    assert re.match(r"[\d,]+ MiB", rows["memory"])
    assert os.listdir() == []


# Seeds.


def test_seeds_are_numbers_and_ranges() -> None:
    assert read_seeds("0-3") == (0, 1, 2, 3)
    assert read_seeds(" 7, 0 - 1 ,9") == (7, 0, 1, 9)


@pytest.mark.parametrize("text", ["", "a", "3-1", "-1", "1,,2", "0-99999999", "1.5", "0-2,1"])
def test_other_texts_are_not_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds"):
        read_seeds(text)


def test_several_seeds_are_trained_and_what_is_done_stays_done(zerosum) -> None:
    words = ["train", "gan", "ring", *FEW, "--save-every", 1, "--out", "many"]
    said = zerosum(*words, "--seeds", "0-1")
    assert said.code == 0, said.err
    assert [recorded(f"many/seed-{seed}")["seed"] for seed in (0, 1)] == [0, 1]
    assert "zerosum compare many/*" in said.out
    before = {path: path.stat().st_mtime_ns for path in Path("many").rglob("*")}
    # One was stopped, one is new, one is finished.
    (Path("many/seed-1/state/step-000000002")).rename("gone")
    Path("many/seed-1/outcome.json").unlink()
    said = zerosum(*words, "--seeds", "0-2")
    assert said.code == 0, said.err
    assert "many/seed-0: finished before" in said.err
    assert all(path.stat().st_mtime_ns == when for path, when in before.items() if "seed-0" in path.parts)
    assert Path("many/seed-1/state/step-000000002").is_dir()
    assert recorded("many/seed-2")["seed"] == 2
    # Another run than was asked for is not passed off as this one.
    said = zerosum(*words, "--lr", "0.5", "--seeds", "0")
    assert said.code == 2
    assert "lr: recorded 0.0002, now 0.5" in said.err
    assert zerosum("compare", "many/seed-0", "many/seed-1", "many/seed-2").code == 0


def test_a_seed_that_fails_does_not_end_the_others(zerosum) -> None:
    said = zerosum(
        "train", "wgan-gp", "ring", "--lr", "1e30", "--width", 4, "--steps", 9, "--seeds", "0,1", "--watch=-1"
    )
    assert said.code == 1
    assert "failed with 0, 1" in said.err
    assert said.err.count("the term ") == 2


def test_seeds_and_a_seed_are_not_both_taken(zerosum, runs) -> None:
    assert "not both" in zerosum("train", "gan", "ring", "--seed", 3, "--seeds", "0-1").err
    assert "is a run; with --seeds" in zerosum("train", "gan", "ring", "--seeds", "0", "--out", runs.points).err


# The list of runs.


def test_runs_are_listed_with_their_scores(zerosum, runs) -> None:
    said = zerosum("runs", runs.images.parent)
    assert said.code == 0
    lines = {line.split()[0]: line for line in said.out.splitlines()}
    assert re.search(r"dcgan +npz:.*clothes.npz +0 +4 of 4 +finished +.* fd_fashion ", lines[str(runs.images)])
    assert re.search(r"gan +ring +0 +2 of 2 +finished +.* modes ", lines[str(runs.points)])
    assert len(lines) == 5


def test_a_stopped_run_is_listed_with_the_step_that_it_saved(zerosum, image_run: Path) -> None:
    folder = RunFolder(image_run)
    first = folder.metrics.read_text().splitlines(keepends=True)[0]
    folder.metrics.write_text(first)  # the log has fewer rows than there were steps
    folder.outcome_file.unlink()
    assert re.search(r" 4 of 4 +stopped ", zerosum("runs", image_run).out)


def test_the_list_is_a_document_too(zerosum, runs) -> None:
    found = {Path(row["run"]).name: row for row in json.loads(zerosum("runs", runs.images.parent, "--json").out)}
    assert found["images"]["scores"]["fd_fashion"] > 0
    assert found["images"]["record"]["arguments"]["width"] == 4
    assert found["images"]["state"] == "finished"


def test_a_damaged_run_does_not_hide_the_others(zerosum, image_run: Path) -> None:
    (image_run.parent / "broken").mkdir()
    (image_run.parent / "broken" / "run.json").write_text("{")
    said = zerosum("runs", image_run.parent)
    assert said.code == 0
    assert "is damaged" in said.out
    assert str(image_run) in said.out


def test_no_runs_and_no_folder_are_said(zerosum) -> None:
    assert "no runs in runs" in zerosum("runs").out
    assert (zerosum("runs", "nowhere").code, zerosum("runs", "nowhere").err) == (
        2,
        "zerosum: nowhere is not a folder\n",
    )


def test_runs_are_listed_without_torch(zerosum, runs) -> None:
    import subprocess

    code = f"""
import sys
from zerosum.cli.main import run
run(["runs", {str(runs.images)!r}])
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Exit codes and devices.


def test_codes_tell_wrong_words_from_what_cannot_be_done() -> None:
    def caused(error: Exception, by: Exception) -> Exception:
        error.__cause__ = by
        return error

    assert code_of(UsageError("no such option")) == 2
    assert code_of(DataError("damaged")) == 1
    assert code_of(CheckpointError("damaged")) == 1
    assert code_of(caused(UsageError("--out x: cannot be written"), OSError(28, "No space left"))) == 1
    assert code_of(caused(UsageError("no such file"), FileNotFoundError(2, "No such file"))) == 2
    no_network = caused(ValueError("not downloaded"), URLError(OSError(-2, "Name or service not known")))
    assert code_of(caused(UsageError("--features auto: not downloaded"), no_network)) == 1


@pytest.mark.parametrize("device", ["mps", "meta", "cuda:99", "nonsense", "cuda", "xla", "cpu:x"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(zerosum, device: str) -> None:
    import torch

    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("it is there")
    said = zerosum("train", "gan", "ring", "--device", device)
    assert said.code == 2
    assert said.err.startswith(f"zerosum: --device {device}: ")
    assert said.err.count("\n") == 1
    assert not Path("runs").exists()


def test_devices_that_are_there() -> None:
    assert str(device_for(Settings(device="cpu:0"))) == "cpu"
    assert device_for(Settings(device="cpu")) == device_for(Settings(device="cpu:0"))


@pytest.mark.parametrize("verb", [name for name in VERBS.names if name != "completion"])
def test_a_mistyped_option_has_one_exit_code_everywhere(zerosum, verb: str) -> None:
    assert zerosum(verb, *(["gan"] if verb in ("train", "lab") else []), "--no-such-option").code == 2


def test_a_value_that_a_recipe_refuses_is_named_as_its_option(zerosum) -> None:
    said = zerosum("train", "dcgan", "--width", 0)
    assert said.code == 2
    assert "--width 0" in said.err
