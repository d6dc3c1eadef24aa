"""What happens by the clock: the limit of a call, its pictures and rows, early checkpoints; nothing else does."""

import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import zerosum
from zerosum.core import checkpoint, parallel
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.runs import api, loop, records, renewal
from zerosum.runs.log import Display, Standing
from zerosum.runs.loop import Outcome, Stop, Training
from zerosum.runs.setup import build


class Told(Display):
    """Remembers what it was told, and when."""

    shown = True

    def __init__(self) -> None:
        self.said: list[str] = []
        self.seen: list[tuple[float, Standing]] = []

    def update(self, standing: Standing) -> None:
        self.seen.append((time.monotonic(), standing))

    def say(self, text: str) -> None:
        self.said.append(text)


Clock = Callable[[float], list[float]]
Play = Callable[..., tuple[Outcome, Told, RunFolder]]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """``clock(2.0)``: from now on an iteration takes two seconds, and all else no time."""
    now, each = [1000.0], [0.0]
    real = loop.phases

    def phases(*args: Any) -> Iterator[Any]:
        for item in real(*args):
            now[0] += each[0]
            yield item

    def set_pace(seconds: float) -> list[float]:
        each[0] = seconds
        return now

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(loop, "phases", phases)
    return set_pace


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """``play("run", steps=9, minutes=1)`` trains in that folder, or goes on where there is a checkpoint."""
    monkeypatch.setattr(records, "draw_training", lambda setup, sampler, samples, step, path: path.touch())
    monkeypatch.setattr(records, "open_journal", quiet_journal)

    def train(out: str, *, steps: int, stop: Stop | None = None, **settings: Any) -> tuple[Outcome, Told, RunFolder]:
        chosen = {"data": "ring", "watch": -1, "metrics": "", **settings}
        setup = build("gan", {"width": 4, "batch_size": 4, "steps": steps}, zerosum.Settings(**chosen))
        folder, told = RunFolder(tmp_path / out), Told()
        again = folder.path.exists()
        if not again:
            folder = RunFolder.create(str(folder.path), "gan", "ring")
            folder.write_record(api.record_of(setup))
        training = Training(setup, folder, told, stop or Stop())
        if again:
            training.restore()
        return training.play(), told, folder

    return train


def quiet_journal(setup: Any, folder: RunFolder, display: Display, step: int) -> Any:
    from zerosum.runs.tracking import Journal, RowFile

    return Journal(RowFile(folder.metrics), [], display.say)


def pictured(folder: RunFolder) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in folder.samples.iterdir())


def rows(folder: RunFolder) -> list[tuple[int, dict[str, float]]]:
    return [(row["step"], row["losses"]) for row in Rows(folder.metrics)]


def tensors(folder: RunFolder) -> bytes:
    return (folder.latest() / "tensors.safetensors").read_bytes()


def test_minutes_are_those_of_each_call(play: Play, clock: Clock) -> None:
    clock(1.0)
    first, told, folder = play("run", steps=1000, minutes=0.1)
    assert (first.step, first.finished, first.ended) == (7, False, "minutes")
    assert (first.seconds, first.spent) == (7, 7)
    assert told.said[-2] == "stopped after 0.12 minutes at step 7 of 1,000, at the time limit (0.1 min)"
    assert told.said[-1].startswith("step 7: modes"), "it is scored all the same"
    second, *_ = play("run", steps=1000, minutes=0.1)
    assert (second.step, second.ended, second.seconds, second.spent) == (14, "minutes", 14, 7)
    kept = json.loads(folder.outcome_file.read_text())
    assert (kept["ended"], kept["finished"], kept["spent"]) == ("minutes", False, 7)
    third, *_ = play("run", steps=20, minutes=0.1)
    assert (third.step, third.finished, third.ended) == (20, True, "finished")


def test_a_run_that_ends_with_its_minutes_is_finished(play: Play, clock: Clock) -> None:
    clock(60.1)
    outcome, told, _ = play("run", steps=1, minutes=1)
    assert (outcome.finished, outcome.ended) == (True, "finished")
    assert not [line for line in told.said if "stopped" in line]


def test_who_asks_to_stop_is_told_so(play: Play, clock: Clock) -> None:
    clock(1.0)
    stop = Stop()
    stop.asked = True
    outcome, _, folder = play("run", steps=5, stop=stop, minutes=1e-9)
    assert (outcome.step, outcome.finished, outcome.ended) == (1, False, "asked")
    assert json.loads(folder.outcome_file.read_text())["ended"] == "asked"


