"""Completion of words: what is offered exists, all that exists is offered, and real shells put it in place."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zerosum import registry
from zerosum.cli import signatures
from zerosum.cli.candidates import candidates
from zerosum.cli.completion import SCRIPTS, answer, split
from zerosum.cli.main import run, verbs
from zerosum.data.sources import SOURCES
from zerosum.lab import EXPERIMENTS

PROGRAM = f'#!/bin/sh\nexec "{sys.executable}" -m zerosum "$@"\n'


def texts(*words: str) -> list[str]:
    return [one.text for one in candidates(list(words))]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two runs, photos, arrays and a recipe."""
    for name in ("runs/one", "runs/two", "my photos", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("runs/one", "runs/two"):
        (tmp_path / name / "run.json").write_text(json.dumps({"recipe": "wgan-gp"}))
    for name in ("photos.zip", "x.npz", "mine.py", "notes.txt", "net.onnx"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("verb", verbs())
def test_the_options_of_a_verb_are_those_that_it_takes(verb: str, place: Path, capsys: pytest.CaptureFixture) -> None:
    words = {"train": ["cgan"], "resume": ["runs/one"], "lab": ["nash"]}.get(verb, [])
    run([verb, *words, "--help"])
    said = capsys.readouterr().out
    # Options stand at the beginning of a line or after a vertical bar, in the help; a switch with both of its states.
    known = set(re.findall(r"(?:^|[│|{(,])\s*(--[a-z][a-z0-9-]*)", said, re.M)) | {"--help"}
    offered = set(texts(verb, *words, "-"))
    off = {f"--no-{name[2:]}" for name in known}
    if verb in ("lab", "resume"):  # the options of `lab all`; the help of resume is not that of a recipe
        assert offered >= known - off
    else:
        assert {name for name in offered if name not in known} == set()
        assert {name for name in known - off if name not in offered and f"--no-{name[2:]}" not in offered} == set()


@pytest.mark.parametrize("name", registry.names())
def test_the_options_of_a_recipe_are_its_arguments(name: str) -> None:
    offered = set(texts("train", name, "--"))
    for argument, parameter in registry.arguments(name).items():
        option = f"--{argument.replace('_', '-')}"
        assert (f"--no-{option[2:]}" if parameter.default is True else option) in offered


def test_verbs_recipes_sources_and_experiments(place: Path) -> None:
    assert set(texts("")) == {*verbs(), "--help", "--version"}
    assert texts("tra") == ["train"]
    assert texts("nope", "") == []
    assert set(texts("train", "")) == {*registry.names(), "mine.py", "my photos/", "runs/"}
    assert set(texts("train", "gan", "--data", "")) >= {*SOURCES, "photos.zip", "x.npz", "my photos/"}
    assert texts("train", "gan", "fashion-mi") == texts("data", "fashion-mi") == ["fashion-mini"]
    assert set(texts("lab", "")) == {*EXPERIMENTS.names, "all"}
    assert texts("completion", "z") == ["zsh"]
    assert texts("recipes", "wgan-g") == ["wgan-gp"]


def test_values_of_options(place: Path) -> None:
    assert texts("train", "gan", "--precision", "") == ["auto", "float32", "bf16"]
    assert texts("train", "gan", "--precision=b") == ["--precision=bf16"]
    assert texts("train", "gan", "--device", "c") == ["cpu", "cuda", "cuda:0"]
    assert texts("train", "gan", "--data", "folder:m") == ["folder:my photos/"]
    assert texts("train", "gan", "--data", "zip:") == ["zip:my photos/", "zip:photos.zip", "zip:runs/"]
    assert texts("eval", "runs/one", "--metrics", "k") == ["kid"]
    assert texts("eval", "runs/one", "--metrics", "fid,ki") == ["fid,kid"]
    assert "kid" not in str(texts("eval", "runs/one", "--metrics", "kid,k"))
    assert texts("eval", "runs/one", "--options", "kid.") == ["kid.subset_size=", "kid.subsets="]
    assert texts("eval", "runs/one", "--options", "pr.k=5,dc") == ["pr.k=5,dc.k="]
    assert set(texts("eval", "runs/one", "--features", "")) >= {"auto", "inception", "vgg16", "net.onnx"}
    assert texts("train", "gan", "--lr", "") == []
    assert "r1" in texts("train", "custom", "--penalty", "")
    assert set(texts("train", "custom", "--dynamics", "")) > {"alternating", "extragradient"}


def test_runs_and_files(place: Path) -> None:
    assert texts("sample", "") == ["runs/one", "runs/two", "my photos/", "runs/"]
    assert texts("sample", "runs/t") == texts("resume", "runs/t") == ["runs/two"]
    assert texts("sample", "runs/one", "") == []
    assert texts("compare", "runs/one", "runs/t") == ["runs/two"]
    assert "photos.zip" in texts("eval", "")
    assert "notes.txt" not in texts("eval", "")
    assert "--n-critic" in texts("resume", "runs/one", "--n")
    assert texts("resume", "nowhere", "--n-c") == []
    assert texts("sample", ".h") == [".hidden/"]
    assert texts("sample", "nowhere/x") == []


def test_options_that_were_given_are_not_offered_again(place: Path) -> None:
    assert "--lr" not in texts("train", "gan", "--lr", "1", "--")
    assert "--lr" in texts("train", "gan", "--width", "3", "--")


def test_a_recipe_of_ones_own(place: Path) -> None:
    (place / "mine.py").write_text(
        'from typing import Literal\nimport zerosum as zs\nKind = Literal["a", "b"]\n@zs.recipe\n'
        'def game(data, *, width: int = 3, kind: Kind = "a", big: bool = True):\n    """Mine.\n\n    Args:\n'
        '        width: Units of each layer.\n    """\n'
    )
    assert texts("train", "mine.py", "--wid") == ["--width"]
    assert [one.about for one in candidates(["train", "mine.py", "--wid"])] == ["Units of each layer."]
    assert texts("train", "mine.py", "--kind", "") == ["a", "b"]
    assert "--no-big" in texts("train", "mine.py", "--")
    (place / "mine.py").write_text("def broken(:")
    assert "--seed" in texts("train", "mine.py", "--")  # what every run has


@pytest.mark.parametrize("text", ["[]", "{", '{"recipe": ["x"]}', "\x00"])
def test_a_damaged_run_does_not_matter(text: str, place: Path) -> None:
    (place / "runs/one/run.json").write_text(text)
    assert "--seed" in texts("resume", "runs/one", "--")


@pytest.mark.parametrize(
    ("line", "words", "quote"),
    [
        ("zerosum ", ["zerosum", ""], ""),
        ("zerosum  tr", ["zerosum", "tr"], ""),
        (r"zerosum my\ p", ["zerosum", "my p"], ""),
        ('zerosum "my p', ["zerosum", "my p"], '"'),
        ("zerosum 'a\\b", ["zerosum", "a\\b"], "'"),
        ("zerosum 'a'b\"c d\"", ["zerosum", "abc d"], ""),
        ("", [""], ""),
    ],
)
def test_a_line_becomes_words(line: str, words: list[str], quote: str) -> None:
    assert split(line) == (words, quote)


def test_bash_gets_what_follows_its_own_divisions(place: Path) -> None:
    assert answer("bash", ":=", "zerosum train gan --data folder:m") == [r"my\ photos/"]
    assert answer("bash", "", "zerosum train gan --data folder:m") == [r"folder:my\ photos/"]
    assert answer("bash", ":=", 'zerosum train gan --data "folder:m') == ["folder:my photos/"]
    assert answer("bash", ":=", "zerosum train gan --precision=b") == ["bf16"]


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from zerosum.cli.main import run\n"
        "run(['completion', '--complete', 'zsh', 'train', 'wgan-gp', '--'])\n"
        "sys.exit(', '.join({'torch', 'numpy', 'tyro', 'rich', 'matplotlib'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--n-critic" in done.stdout


def test_an_unknown_shell(capsys: pytest.CaptureFixture) -> None:
    assert run(["completion", "bsh"]) != 0
    assert "name one shell, bash, zsh or fish. Did you mean 'bash'?" in capsys.readouterr().err
    assert run(["completion"]) == 2
    assert "usage" in capsys.readouterr().out
    for shell, script in SCRIPTS.items():
        assert run(["completion", shell]) == 0
        assert capsys.readouterr().out == script


@pytest.fixture
def shell(place: Path) -> Callable[..., list[str]]:
    """``shell(name, script)``: the lines that a real shell prints, with ``zerosum`` on its path."""
    program = place / "bin" / "zerosum"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)

    def ask(name: str, *options: str) -> list[str]:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed")
        environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(place)}
        done = subprocess.run([path, *options], capture_output=True, text=True, env=environment, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return ask


def test_in_bash(shell: Callable[..., list[str]]) -> None:
    lines = ["zerosum tra", "zerosum resume runs/", "zerosum train gan --data folder:m", "zerosum sample 'ru"]
    script = 'source <(zerosum completion bash); complete -p zerosum; for line in "$@"; do COMP_WORDS=(zerosum);'
    script += 'COMP_LINE="$line"; COMP_POINT=${#line}; _zerosum; echo "${COMPREPLY[*]}"; done'
    assert shell("bash", "--norc", "-c", script, "bash", *lines) == [
        *("complete -F _zerosum zerosum", "train", "runs/one runs/two", r"my\ photos/", "runs/one runs/two runs/"),
    ]


def test_in_fish(shell: Callable[..., list[str]]) -> None:
    lines = ["zerosum tra", "zerosum resume runs/", r"zerosum train gan --data my\ p", "zerosum nope "]
    script = "zerosum completion fish | source; for line in $argv; complete -C $line; end"
    assert shell("fish", "--no-config", "-c", script, *lines) == [
        *("train\ttrain a recipe on data", "runs/one", "runs/two", "my photos/"),
    ]


def test_zsh_takes_the_script(shell: Callable[..., list[str]]) -> None:
    script = "autoload -U compinit; compinit -D -u; source <(zerosum completion zsh); echo $_comps[zerosum]"
    assert shell("zsh", "-f", "-c", script) == ["_zerosum"]


def test_the_signature_of_an_unreadable_page_is_empty(place: Path) -> None:
    assert signatures.of_recipe("nowhere.py") == signatures.of_recipe("nope") == {}
    assert signatures.of_recipe("notes.txt") == {}
