"""What a run leaves in its folder, and when: pictures, checkpoints, scores, the best of them, and its seconds."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

import zerosum
from zerosum.core import checkpoint
from zerosum.core.game import State, start
from zerosum.errors import CheckpointError
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.metrics.score import Score
from zerosum.runs import loop, records
from zerosum.runs.log import Display
from zerosum.runs.loop import Stopwatch
from zerosum.runs.records import Moment, Records, check_weights
from zerosum.runs.setup import build
from zerosum.runs.tracking import Journal

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick
Train = Callable[..., RunFolder]


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps of the checkpoints that are written, pruned ones among them."""
    steps: list[int] = []
    save = checkpoint.save

    def note(path: Path, state: object, meta: dict[str, int]) -> None:
        steps.append(meta["step"])
        save(path, state, meta)

    monkeypatch.setattr(checkpoint, "save", note)
    return steps


def steps_of(file: Path) -> list[int]:
    return sorted({row["step"] for row in Rows(file)})


def pictured(folder: RunFolder) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in folder.samples.iterdir())


def test_everything_comes_when_it_is_due(tmp_path: Path, small: Train, saved: list[int]) -> None:
    folder = small(tmp_path / "run", log_every=4, sample_every=5, save_every=3, eval_every=4, eval_start=True, watch=2)
    assert steps_of(folder.metrics) == [4, 6]  # the last iteration is always logged
    assert pictured(folder) == [0, 5, 6]
    assert saved == [3, 4, 6]  # what is scored is saved
    assert steps_of(folder.scores) == [0, 4, 6]
    assert steps_of(folder.spectra) == [2, 4, 6]
    assert steps_of(folder.variety) == [0, 5, 6]


def test_by_default_a_run_leaves_ten_of_each_and_one_score(
    tmp_path: Path, saved: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        records, "draw_training", lambda setup, sampler, samples, step, path: path.touch()
    )  # drawing takes long
    settings = {"data": "ring", "out": str(tmp_path / "run")}
    folder = zerosum.train("gan", **settings, width=4, latent=2, batch_size=4, steps=20).folder
    assert steps_of(folder.metrics) == list(range(1, 21))
    assert pictured(folder) == list(range(0, 21, 2))
    assert saved == list(range(2, 21, 2))
    assert steps_of(folder.scores) == [20]


