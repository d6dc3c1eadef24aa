"""A run that is killed at a random moment ends, once resumed, bit for bit where the uninterrupted one ends."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import zerosum
from zerosum.cli import main
from zerosum.core.checkpoint import CheckpointError
from zerosum.recipe import UsageError
from zerosum.runs.folder import RunFolder
from zerosum.runs.log import rows_of
from zerosum.runs.loop import Stop

STEPS = 60
IMAGES = ["dcgan", "--data", "fashion-mini", "--width", "4", "--kernel", "4", "--batch-size", "16", "--ema", "0.9"]
POINTS = ["wgan-gp", "--data", "ring", "--width", "16", "--batch-size", "16", "--n-critic", "2"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "zerosum", *words]


def train(out: Path, recipe: list[str], *more: str) -> subprocess.Popen[bytes]:
    schedule = ["--steps", str(STEPS), "--save-every", "5", "--log-every", "1", "--out", str(out)]
    return subprocess.Popen(
        command("train", *recipe, *schedule, *more),
        env=ONE_THREAD,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def wait_for_checkpoint(out: Path, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 120
    while not list(out.glob("state/step-*")):
        assert process.poll() is None, "the run ended before its first checkpoint"
        assert time.monotonic() < limit, "no checkpoint after two minutes"
        time.sleep(0.01)


def ending(out: Path) -> tuple[bytes, list[dict[str, float]]]:
    tensors = (RunFolder(out).checkpoint_for(STEPS) / "tensors.safetensors").read_bytes()
    return tensors, [row["losses"] for row in rows_of(RunFolder(out).metrics)]


def kill_and_resume(tmp_path: Path, recipe: list[str], *more: str) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(whole, recipe, *more).wait() == 0
    process = train(killed, recipe, *more)
    wait_for_checkpoint(killed, process)
    time.sleep(random.uniform(0, 0.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = subprocess.run(command("resume", str(killed)), env=ONE_THREAD, capture_output=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    assert ending(killed) == ending(whole)


@pytest.mark.parametrize("recipe", [IMAGES, POINTS], ids=lambda r: r[0])
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, recipe: list[str]) -> None:
    kill_and_resume(tmp_path, recipe)


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted_when_compiled(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, POINTS, "--compile", "on")


SMALL = {"width": 4, "kernel": 4, "batch_size": 16, "steps": 6}


def small(out: Path, **settings: object) -> RunFolder:
    chosen = zerosum.Settings(out=str(out), **{"save_every": 2, "log_every": 1, **settings})  # type: ignore[arg-type]
    return zerosum.train("dcgan", chosen, **SMALL).folder


def test_a_stopped_run_is_saved_and_goes_on_exactly(tmp_path: Path) -> None:
    whole = small(tmp_path / "whole")
    stop = Stop()
    stop.asked = True  # as Ctrl-C during the first iteration
    chosen = zerosum.Settings(out=str(tmp_path / "stopped"), save_every=2, log_every=1)
    stopped = zerosum.train("dcgan", chosen, stop=stop, **SMALL)
    assert (stopped.outcome.step, stopped.outcome.finished) == (1, False)
    resumed = zerosum.resume(tmp_path / "stopped")
    assert resumed.outcome.finished
    last = whole.latest().name
    assert (resumed.folder.states / last / "tensors.safetensors").read_bytes() == (
        whole.states / last / "tensors.safetensors"
    ).read_bytes()


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        command("train", *IMAGES, "--steps", "100000", "--save-every", "5", "--out", str(out)),
        env=ONE_THREAD,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_checkpoint(out, process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"zerosum resume {out}" in said
    step = int(json.loads((RunFolder(out).latest() / "meta.json").read_text())["step"])
    assert f"stopped after {step:,} steps, saved" in said


def test_keeps_the_last_two_and_the_best(tmp_path: Path) -> None:
    folder = small(tmp_path / "run")
    assert [p.name for p in folder.checkpoints()] == ["step-000000004", "step-000000006"]
    first = folder.checkpoint_for(4)
    folder.mark_best(first, "fd_fashion", 1.0)
    zerosum.resume(folder.path, {"steps": 12}, override=True)
    assert [p.name for p in folder.checkpoints()] == ["step-000000004", "step-000000010", "step-000000012"]


def test_changed_arguments_are_refused_and_shown(tmp_path: Path) -> None:
    folder = small(tmp_path / "run")
    with pytest.raises(UsageError, match=r"width: recorded 4, now 8.*A run keeps these"):
        zerosum.resume(folder.path, {"width": 8})
    with pytest.raises(UsageError, match="width: recorded 4, now 8"):
        zerosum.resume(folder.path, {"width": 8}, override=True)
    with pytest.raises(UsageError, match=r"steps: recorded 6, now 8.*--override"):
        zerosum.resume(folder.path, {"steps": 8})
    assert zerosum.resume(folder.path, {"steps": 8}, override=True).outcome.step == 8
    assert folder.record()["arguments"]["steps"] == 8


def test_an_argument_that_is_newer_than_the_run_takes_its_default(tmp_path: Path) -> None:
    folder = small(tmp_path / "run")
    record = folder.record()
    del record["arguments"]["beta1"]
    folder.write_record(record)
    assert main.run(["resume", str(folder.path), "--steps", "8", "--override"]) == 0
    assert folder.record()["arguments"]["beta1"] == 0.5
    with pytest.raises(UsageError, match=r"beta1: recorded 0\.5, now 0\.0"):
        zerosum.resume(folder.path, {"beta1": 0.0})


def test_changed_data_are_refused(tmp_path: Path) -> None:
    folder = small(tmp_path / "run")
    record = folder.record()
    record["data"]["fingerprint"] = "0" * 64
    folder.write_record(record)
    with pytest.raises(UsageError, match="content has changed"):
        zerosum.resume(folder.path)


def test_a_truncated_checkpoint_is_named_and_the_one_before_works(tmp_path: Path) -> None:
    folder = small(tmp_path / "run")
    file = folder.latest() / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"truncated or damaged.*delete"):
        zerosum.resume(folder.path)
    for part in folder.latest().iterdir():
        part.unlink()
    folder.latest().rmdir()
    assert zerosum.resume(folder.path).outcome.step == 6


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    import torch

    folder = small(tmp_path / "run")
    torch.save({"a": torch.zeros(1)}, folder.latest() / "tensors.safetensors")
    with pytest.raises(CheckpointError, match="pickle"):
        zerosum.load(folder.path)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    folder = small(tmp_path / "run")
    meta = folder.latest() / "meta.json"
    meta.write_text(meta.read_text().replace('"dcgan"', '"lsgan"'))
    with pytest.raises(CheckpointError, match="'lsgan'"):
        zerosum.resume(folder.path)


def test_a_run_in_use_is_not_trained_twice(tmp_path: Path) -> None:
    folder = small(tmp_path / "run")
    with folder.locked(), pytest.raises(UsageError, match="another process"):
        zerosum.resume(folder.path)


def test_same_seed_same_result_and_another_seed_another(tmp_path: Path) -> None:
    def weights(out: Path, seed: int) -> bytes:
        return (small(out, seed=seed).latest() / "tensors.safetensors").read_bytes()

    first = weights(tmp_path / "a", 3)
    assert first == weights(tmp_path / "b", 3)
    assert first != weights(tmp_path / "c", 4)
