"""Where numbers and pictures go: TensorBoard, and services that are replaced by packages with the same calls."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import zerosum
from zerosum.errors import UsageError
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.runs import tracking
from zerosum.runs.tracking import Journal, RowFile, TensorBoard, check_tracking

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick

SERVICE = """
import json, pathlib

CALLS = pathlib.Path(__file__).with_name("calls.jsonl")

def note(**call):
    with CALLS.open("a") as file:
        file.write(json.dumps(call, default=str) + "\\n")

class Image:
    def __init__(self, path):
        self.path = path
    def __str__(self):
        return "picture of " + pathlib.Path(self.path).name

class Run:
    def log(self, values, step):
        note(call="log", step=step, values=values)
        {fail}
    def finish(self):
        print("all sent")
        note(call="finish")

def init(**chosen):
    print("hello")
    note(call="init", **chosen)
    {refuse}
    return Run()
"""
Install = Callable[..., Callable[[], list[dict[str, Any]]]]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install("wandb")`` puts a package of that name in the path; what it returns lists the calls of it."""

    def put(name: str, *, fail: str = "pass", refuse: str = "pass") -> Callable[[], list[dict[str, Any]]]:
        package = tmp_path / "packages" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(SERVICE.replace("{fail}", fail).replace("{refuse}", refuse))
        monkeypatch.syspath_prepend(str(package.parent))
        monkeypatch.delitem(sys.modules, name, raising=False)
        for variable in ("WANDB_PROJECT", "TRACKIO_PROJECT", "WANDB_DIR"):
            monkeypatch.delenv(variable, raising=False)
        return lambda: list(Rows(package / "calls.jsonl"))

    yield put
    for name in ("trackio", "wandb"):
        sys.modules.pop(name, None)


def train(out: Path, **settings: Any) -> RunFolder:
    chosen = {"data": "ring", "out": str(out), "width": 4, "batch_size": 4, "steps": 4, "sample_every": 4, **settings}
    return zerosum.train("gan", progress=False, **chosen).folder


@pytest.mark.parametrize("service", ["trackio", "wandb"])
def test_a_service_gets_losses_scores_and_pictures_and_goes_on_after_a_resume(
    tmp_path: Path, install: Install, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = install(service)
    folder = train(tmp_path / "run", track=service)
    first, *logged, last = calls()
    assert (first["call"], last["call"]) == ("init", "finish")
    assert first["project"] == "zerosum"
    assert first["name"].startswith("run-")
    assert first["config"]["width"] == 4
    assert first["config"]["recipe"] == "gan"
    losses = [call for call in logged if "D/adv" in call["values"]]
    assert [call["step"] for call in losses] == [1, 2, 3, 4]
    for call, row in zip(losses, Rows(folder.metrics), strict=True):
        assert call["values"] == {k: v for k, v in row.items() if k not in ("step", "losses")} | row["losses"]
    pictures = [(call["step"], call["values"]["samples"]) for call in logged if "samples" in call["values"]]
    assert pictures == [(step, f"picture of step-{step:09d}.png") for step in (0, 4)]
    scores = {k: v for call in logged for k, v in call["values"].items() if k.startswith("scores/")}
    assert scores == {f"scores/{r['score']['name']}": r["score"]["value"] for r in Rows(folder.scores)}
    assert capsys.readouterr().out == "", "stdout is the run's"
    zerosum.resume(folder.path, steps=5, progress=False)
    again = calls()[len(logged) + 2]
    assert (again["call"], again["name"], again["resume"]) == ("init", first["name"], "allow")
    assert first["resume"] in (None, "never")
    if service == "wandb":
        assert (first["id"], first["dir"]) == (first["name"], str(folder.path))


def test_projects_can_be_named_by_the_services_own_variables(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = install("wandb")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_DIR", "elsewhere")
    train(tmp_path / "run", track="wandb", steps=1)
    assert (calls()[0]["project"], calls()[0]["dir"]) == ("mine", "elsewhere")


def test_a_package_that_is_missing_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r"^track=trackio: the package is not installed; run: pip install trackio$"
    ) as e:
        train(tmp_path / "run", track="trackio")
    assert e.value.argument == "track"
    assert not (tmp_path / "run").exists()


def test_a_folder_that_wandb_left_is_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="pip install wandb"):
        check_tracking(zerosum.Settings(track="wandb"))
    check_tracking(zerosum.Settings())


