"""Recipes in files: found, explained, trained, opened elsewhere, and compared before they are used again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from own_texts import MINE, NETWORKS
from safetensors.torch import load_file

import zerosum
from zerosum import registry
from zerosum.cli.main import run
from zerosum.errors import UsageError
from zerosum.folder import RunFolder
from zerosum.own import from_file

FEW = {"data": "ring", "sample_every": 9, "watch": -1, "precision": "float32"}
WORDS = ["--sample-every", "9", "--watch=-1", "--precision", "float32"]


def trained(file: Path, out: Path, **words: object) -> zerosum.Run:
    return zerosum.train(file, **FEW, out=str(out), progress=False, **words)


def test_a_file_is_trained_sampled_scored_and_resumed_by_the_verbs(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(mine.parent)
    assert run(["train", "./my_gan.py", "ring", "--lr", "1e-3", *WORDS, "--out", str(tmp_path / "run")]) == 0
    record = RunFolder(tmp_path / "run").record()
    assert record["recipe"] == "mine"
    assert record["arguments"] == {"lr": 1e-3, "width": 8, "clever": False, "steps": 6}
    assert record["source"]["path"] == str(mine)
    assert set(record["source"]["files"]) == {"my_gan.py", "parts/__init__.py", "parts/nets.py"}
    # Elsewhere, without the project, in another process.
    shutil.move(tmp_path / "run", tmp_path / "moved")
    shutil.rmtree(mine.parent)
    monkeypatch.chdir(tmp_path)
    for words in (["sample", "moved"], ["resume", "moved", "--steps", "8"]):
        done = subprocess.run([sys.executable, "-m", "zerosum", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for verb in ("eval", "interpolate", "report"):
        assert run([verb, "moved"]) == 0
    assert json.loads((tmp_path / "moved" / "outcome.json").read_text())["step"] == 8


def test_the_help_of_a_file_is_as_that_of_a_recipe(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(mine), "--help"]) == 0
    said = capsys.readouterr().out
    assert "Mine. Departures: all." in said
    assert "Args:" not in said
    assert "--clever, --no-clever" in said  # by the type of its default
    assert "Whether it is." in said
    assert "--seed" in said


def test_a_run_goes_on_bit_for_bit_after_a_kill(mine: Path, tmp_path: Path) -> None:
    whole = trained(mine, tmp_path / "whole", steps=12).folder
    out = tmp_path / "killed"
    words = ["train", str(mine), "ring", *WORDS, "--save-every", "1", "--steps", "12", "--out", str(out)]
    with subprocess.Popen([sys.executable, "-m", "zerosum", *words], stderr=subprocess.DEVNULL) as process:
        while not any(out.glob("state/step-*")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert zerosum.resume(out, progress=False).outcome.step == 12
    expected, found = (load_file(folder.latest() / "tensors.safetensors") for folder in (whole, RunFolder(out)))
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert (out / "metrics.jsonl").read_text().count("\n") == 12


# Changed sources.


def test_a_file_that_has_changed_is_refused_with_the_difference(mine: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained(mine, out)
    text = mine.read_text()
    mine.write_text(text.replace("zs.penalties.r1(n.D, b.x)", "10 * zs.penalties.r1(n.D, b.x)"))
    with pytest.raises(UsageError, match=r"is not what .* was trained with") as caught:
        zerosum.resume(out, steps=8)
    assert '-        return {"adv": zs.objectives.hinge.d(' in str(caught.value)
    assert '+        return {"adv": zs.objectives.hinge.d(' in str(caught.value)
    assert zerosum.load(out).sample(3).shape == (3, 2)  # what was learnt can be looked at still
    with pytest.raises(UsageError, match=r"recipe=mine is not what"):
        zerosum.resume(out, recipe=mine, steps=8)
    mine.write_text(text)
    assert zerosum.resume(out, steps=7, progress=False).outcome.step == 7
    mine.unlink()
    assert zerosum.resume(out, steps=8, progress=False).outcome.step == 8


def test_a_network_beside_it_that_has_changed_is_refused_too(mine: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained(mine, out)
    nets = mine.parent / "parts" / "nets.py"
    nets.write_text(nets.read_text().replace("nn.ReLU()", "nn.Tanh()"))
    with pytest.raises(UsageError, match=r"nets\.py \(now\)"):
        zerosum.resume(out, steps=8)


def test_a_copy_that_has_changed_is_refused_by_all(mine: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained(mine, out)
    copy = out / "source" / "my_gan.py"
    text = copy.read_text()
    copy.write_text(text.replace("R1", "r1") + "# and more\n")
    with pytest.raises(UsageError, match=r"my_gan\.py has changed since the run was started"):
        zerosum.load(out).sample(1)
    with pytest.raises(UsageError, match=r"\+# and more"):
        zerosum.resume(out)
    copy.unlink()
    with pytest.raises(UsageError, match=r"my_gan\.py is missing"):
        zerosum.load(out).sample(1)


def test_a_record_cannot_name_files_outside_the_run(mine: Path, tmp_path: Path) -> None:
    folder = trained(mine, tmp_path / "run").folder
    record = folder.record()
    record["source"]["files"] = {"../../evil.py": "0" * 64}
    folder.write_record(record)
    with pytest.raises(UsageError, match="does not lie in the run's folder"):
        zerosum.load(folder.path).sample(1)


def test_two_projects_with_networks_of_one_name_do_not_mix(tmp_path: Path) -> None:
    shapes = []
    for number, change in enumerate(("nn.ReLU()", "nn.Tanh()")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "nets.py").write_text(NETWORKS.replace("nn.ReLU()", change))
        (folder / "gan.py").write_text(MINE.format(networks="nets"))
        page = from_file(folder / "gan.py")
        game = page.function(zerosum.data.load("ring")).phases[0].game
        shapes.append(type(game.nets["G"][1]).__name__)
        assert page.origin().files["nets.py"] == (folder / "nets.py").read_text()
    assert shapes == ["ReLU", "Tanh"]


# What is wrong with a file is one line.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_this_name\n", "line 1: ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("\n\nx = 1 / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("def recipe(data:\n", "line 1: SyntaxError"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        ("x = 1\n", "has no recipe: define a function recipe(data, *, ...) or mark one with @zerosum.recipe"),
        ("recipe = 3\n", "recipe is 3, but must be a function of the data"),
        ("from zerosum import recipe\n", "has no recipe"),
        ("def recipe():\n    pass\n", "recipe 'recipe' must take the data first"),
        ("def recipe(data, *, lr):\n    pass\n", "its argument 'lr' has no default; give it one"),
        ("def recipe(data, **more):\n    pass\n", "its argument 'more' cannot be given by name"),
        ("def recipe(data, *, lr: Rate = 1):\n    pass\n", "{file}, line 1: NameError: name 'Rate' is not defined"),
        (
            "from __future__ import annotations\ndef recipe(data, *, lr: Rate = 1):\n    pass\n",
            "an annotation of its arguments cannot be read",
        ),
        ("def recipe(data, *, seed=1):\n    pass\n", "every run has a setting 'seed'; give the argument another name"),
        ("def recipe(data, *, labels=1):\n    pass\n", "every run has a setting 'labels'"),
        ("def recipe(data, *, net=print):\n    pass\n", "net=<built-in function print> cannot be recorded"),
        ("def recipe(data, *, c: float = float('inf')):\n    pass\n", "c=inf cannot be recorded"),
        ("def recipe(data):\n    return {}\n", "returned dict, not a Recipe; return what two_player(...)"),
        ("def recipe(data):\n    pass\n", "returned NoneType, not a Recipe"),
        ("def recipe(data):\n    data.shappe\n", "AttributeError: 'Points' object has no attribute 'shappe'"),
        ("def recipe(data):\n    raise ValueError('too small')\n", "recipe 'bad' on ring: too small"),
        (
            "import zerosum as zs\n@zs.recipe\ndef a(data): ...\n@zs.recipe\ndef b(data): ...\n",
            "has several recipes (a, b): name one, as in {file}:a",
        ),
        (
            "import zerosum as zs\ndef recipe(data): ...\nzs.train(recipe, data='ring')\n",
            'trains or opens runs while it is imported; put that under if __name__ == "__main__":',
        ),
        (
            "import zerosum as zs\ndef recipe(data): ...\nzs.load('runs/x')\n",
            "trains or opens runs while it is imported",
        ),
    ],
)
def test_a_file_that_is_not_a_recipe_is_refused(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "bad.py", tmp_path / "run"
    file.write_text(text)
    assert run(["train", str(file), "ring", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said.format(file=file) in error
    assert error.count("\n") == 1, error
    assert not out.exists()
    with pytest.raises(UsageError):
        zerosum.train(str(file), data="ring", out=str(out))


def test_an_error_in_a_recipe_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("def recipe(data):\n    x = 1\n    return data.shape[5]\n")
    with pytest.raises(UsageError, match=r"bad\.py, line 3: IndexError"):
        zerosum.train(file, data="ring")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.py", "there is no file nowhere.py. Did you mean 'somewhere.py'?"),
        ("folder", "folder is a folder; name a Python file in it"),
        ("./folder", "folder is a folder; name a Python file in it"),
        ("somewhere.py:recip", "has no function 'recip'. Did you mean 'recipe'?"),
        ("somewhere", "there is no recipe 'somewhere'. To take the file, write ./somewhere.py."),
        ("no.module.here:recipe", "no.module.here cannot be imported (ModuleNotFoundError"),
        ("binary.py", "binary.py cannot be read"),
    ],
)
def test_what_is_not_there_is_said(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("somewhere.py").write_text("def recipe(data): ...\n")
    Path("binary.py").write_bytes(b"\xff\xfe\x00")
    Path("folder").mkdir()
    assert run(["train", name, "ring"]) == (1 if name == "binary.py" and os.getuid() < 0 else 2)
    assert said in capsys.readouterr().err


def test_one_of_several_recipes_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "both.py"
    file.write_text("import zerosum as zs\n@zs.recipe\ndef a(data): 'A.'\n@zs.recipe\ndef b_c(data): 'B.'\n")
    assert registry.page(f"{file}:b_c").name == "b-c"
    assert registry.page(f"{file}:a").text == "A."


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "gan.py"
    for text in ("First.", "Other."):  # of one length, within a second
        file.write_text(f'"""{text}"""\ndef recipe(data): ...\n')
        assert registry.page(file).text == text
    assert registry.page(file).name == "gan"