def test_a_limit_paces_pictures_rows_and_the_time_left(play: Play, clock: Clock) -> None:
    clock(1.0)
    outcome, told, folder = play("run", steps=50_000, minutes=8)
    assert outcome.step == 481
    steps = pictured(folder)
    assert steps == [0, 31, *range(48, 481, 48), 481], "ten, the first, an early one and the last"
    assert 250 <= len(rows(folder)) <= 1000
    forecast = "one step takes 1 s: the time limit (8 min) ends the run near step 480 of 50,000"
    assert sum(forecast in line for line in told.said) == 1
    assert told.said[-2] == "stopped after 8.0 minutes at step 481 of 50,000, at the time limit (8 min)"
    for when, standing in told.seen[20:]:
        assert standing.left == pytest.approx(max(0.0, 1000 + 480 - when), abs=2)


def test_a_limit_that_is_not_met_paces_nothing(play: Play, clock: Clock) -> None:
    clock(0.5)
    outcome, told, folder = play("run", steps=40, minutes=600)
    assert outcome.finished
    assert pictured(folder) == list(range(0, 41, 4))
    assert [step for step, _ in rows(folder)] == list(range(1, 41))
    assert told.seen[-2][1].left == pytest.approx(0.5)


def test_settings_count_for_more_than_the_limit(play: Play, clock: Clock) -> None:
    clock(1.0)
    *_, folder = play("run", steps=1000, minutes=0.5, log_every=10, sample_every=15)
    assert [step for step, _ in rows(folder)] == [10, 20, 30]
    assert pictured(folder) == [0, 15, 30, 31]


@pytest.mark.parametrize("minutes", [None, 600.0])
@pytest.mark.parametrize("log_every", [0, 3])
def test_rows_and_weights_do_not_depend_on_the_pace_nor_on_interruptions(
    play: Play, clock: Clock, minutes: float | None, log_every: int
) -> None:
    chosen = {"steps": 17, "minutes": minutes, "log_every": log_every, "keep": 0, "save_every": 4}
    clock(0.0)
    *_, quick = play("quick", **chosen)
    clock(20.0)
    *_, slow = play("slow", **chosen)
    assert quick.checkpoints()[0] == quick.checkpoint_for(4)
    assert quick.checkpoint_for(2) not in quick.checkpoints()
    assert slow.checkpoint_for(2) in slow.checkpoints(), "after half a minute there is something to go on from"
    assert rows(slow) == rows(quick)
    assert tensors(slow) == tensors(quick)
    for path in slow.checkpoints():  # as if killed after step 2, in the middle between two rows
        if path > slow.checkpoint_for(2):
            shutil.rmtree(path)
    clock(1.0)
    play("slow", **chosen)
    assert rows(slow) == rows(quick)
    assert tensors(slow) == tensors(quick)
    scores = [[{**row, "seconds": 0} for row in Rows(one.scores)] for one in (slow, quick)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(("seconds", "step"), [(2.0, 16), (29.0, 2), (100.0, 1)])
def test_within_a_minute_there_is_a_checkpoint_and_a_picture(
    play: Play, clock: Clock, monkeypatch: pytest.MonkeyPatch, seconds: float, step: int
) -> None:
    saved = []
    save = checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda path, state, meta: [saved.append(meta["step"]), save(path, state, meta)]
    )
    clock(seconds)
    *_, folder = play("run", steps=170, watch=0)
    assert saved[0] == step
    assert pictured(folder)[:2] == [0, step]
    assert [row["step"] for row in Rows(folder.variety)] == list(range(0, 171, 17)), "what alarms judge is as ever"