def test_a_service_that_does_not_start_is_said_on_one_line(tmp_path: Path, install: Install) -> None:
    install("wandb", refuse="raise RuntimeError('no API key\\nlog in')")
    with pytest.raises(UsageError, match=r"^track=wandb: it does not start \(RuntimeError: no API key log in\); mend"):
        train(tmp_path / "run", track="wandb")


def test_a_service_that_fails_in_the_middle_is_dropped_and_training_goes_on(
    tmp_path: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = install("trackio", fail="if step == 2: raise ConnectionError('gone')")
    run = zerosum.train("gan", data="ring", out=str(tmp_path / "run"), track="trackio", width=4, steps=4, progress=True)
    assert run.path.joinpath("outcome.json").exists()
    assert [row["step"] for row in Rows(run.folder.metrics)] == [1, 2, 3, 4]
    said = capsys.readouterr().err
    assert said.count("trackio failed and gets nothing more of this run, which goes on (ConnectionError: gone)") == 1
    assert max(call.get("step", 0) for call in calls()) == 2


def test_tensorboard_gets_pictures_too_and_forgets_what_is_logged_again(tmp_path: Path) -> None:
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = train(tmp_path / "run", save_every=2)
    shutil.rmtree(folder.checkpoint_for(4))  # as if killed after step 4 was logged, and before it was saved
    zerosum.resume(folder.path, steps=6, progress=False)
    events = EventAccumulator(str(folder.path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("D/adv")] == [1, 2, 3, 4, 5, 6]
    assert "scores/modes" in events.Tags()["scalars"]
    pictures = events.Images("samples")
    assert {0, 4, 6} <= {event.step for event in pictures}
    with Image.open(folder.samples / "step-000000004.png") as picture:
        event = next(event for event in pictures if event.step == 4)
        assert (event.width, event.height) == picture.size


@pytest.mark.parametrize("where", ["__init__", "add_row", "add_scalar", "add_picture", "close"])
def test_a_broken_tensorboard_is_said_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    def fail(*_: Any) -> None:
        raise AttributeError("module 'numpy' has no attribute 'bool8'")

    monkeypatch.setattr(TensorBoard, where, fail)
    run = zerosum.train("gan", data="ring", out=str(tmp_path / "run"), width=4, steps=3, progress=True)
    assert json.loads(run.folder.outcome_file.read_text())["finished"]
    assert len(list(Rows(run.folder.metrics))) == 3
    assert capsys.readouterr().err.count("note: tensorboard failed") == 1


def test_without_tensorboard_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    run = zerosum.train("gan", data="ring", out=str(tmp_path / "run"), width=4, steps=2, progress=True)
    assert "note" not in capsys.readouterr().err
    assert not (run.folder.path / "tensorboard").exists()


def test_the_runs_own_log_must_not_fail(tmp_path: Path) -> None:
    journal = Journal(RowFile(tmp_path / "missing" / "metrics.jsonl"), [], print)
    with pytest.raises(FileNotFoundError):
        journal.add_row(1, {}, {"D": 1.0})


def test_a_damaged_record_of_services_begins_anew(tmp_path: Path, install: Install) -> None:
    calls = install("trackio")
    folder = train(tmp_path / "run", track="trackio", steps=1)
    (folder.path / tracking.TRACKING_FILE).write_text("[1")
    zerosum.resume(folder.path, steps=2, progress=False)
    names = [(call["name"], call["resume"]) for call in calls() if call["call"] == "init"]
    assert names[0][0] != names[1][0]
    assert names[1][1] == "never"


def test_tracking_changes_nothing_that_is_learnt(tmp_path: Path, install: Install) -> None:
    install("trackio", fail="__import__('torch').manual_seed(step)")
    tracked, plain = train(tmp_path / "a", track="trackio"), train(tmp_path / "b")
    ends = [(folder.latest() / "tensors.safetensors").read_bytes() for folder in (tracked, plain)]
    assert ends[0] == ends[1]
    assert torch.equal(*(zerosum.load(folder.path).sample(9) for folder in (tracked, plain)))
