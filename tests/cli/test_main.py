import subprocess
import sys
import warnings

import pytest

from zerosum import __version__
from zerosum.cli import main
from zerosum.cli.main import as_option, verbs
from zerosum.errors import CheckpointError, UsageError


def test_help_lists_every_verb(zerosum) -> None:
    for words in ([], ["--help"], ["help"]):
        said = zerosum(*words)
        assert said.code == 0
        assert all(f"\n  {verb} " in said.out for verb in verbs())
    assert zerosum("--version").out.strip() == __version__


@pytest.mark.parametrize("verb", list(verbs()))
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
        (["train", "dcgann"], 2, ["no recipe 'dcgann'", "Did you mean 'dcgan'?"]),
        (["train", "--steps", "3"], 2, ["the recipe comes first"]),
        (["train", "dcgan", "--widht", "3"], 2, ["--widht", "--width"]),
        (["train", "dcgan", "--data", "fashion-mnits"], 2, ["no source 'fashion-mnits'", "Did you mean"]),
        (["recipes", "wgan-pg"], 2, ["no recipe 'wgan-pg'", "Did you mean 'wgan-gp'?"]),
        (["data", "rign"], 2, ["no source 'rign'", "Did you mean 'ring'?"]),
    ],
)
def test_mistakes_are_explained(zerosum, words: list[str], code: int, parts: list[str]) -> None:
    said = zerosum(*words)
    assert said.code == code
    assert all(part in said.err for part in parts), said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("verb", ["sample", "interpolate", "report", "resume"])
def test_what_is_no_run_is_refused_with_the_nearest_one(zerosum, runs, verb: str) -> None:
    said = zerosum(verb, runs.images.parent / "imagse")
    assert said.code == 2
    assert "is not a run" in said.err
    assert f"Did you mean {runs.images}?" in said.err


def test_what_is_neither_a_run_nor_images_is_refused_with_the_nearest_run(zerosum, runs) -> None:
    said = zerosum("eval", runs.images.parent / "imagse")
    assert said.code == 2
    assert "there is no run, no path and no source of this name" in said.err
    assert f"Did you mean '{runs.images}'?" in said.err


def test_help_of_a_verb_can_be_asked_for_in_both_ways(zerosum) -> None:
    said = zerosum("help", "train")
    assert (said.code, said.out) == (0, zerosum("train", "--help").out)
    assert said.out.startswith("usage: zerosum train RECIPE")
    assert zerosum("help", "trian").err == zerosum("trian").err


def test_lists_of_names_fit_the_terminal(zerosum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = [line for line in zerosum("train", "--help").out.splitlines() if line.startswith("  ")]
    assert max(map(len, listed)) <= 80
    texts = "SNGAN with projection.", "DCGAN. Radford"
    starts = {line.index(text) for line in listed for text in texts if text in line}
    assert len(starts) == 1, "they stand below each other, however long the names are"


def test_a_short_word_is_not_likened_to_a_long_one(zerosum) -> None:
    assert "Did you mean" not in zerosum("train", "nope").err


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


@pytest.mark.parametrize(
    ("message", "argument", "shown"),
    [
        ("ema=2: must be below 1", "ema", "--ema 2: must be below 1"),
        ("ema must be below 1, got 2", "ema", "--ema must be below 1, got 2"),
        ("out=runs/a.b/c: already exists", "out", "--out runs/a.b/c: already exists"),
        ("n_critic=0: must be at least 1", "n_critic", "--n-critic 0: must be at least 1"),
        ("override=True accepts it", "override", "--override accepts it"),
        ("accept it with override=True", "override", "accept it with --override"),
        ("override=Trueish: no", "override", "--override Trueish: no"),
        ("strict=False: no", "strict", "--strict False: no"),
        ("size= is empty", "size", "--size is empty"),
        ("out=: is empty", "out", "--out: is empty"),
        ("metrics: there is no measure 'x'", "metrics", "--metrics: there is no measure 'x'"),
        ("a schema=1 and ema=2", "ema", "a schema=1 and --ema 2"),
        ("schema and ema", "ema", "schema and --ema"),
        ("ema=2 is more than ema=1", "ema", "--ema 2 is more than ema=1"),
        # What has a value is meant, wherever else the word stands.
        (
            "fid of across.jsonl differs; allow it with across=ema",
            "across",
            "fid of across.jsonl differs; allow it with --across ema",
        ),
        ("the run was started otherwise", "override", "the run was started otherwise"),
        ("ema=2: must be below 1", None, "ema=2: must be below 1"),
    ],
)
def test_an_argument_is_written_as_its_option(message: str, argument: str | None, shown: str) -> None:
    assert as_option(message, argument) == shown


def test_a_warning_is_a_line_that_is_said_once_wherever_it_arises(zerosum, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(argv: list[str]) -> int:
        warnings.warn("few samples", stacklevel=1)
        warnings.warn("few samples", stacklevel=1)
        warnings.warn("fewer samples", stacklevel=1)
        return 0

    monkeypatch.setattr("zerosum.cli.report.run", warn)
    for _ in range(2):  # a second command says it, too
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            assert zerosum("report", "x") == (0, "", "zerosum: few samples\nzerosum: fewer samples\n")


def test_errors_for_users_are_one_line_and_others_are_bugs(zerosum, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(argv: list[str]) -> int:
        raise errors.pop()

    monkeypatch.setattr("zerosum.cli.report.run", fail)
    errors: list[BaseException] = [CheckpointError("it is damaged"), UsageError("ema=2: no", argument="ema")]
    assert zerosum("report", "x") == (2, "", "zerosum: --ema 2: no\n")
    assert zerosum("report", "x") == (1, "", "zerosum: it is damaged\n")
    errors.append(KeyboardInterrupt())
    assert zerosum("report", "x") == (130, "", "interrupted\n")
    errors.append(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        zerosum("report", "x")


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["nonsense"], 2), (["report", "nowhere"], 2)])
def test_the_program_ends_with_the_code_of_the_verb(words: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    assert ended.value.code == code