def test_a_resumed_run_has_its_checkpoint_already(play: Play, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    clock(1.0)
    play("run", steps=300, minutes=0.05, save_every=40)
    saved = []
    monkeypatch.setattr(records.Records, "save", lambda self, now: saved.append(now.step))
    play("run", steps=300, minutes=1, save_every=40)
    assert saved[0] == 40, "by its steps, not after half a minute"


@pytest.mark.parametrize(("seconds", "said"), [(0.4, 1), (100.0, 1), (1e-4, 0)])
def test_what_a_run_takes_is_said_once(play: Play, clock: Clock, seconds: float, said: int) -> None:
    clock(seconds)
    _, told, _ = play("run", steps=60)
    assert sum("60 steps" in line for line in told.said) == said
    if seconds == 0.4:
        assert told.said[0].startswith("about 24 s for 60 steps (0.4 s each); a checkpoint takes 6.0 KiB")


def test_an_absurd_run_is_told_so_after_its_first_step(
    play: Play, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(100.0)
    monkeypatch.setattr(Training, "ends", lambda self: self.step == 1)
    _, told, _ = play("run", steps=100_000)
    ways = "a smaller width or batch_size, fewer steps, or a time limit"
    assert told.said[0].startswith(f"one step takes 100 s: 100,000 steps take 115 days; try {ways}; a checkpoint takes")


def test_losses_are_shown_before_they_are_logged(play: Play, clock: Clock) -> None:
    clock(4.0)
    _, told, _ = play("run", steps=30, log_every=25)
    early = [standing for _, standing in told.seen if 1 <= standing.step < 25]
    assert all(standing.losses for standing in early)
    assert len({standing.losses["D/adv"] for standing in early}) > 3, "they are news"


def test_alarms_know_where_a_limited_run_will_end(play: Play, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    look = records.Records.picture

    def note(self: records.Records, now: records.Moment) -> None:
        look(self, now)
        ends.append(self.watch.end)

    monkeypatch.setattr(records.Records, "picture", note)
    clock(1.0)
    play("run", steps=50_000, minutes=1, watch=0)
    assert ends[0] == 50_000
    assert all(abs(end - 61) <= 1 for end in ends[1:])


def test_looks_of_a_limited_run_are_thinned(play: Play, clock: Clock) -> None:
    clock(0.01)
    *_, folder = play("run", steps=50_000, minutes=0.1, log_every=1000, watch=0)
    assert [row["step"] for row in Rows(folder.spectra)] == [100, 200, 300, 400, 500, 600]


def test_ranks_agree_on_the_end_at_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setup = build("gan", {"steps": 900, "width": 4}, zerosum.Settings(data="ring", minutes=5.0, log_every=10))
    training = Training(setup, RunFolder(tmp_path), Display(), Stop())
    asked: list[dict[str, float]] = []

    def mean(wishes: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        asked.append({key: float(value) for key, value in wishes.items()})
        return {key: (value + torch.tensor(key == "over")) / 2 for key, value in wishes.items()}

    monkeypatch.setattr(parallel, "world", lambda: 2)
    monkeypatch.setattr(parallel, "mean", mean)
    training.step = 9
    assert not training.ends()
    training.step = 10
    assert training.ends(), "the other rank's time is over"
    assert (training.ended, asked) == ("minutes", [{"asked": 0.0, "over": 0.0}])
    training.clock.before = 301.0
    for rank, over in ((0, 1.0), (1, 0.0)):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        training.ends()
        assert asked[-1]["over"] == over, "only the first rank's clock stands still while it draws and scores"


def test_the_report_is_renewed_but_seldom(play: Play, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock(10.0)
    times: list[float] = []

    def write(folder: RunFolder) -> None:
        times.append(now[0])
        now[0] += 2.0  # a long one

    monkeypatch.setattr(renewal, "write_report", write)
    play("run", steps=100, save_every=1)
    assert times[0] == 1000 + 30, "with the first checkpoint after half a minute"
    assert [b - a for a, b in itertools.pairwise(times)] == [202.0] * 4, "a hundred times as long as it took"


def test_a_quick_report_is_renewed_every_minute(play: Play, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock(1.0)
    times: list[float] = []
    monkeypatch.setattr(renewal, "write_report", lambda folder: times.append(now[0] - 1000))
    play("run", steps=10_000, minutes=4, save_every=5_000)
    assert times[0] == 31
    assert times[1:] == [91, 151, 211]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError("losses")])
def test_a_report_that_fails_is_mentioned_once(
    play: Play, clock: Clock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(folder: RunFolder) -> None:
        raise error

    clock(1.0)
    monkeypatch.setattr(renewal, "write_report", fail)
    outcome, told, folder = play("run", steps=130)
    assert outcome.finished
    notes = [line for line in told.said if line.startswith("note: ")]
    assert len(notes) == 1
    assert f"{folder.report} was not renewed ({type(error).__name__}: " in notes[0]


@pytest.mark.parametrize(("keep", "kept"), [(0, [2, 4, 6, 8]), (1, [4, 8]), (3, [4, 6, 8]), (9, [2, 4, 6, 8])])
def test_as_many_checkpoints_are_kept_as_asked(play: Play, clock: Clock, keep: int, kept: list[int]) -> None:
    clock(0.0)
    *_, folder = play("run", steps=4, save_every=2, keep=0)
    folder.mark_best(folder.checkpoint_for(4), "modes", 1e9)
    play("run", steps=8, save_every=2, keep=keep)
    assert folder.checkpoints() == [folder.checkpoint_for(step) for step in kept]