def test_no_more_than_some_minutes_of_training_are_lost(
    tmp_path: Path, small: Train, saved: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SAVE_SECONDS", 0.0)
    small(tmp_path / "run", save_every=100)
    assert saved == [1, 2, 3, 4, 5, 6]


def test_a_run_at_its_end_is_not_scored_again(folder: RunFolder) -> None:
    before = folder.scores.read_bytes()
    again = zerosum.resume(folder.path)
    assert folder.scores.read_bytes() == before
    kept = [Score.from_json(json.dumps(row["score"])) for row in Rows(folder.scores)]
    assert again.outcome.scores == kept
    assert again.outcome.finished


def test_a_resumed_run_goes_on_counting_seconds(folder: RunFolder) -> None:
    shutil.rmtree(folder.latest())
    file = folder.latest() / "meta.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "seconds": 1000.0}))
    assert zerosum.resume(folder.path).outcome.seconds > 1000
    assert list(Rows(folder.metrics))[-1]["seconds"] > 1000
    assert checkpoint.load_meta(folder.latest())["seconds"] > 1000


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_log_is_closed_whatever_happens(
    tmp_path: Path, small: Train, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | None
) -> None:
    close = Mock()
    monkeypatch.setattr(Journal, "close", close)
    if error is None:
        small(tmp_path / "run")
    else:
        monkeypatch.setattr(Records, "finish", Mock(side_effect=error))
        with pytest.raises(error):
            small(tmp_path / "run")
    close.assert_called_once_with()
    assert (tmp_path / "run" / "report.html").exists()


def test_the_time_limit_ends_a_run_after_an_iteration(tmp_path: Path, small: Train) -> None:
    folder = small(tmp_path / "run", minutes=1e-9)
    outcome = json.loads(folder.outcome_file.read_text())
    assert (outcome["step"], outcome["finished"]) == (1, False)
    assert folder.latest() == folder.checkpoint_for(1)


@pytest.fixture
def some_records(tmp_path: Path) -> Records:
    """Records of a run with checkpoints of three steps."""
    folder = RunFolder.create(str(tmp_path / "run"), "gan", "ring")
    for step in (1, 2, 3):
        folder.checkpoint_for(step).mkdir()
    return Records(build("gan", {"steps": 4, "width": 4}, zerosum.Settings(data="ring")), folder, Display())


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [("fd_fashion", (3.0, 1.0, 2.0), 2), ("modes", (3.0, 1.0, 2.0), 1), ("modes", (1.0, 4.0, 4.0), 2)],
)
def test_the_best_checkpoint_has_the_best_score(
    some_records: Records, name: str, values: tuple[float, ...], best: int
) -> None:
    folder = some_records.folder
    assert folder.best() is None
    for step, value in enumerate(values, 1):
        some_records.rank(Score(name, value, {}), step)
    assert folder.best() == folder.checkpoint_for(best)
    assert json.loads(folder.best_file.read_text())["value"] == values[best - 1]
    some_records.rank(Score(name, 0.0 if name == "fd_fashion" else 9.0, {}), 4)
    assert folder.best() == folder.checkpoint_for(best), "what was not saved cannot be the best"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_named(value: float) -> None:
    weights = {"G": {"a": torch.zeros(2)}, "D": {"b": torch.zeros(2), "c": torch.tensor([0.0, value])}}
    with pytest.raises(CheckpointError, match=r"^D/c contains NaN or infinity: not saved"):
        check_weights(State(weights, {}, {}, {}, {}))
    weights["D"]["c"].zero_()
    check_weights(State(weights, {}, {}, {}, {}))


def test_weights_that_are_not_finite_are_not_saved(some_records: Records) -> None:
    state = start(some_records.setup.recipe.phases[0].game)
    some_records.save(Moment(7, state, 0, 0.0))
    next(iter(state.weights["D"].values())).fill_(torch.nan)
    with pytest.raises(CheckpointError, match=r"^D/.* contains NaN or infinity"):
        some_records.save(Moment(8, state, 0, 0.0))
    assert some_records.folder.latest() == some_records.folder.checkpoint_for(7)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """``clock[0]`` is the time, in seconds."""
    now = [100.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    return now


def test_a_stopwatch_counts_only_while_it_runs(clock: list[float]) -> None:
    watch = Stopwatch()
    watch.before = 10.0  # of an earlier process
    clock[0] += 5
    assert watch.seconds == 10
    watch.start()
    clock[0] += 3
    assert (watch.seconds, watch.before) == (13, 10)
    watch.stop()
    clock[0] += 100
    assert (watch.seconds, watch.before) == (13, 13)
    watch.start()
    clock[0] += 1
    watch.stop()
    assert watch.seconds == 14


def test_pictures_and_scores_are_not_counted_as_training(
    tmp_path: Path, small: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, slept = loop.time.monotonic, [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: real() + slept[0])

    def sleep(*_: object) -> None:
        slept[0] += 1000

    monkeypatch.setattr(Records, "look", sleep)
    monkeypatch.setattr(Records, "picture", sleep)
    monkeypatch.setattr(Records, "draw", sleep)
    monkeypatch.setattr(Records, "score", lambda *_: [sleep()][:0])
    folder = small(tmp_path / "run", watch=2, sample_every=2, eval_every=2, eval_start=True, save_every=2)
    assert slept[0] > 9_000
    assert json.loads(folder.outcome_file.read_text())["seconds"] < 900
    assert list(Rows(folder.metrics))[-1]["seconds"] < 900
    assert checkpoint.load_meta(folder.latest())["seconds"] < 900
