"""``zerosum doctor --self-test``: a check whose object is broken fails and says why; nothing is left behind."""

import importlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zerosum import penalties
from zerosum.cli import main, self_test
from zerosum.cli.self_test import CHECKS, Check, SelfTestError
from zerosum.data import Images, load

BY_NAME = {check.name: check for check in CHECKS}


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """``only(check, ...)`` runs the self-test with these checks, its folder below ``tmp_path / "here"``."""
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "here"))

    def play(*checks: Check) -> int:
        for name in ("_devices", "_extras"):
            monkeypatch.setattr(self_test, name, list)
        monkeypatch.setattr(self_test, "CHECKS", checks)
        code = main.run(["doctor", "--self-test"])
        assert not list((tmp_path / "here").iterdir()), "something is left behind"
        return code

    return play


def test_what_goes_well_and_what_does_not(only: Callable[..., int], capsys: pytest.CaptureFixture) -> None:
    def broken(place: Path) -> str:
        (place / "something").touch()
        raise RuntimeError("a reason\nof two lines")

    said = Check("first", lambda place: "seen"), Check("second", broken), Check("third", broken, needs="second")
    assert only(*said) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok      first         seen (")
    assert "RuntimeError: a reason of two lines at " in lines[1]
    assert "test_self_test.py:" in lines[1]
    assert lines[2].startswith("failed  third         not tried, because second failed")
    assert lines[-1].startswith("2 of 3 checks failed: second, third (")
    assert only(said[0]) == 0
    assert "all is well" in capsys.readouterr().out


def test_the_quick_checks_go_well(only: Callable[..., int], capsys: pytest.CaptureFixture) -> None:
    before = dict(os.environ)
    assert only(BY_NAME["data"], BY_NAME["penalty"]) == 0
    said = capsys.readouterr().out
    assert "10,000 images of clothes" in said
    assert "of the closed form" in said
    assert dict(os.environ) == before


@pytest.mark.parametrize("wrong", [lambda value: value * 1.001, lambda value: value.detach()])
def test_a_wrong_penalty_is_noticed(
    wrong: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = penalties.wgan_gp
    monkeypatch.setattr(penalties, "wgan_gp", lambda *given: wrong(right(*given)))
    with pytest.raises(SelfTestError, match="its derivative is off by"):
        self_test.check_penalty(tmp_path)


def test_damaged_data_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load("fashion-mini", progress=False)
    part = Images.of(whole.pixels[:9], whole.labels[:9], name="fashion-mini", classes=whole.classes)
    monkeypatch.setattr("zerosum.data.load", lambda *_, **__: part)
    with pytest.raises(SelfTestError, match="fashion-mini is not whole"):
        self_test.check_data(tmp_path)


def test_a_command_that_fails_gives_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(SelfTestError, match=r"zerosum sample ended with [12]: zerosum: .*nowhere"):
        self_test.command("sample", tmp_path / "nowhere")


def test_an_interruption_ends_all(only: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test.main, "run", lambda words: 130)
    with pytest.raises(KeyboardInterrupt):
        self_test.command("train", "gan")


def test_a_run_that_differs_after_a_kill_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"killed": {"G": ("float32", (1,), b"1")}, "whole": {"G": ("float32", (1,), b"2")}}
    monkeypatch.setattr(self_test, "kill", lambda *_: 10)
    monkeypatch.setattr(self_test, "command", lambda *_: "")
    monkeypatch.setattr(self_test, "_weights", lambda run: weights[run.name.split("-")[0]])
    with pytest.raises(SelfTestError, match="other weights"):
        self_test.check_resume(tmp_path)
    monkeypatch.setattr(self_test, "kill", lambda *_: None)
    with pytest.raises(SelfTestError, match="ended before it could be killed"):
        self_test.check_resume(tmp_path)


def test_a_process_that_cannot_start_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SelfTestError, match=r"zerosum train ended with [12]: .*'nope'"):
        self_test.kill(["train", "nope"], tmp_path / "run", tmp_path / "said.txt")


def test_weights_are_compared_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.numpy import save_file

    seen = []
    for value in (0.0, -0.0, 0.0):
        folder = tmp_path / str(len(seen)) / "state" / "step-000000001"
        folder.mkdir(parents=True)
        save_file({"G": np.array([value], np.float32)}, folder / "tensors.safetensors")
        seen.append(self_test._weights(folder.parents[1]))
    assert seen[0] == seen[2] != seen[1]


def test_without_a_place_for_temporary_files(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert main.run(["doctor", "--self-test"]) == 1
    assert capsys.readouterr().err == (
        "zerosum: no temporary folder can be made (No such file or directory); set TMPDIR to one\n"
    )


def test_only_what_is_installed_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    assert "sklearn" in {check.name for check in self_test._extras()}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == "sklearn" else there(name))
    assert "sklearn" not in {check.name for check in self_test._extras()}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [check.name for check in self_test._devices()] == ["cuda:0", "cuda:1"]


@pytest.mark.parametrize("package", ["sklearn", "onnxruntime"])
def test_extras_work(package: str, tmp_path: Path) -> None:
    check = next(check for check in self_test._extras() if check.name == package)
    assert check.act(tmp_path)
