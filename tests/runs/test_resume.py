"""A run that is killed at a random moment ends, once resumed, bit for bit where the uninterrupted one ends."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import zerosum
from zerosum.cli import main
from zerosum.errors import CheckpointError, UsageError
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.runs.loop import Stop

Train = Callable[..., RunFolder]
pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick

STEPS = 60
IMAGES = ["dcgan", "--width", "4", "--kernel", "4", "--batch-size", "16", "--ema", "0.9"]
POINTS = ["wgan-gp", "--data", "ring", "--width", "16", "--batch-size", "16", "--n-critic", "2", "--sample-every", "30"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A command line in another process, which ends with the block."""
    command = [sys.executable, "-m", "zerosum", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=ONE_THREAD, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_checkpoint(out: Path, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 120
    while not list(out.glob("state/step-*")):
        assert process.poll() is None, "the run ended before its first checkpoint"
        assert time.monotonic() < limit, "no checkpoint after two minutes"
        time.sleep(0.01)


def tensors(path: Path) -> bytes:
    return (path / "tensors.safetensors").read_bytes()


def ending(out: Path) -> tuple[bytes, list[dict[str, float]]]:
    folder = RunFolder(out)
    return tensors(folder.checkpoint_for(STEPS)), [row["losses"] for row in Rows(folder.metrics)]


def kill_and_resume(tmp_path: Path, *recipe: str) -> None:
    """The run that is killed has a process of its own; the others share this one, which must not matter."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    schedule = ["--steps", str(STEPS), "--save-every", "5", "--log-every", "1"]
    with running("train", *recipe, *schedule, "--out", str(killed)) as process:
        wait_for_checkpoint(killed, process)
        time.sleep(random.uniform(0, 0.5))
    assert main.run(["train", *recipe, *schedule, "--out", str(whole)]) == 0
    assert main.run(["resume", str(killed)]) == 0
    assert ending(killed) == ending(whole)


@pytest.mark.parametrize("recipe", [IMAGES, POINTS], ids=lambda r: r[0])
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, clothes: str, recipe: list[str]) -> None:
    kill_and_resume(tmp_path, *recipe, *(["--data", clothes] if recipe is IMAGES else []))


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted_when_compiled(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, *POINTS, "--compile", "on")


def test_a_stopped_run_is_saved_and_goes_on_exactly(tmp_path: Path, small: Train, small_run: RunFolder) -> None:
    stop = Stop()
    stop.asked = True  # as Ctrl-C during the first iteration
    stopped = small(tmp_path / "stopped", stop=stop)
    outcome = json.loads(stopped.outcome_file.read_text())
    assert (outcome["step"], outcome["finished"]) == (1, False)
    assert not stopped.scores.exists(), "who asks to stop does not wait for scores"
    resumed = zerosum.resume(stopped.path)
    assert resumed.outcome.finished
    assert tensors(resumed.folder.checkpoint_for(6)) == tensors(small_run.latest())


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, clothes: str) -> None:
    out = tmp_path / "run"
    with running(
        "train", *IMAGES, "--data", clothes, "--steps", "100000", "--save-every", "5", "--out", str(out)
    ) as process:
        wait_for_checkpoint(out, process)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"zerosum resume {out}" in said
    step = int(json.loads((RunFolder(out).latest() / "meta.json").read_text())["step"])
    assert f"stopped after {step:,} steps, saved" in said


def test_keeps_the_last_two_and_the_best(folder: RunFolder) -> None:
    assert [p.name for p in folder.checkpoints()] == ["step-000000004", "step-000000006"]
    first = folder.checkpoint_for(4)
    folder.mark_best(first, "fd_fashion", 1.0)
    zerosum.resume(folder.path, steps=12)
    assert [p.name for p in folder.checkpoints()] == ["step-000000004", "step-000000010", "step-000000012"]


def test_changed_arguments_are_refused_and_shown(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match=r"width: recorded 4, now 8; a run keeps these"):
        zerosum.resume(folder.path, width=8)
    with pytest.raises(UsageError, match=r"out: recorded .*; a run keeps these"):
        zerosum.resume(folder.path, out="elsewhere")
    with pytest.raises(UsageError, match=r"no argument or setting 'widht'\. Did you mean 'width'\?"):
        zerosum.resume(folder.path, widht=8)
    assert zerosum.resume(folder.path, steps=8).outcome.step == 8
    assert folder.record()["arguments"]["steps"] == 8


def test_fewer_steps_than_there_are_is_refused_and_nothing_changes(folder: RunFolder) -> None:
    said = r"steps=5: .* has 6 steps already; ask for more, or sample an earlier checkpoint"
    with pytest.raises(UsageError, match=said):
        zerosum.resume(folder.path, steps=5)
    assert folder.record()["arguments"]["steps"] == 6
    assert folder.latest().name == "step-000000006"


def test_an_argument_that_is_newer_than_the_run_takes_its_default(folder: RunFolder) -> None:
    record = folder.record()
    del record["arguments"]["beta1"]
    folder.write_record(record)
    assert main.run(["resume", str(folder.path), "--steps", "8"]) == 0
    assert folder.record()["arguments"]["beta1"] == 0.5
    with pytest.raises(UsageError, match=r"beta1: recorded 0\.5, now 0\.0"):
        zerosum.resume(folder.path, beta1=0.0)


def test_changed_data_are_refused(folder: RunFolder) -> None:
    record = folder.record()
    record["data"]["fingerprint"] = "0" * 64
    folder.write_record(record)
    with pytest.raises(UsageError, match="content has changed"):
        zerosum.resume(folder.path)


def test_a_truncated_checkpoint_is_named_and_the_one_before_works(folder: RunFolder) -> None:
    file = folder.latest() / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"truncated or damaged.*delete"):
        zerosum.resume(folder.path)
    for part in folder.latest().iterdir():
        part.unlink()
    folder.latest().rmdir()
    assert zerosum.resume(folder.path).outcome.step == 6


def test_a_pickle_is_refused(folder: RunFolder) -> None:
    torch.save({"a": torch.zeros(1)}, folder.latest() / "tensors.safetensors")
    with pytest.raises(CheckpointError, match="pickle"):
        zerosum.load(folder.path).generator(0, 1)


def test_a_checkpoint_of_another_recipe_is_refused(folder: RunFolder) -> None:
    meta = folder.latest() / "meta.json"
    meta.write_text(meta.read_text().replace('"dcgan"', '"lsgan"'))
    with pytest.raises(CheckpointError, match="'lsgan'"):
        zerosum.resume(folder.path)


def test_a_run_in_use_is_not_trained_twice(folder: RunFolder) -> None:
    with folder.locked(), pytest.raises(UsageError, match="another process"):
        zerosum.resume(folder.path)


def test_same_seed_same_result_and_another_seed_another(tmp_path: Path, small: Train, small_run: RunFolder) -> None:
    first = tensors(small_run.latest())
    assert first == tensors(small(tmp_path / "again").latest())
    assert first != tensors(small(tmp_path / "other", seed=4).latest())
