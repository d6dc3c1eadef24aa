import subprocess
import sys

import pytest

from zerosum import __version__
from zerosum.cli.main import VERBS


def test_help_lists_every_verb(zerosum) -> None:
    for words in ([], ["--help"], ["help"]):
        said = zerosum(*words)
        assert said.code == 0
        assert all(f"\n  {verb} " in said.out for verb in VERBS)
    assert zerosum("--version").out.strip() == __version__


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(zerosum, verb: str) -> None:
    said = zerosum(verb, "--help")
    assert said.code == 0
    assert said.out.startswith(f"usage: zerosum {verb}")
    assert len(said.out) > 150


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (["smaple"], 2, ["no verb 'smaple'", "Did you mean 'sample'?"]),
        (["sample"], 2, ["RUN"]),
        (["sample", "x", "--cuont", "3"], 2, ["--cuont", "--count"]),
        (["interpolate", "x", "--kind", "slurp"], 2, ["slurp", "slerp"]),
        (["train", "dcgann"], 1, ["no recipe 'dcgann'", "Did you mean 'dcgan'?"]),
        (["train", "--steps", "3"], 1, ["the recipe comes first"]),
        (["train", "dcgan", "--widht", "3"], 2, ["--widht", "--width"]),
        (["train", "dcgan", "--data", "fashion-mnits"], 1, ["no source 'fashion-mnits'", "Did you mean"]),
        (["recipes", "wgan-pg"], 1, ["no recipe 'wgan-pg'", "Did you mean 'wgan-gp'?"]),
        (["data", "rign"], 1, ["no source 'rign'", "Did you mean 'ring'?"]),
    ],
)
def test_mistakes_are_explained(zerosum, words: list[str], code: int, parts: list[str]) -> None:
    said = zerosum(*words)
    assert said.code == code
    assert all(part in said.err for part in parts), said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("verb", ["sample", "eval", "interpolate", "report", "resume"])
def test_what_is_no_run_is_refused_with_the_nearest_one(zerosum, runs, verb: str) -> None:
    said = zerosum(verb, runs.images.parent / "imagse")
    assert said.code == 1
    assert "is not a run" in said.err
    assert f"Did you mean {runs.images}?" in said.err


def test_a_damaged_record_is_refused(zerosum, image_run) -> None:
    (image_run / "run.json").write_text('{"schema": 1, "reci')
    for verb in ("sample", "report"):
        said = zerosum(verb, image_run)
        assert said.code == 1
        assert "run.json is damaged" in said.err


def test_answers_that_need_no_torch_do_not_wait_for_it() -> None:
    program = """
import sys
from zerosum.cli.main import run
asked = [["--help"], ["nonsense"], ["recipes"], ["recipes", "wgan-gp"], ["recipes", "nonsense"], ["train", "nonsense"],
         ["train", "--help"], ["report", "nonsense"], ["sample", "nonsense"], ["sample", "--help"], ["data", "--help"],
         ["lab"], ["lab", "nonsense"]]
for words in asked:
    run(words)
    assert "torch" not in sys.modules, words
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    program = [sys.executable, "-u", "-m", "zerosum", "recipes"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait() == 0
    assert said == ""
