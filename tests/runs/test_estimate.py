"""What a run takes, in words and numbers: spans, the pace of iterations, and costs against the real thing."""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import zerosum
from zerosum.core.game import start
from zerosum.runs import estimate
from zerosum.runs.estimate import (
    Pace,
    Thinning,
    checkpoint_bytes,
    forecast,
    forecast_for,
    measure,
    measure_step,
    memory_mib,
    parameters,
    peak_memory_mib,
    rate_text,
    short_span,
    size,
    span,
    state_bytes,
    work_of,
)
from zerosum.runs.setup import Setup, build

HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("seconds", "words", "short"),
    [
        (-3, "0 s", "0s"),
        (0, "0 s", "0s"),
        (0.0021, "2.1 ms", "0s"),
        (0.36, "0.36 s", "0s"),
        (9.96, "10 s", "10s"),
        (45, "45 s", "45s"),
        (100, "100 s", "100s"),
        (119.6, "2 min", "2m"),
        (720, "12 min", "12m"),
        (5399, "1 h 30 min", "1h30"),
        (2 * HOUR, "2 h", "2h00"),
        (12_000, "3 h 20 min", "3h20"),
        (DAY + 2 * HOUR, "1 day 2 h", "26h00"),
        (2 * DAY, "2 days", "2d"),
        (2 * DAY + 5 * HOUR, "2 days 5 h", "2d"),
        (1e7, "115 days", "115d"),
        (1e8, "3.2 years", "3y"),
        (1e15, "31,688,087.8 years", "999y"),
    ],
)
def test_spans_in_words(seconds: float, words: str, short: str) -> None:
    assert (span(seconds), short_span(seconds)) == (words, short)


def test_no_span_is_longer_than_the_room_for_it() -> None:
    assert max(len(short_span(1.1**n)) for n in range(300)) <= 5


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1024, "1.0 KiB"),
        (45 << 20, "45 MiB"),
        (1500 << 20, "1.5 GiB"),
        (1e18, "909495 TiB"),
    ],
)
def test_bytes_in_words(count: float, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(("rate", "text"), [(1234.6, "1,235"), (12.3, "12"), (6.44, "6.4"), (0.64, "0.64")])
def test_rates_in_words(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("total", "count"),
    [(1, 10), (7, 10), (500, 1000), (2000, 1000), (50_000, 1000), (10**6, 1000), (64, 50), (10**6, 50)],
)
def test_thinned_steps_are_never_too_many_and_lie_close_at_first(total: int, count: int) -> None:
    thinning = Thinning(total, count)
    steps = [step for step in range(total + 1) if step in thinning]
    assert len(steps) <= count
    assert steps[: thinning.dense] == list(range(1, min(total, thinning.dense) + 1))
    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert gaps == sorted(gaps)
    if total <= count:
        assert steps == list(range(1, total + 1)), "there is room for all"
    elif count > 100:  # powers of two leave less room
        assert len(steps) > 0.9 * count


def test_wherever_a_run_ends_there_are_enough_rows() -> None:
    thinning = Thinning(50_000, 1000)
    assert [sum(step in thinning for step in range(end + 1)) for end in (20, 100, 1234)] == [20, 100, 454]


def pace(first: int = 0, total: int = 1000, **chosen: Any) -> Pace:
    return Pace(lambda steps: 10 * steps, first, total, **{"minutes": None, "compiled": False, **chosen})


def test_the_first_iteration_does_not_count() -> None:
    one = pace()
    one.tick(1, 8.0, 8.0)
    assert not one.known
    assert one.left is None
    for step in range(2, 12):
        one.tick(step, 8.0 + 0.5 * (step - 1), 8.0 + 0.5 * (step - 1))
    assert one.known
    assert one.per_step == pytest.approx(0.5)
    assert one.rate == pytest.approx(20)
    assert one.left == pytest.approx(0.5 * 989)
    assert (one.end, one.share) == (1000, 0.011)


def test_a_first_iteration_that_takes_long_tells_enough_unless_it_was_compiled() -> None:
    one, compiled = pace(), pace(compiled=True)
    for each in (one, compiled):
        each.tick(1, 100.0, 100.0)
    assert (one.known, one.per_step, one.left) == (True, 100.0, 99_900.0)
    assert not compiled.known
    compiled.tick(2, 104.0, 104.0)
    assert (compiled.known, compiled.per_step) == (True, 4.0)


def test_the_newest_iterations_count() -> None:
    one = pace(total=10_000)
    for step in range(1, 101):
        one.tick(step, 1.0 * step, 1.0 * step)
    for step in range(101, 1001):  # ten times as fast, as where another process has ended
        one.tick(step, 100 + 0.1 * (step - 100), 100 + 0.1 * (step - 100))
    assert one.per_step == pytest.approx(0.1)


def test_pauses_count_for_the_time_left_but_not_for_the_pace() -> None:
    one = pace()
    for step in range(1, 101):
        one.tick(step, 1.0 * step, 2.0 * step)  # as much for pictures as for training
    assert one.per_step == pytest.approx(1)
    assert one.left == pytest.approx(2 * 900)


def test_a_limit_ends_what_steps_do_not() -> None:
    one = pace(first=200, total=50_000, minutes=8)
    for step in range(1, 241):
        one.tick(200 + step, 1.0 * step, 1.0 * step)
    assert one.left == pytest.approx(240)
    assert one.end == 200 + 480
    assert one.share == pytest.approx(0.5)
    enough = pace(total=300, minutes=8)
    for step in range(1, 241):
        enough.tick(step, 1.0 * step, 1.0 * step)
    assert (enough.left, enough.end, enough.share) == (pytest.approx(60), 300, pytest.approx(0.8))


def test_iterations_count_by_what_they_do() -> None:
    """As in WGAN's published schedule, whose first iterations have twenty times as many updates as later ones."""
    one = Pace(lambda steps: 100 * min(steps, 25) + 5 * max(0, steps - 25), 0, 1025, minutes=None, compiled=False)
    for step in range(1, 6):
        one.tick(step, 10.0 * step, 10.0 * step)
    assert one.left == pytest.approx(20 * 10 + 1000 * 0.5)


def test_at_the_last_step_nothing_is_left() -> None:
    one = pace(total=5)
    for step in range(1, 6):
        one.tick(step, 2.0 * step, 2.0 * step)
    assert (one.left, one.per_step, one.end, one.share) == (0.0, 0.0, 5, 1.0)


def test_one_sentence_on_what_a_run_takes() -> None:
    def told(
        per_step: float, first: int, total: int, minutes: float | None = None, smaller: tuple[str, ...] = ()
    ) -> str:
        return forecast(per_step, first, total, minutes=minutes, patience=DAY, smaller=smaller)

    assert told(0.36, 0, 2000) == "about 12 min for 2,000 steps (0.36 s each)"
    assert told(0.36, 1000, 2000) == "about 6 min for the remaining 1,000 of 2,000 steps (0.36 s each)"
    absurd = "one step takes 100 s: 100,000 steps take 115 days; try "
    assert told(100, 0, 100_000) == f"{absurd}fewer steps, or a time limit"
    assert told(100, 0, 100_000, smaller=("width",)) == f"{absurd}a smaller width, fewer steps, or a time limit"
    three = ("width", "batch_size", "size")
    assert (
        told(100, 0, 100_000, None, three)
        == f"{absurd}a smaller width, batch_size or size, fewer steps, or a time limit"
    )
    limited = "one step takes 0.4 s: the time limit (8 min) ends the run near step 1,200 of 50,000"
    assert told(0.4, 0, 50_000, 8) == limited
    assert told(0.4, 0, 50_000, 600) == "about 5 h 33 min for 50,000 steps (0.4 s each)", "the limit is not met"
    assert told(100, 0, 50_000, 1) == "one step takes 100 s: the time limit (1 min) ends the run near step 1 of 50,000"


@pytest.fixture(scope="module")
def setup() -> Setup:
    return build("gan", {"width": 8, "batch_size": 16, "steps": 40}, zerosum.Settings(data="ring", ema=0.9))


def test_advice_names_arguments_that_there_are(setup: Setup) -> None:
    said = forecast_for(setup, 1e5)
    assert "a smaller width or batch_size, fewer steps" in said
    assert forecast_for(setup, 1.0, 10) == "about 30 s for the remaining 30 of 40 steps (1 s each)"


def test_on_a_gpu_patience_is_longer(setup: Setup) -> None:
    elsewhere = dataclasses.replace(setup, device=torch.device("cuda"))
    assert "try" in forecast_for(setup, 3000.0)
    assert "try" not in forecast_for(elsewhere, 3000.0)


def test_costs_are_those_of_the_real_thing(setup: Setup, tmp_path: Any) -> None:
    state = start(setup.recipe.phases[0].game)
    assert checkpoint_bytes(setup) == state_bytes(state)
    run = zerosum.train(
        "gan", data="ring", ema=0.9, width=8, batch_size=16, steps=2, out=str(tmp_path / "run"), progress=False
    )
    file = run.folder.latest() / "tensors.safetensors"
    assert state_bytes(state) < file.stat().st_size < state_bytes(state) + 20_000
    counts = {name: sum(w.numel() for w in weights.values()) for name, weights in state.weights.items()}
    assert parameters(setup) == counts


def test_a_step_is_measured_without_a_trace(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: [w.clone() for w in net.parameters()] for name, net in setup.recipe.phases[0].game.nets.items()}
    now = [50.0]
    played = []

    def slowly(*args: Any) -> Iterator[Any]:
        for step in range(1, 41):
            played.append(step)
            now[0] += 9.0 if step == 1 else 2.0  # the first one is slow
            yield step, None, None

    monkeypatch.setattr(estimate.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(estimate, "phases", slowly)
    assert measure_step(setup, 16.0) == pytest.approx(2.0)
    assert played == [1, 2, 3, 4, 5]
    played.clear()
    assert measure_step(setup, 5.0) == pytest.approx(9.0), "a first iteration of nine seconds says enough"
    assert played == [1]
    played.clear()
    assert measure_step(dataclasses.replace(setup, backend="eager"), 5.0) == pytest.approx(2.0)
    assert played == [1, 2], "unless it was compiled"
    after = {name: list(net.parameters()) for name, net in setup.recipe.phases[0].game.nets.items()}
    assert all(torch.equal(a, b) for name in before for a, b in zip(before[name], after[name], strict=True))


def test_all_steps_are_played_if_they_are_few(setup: Setup) -> None:
    recipe = setup.recipe
    short = dataclasses.replace(recipe, phases=(dataclasses.replace(recipe.phases[0], steps=1),))
    cost = measure(dataclasses.replace(setup, recipe=short), 1000.0)
    assert 0 < cost.seconds < 60


def test_memory_is_what_training_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    mib = memory_mib(build("gan", {"width": 8, "steps": 4}, zerosum.Settings(data="ring")))
    # Three copies of 12 MiB: weights, and both moments of Adam; gradients come on top.
    large = build("gan", {"width": 1500, "batch_size": 8, "steps": 4}, zerosum.Settings(data="ring"))
    assert memory_mib(large) > 3 * sum(parameters(large).values()) * 4 / 2**20
    assert 0 <= mib < 100


def test_peak_memory_is_known_where_status_files_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    known = peak_memory_mib(cpu)
    monkeypatch.setattr(estimate, "_held_mib", lambda field: None)
    assert known == pytest.approx(peak_memory_mib(cpu), rel=0.5)
    assert math.isfinite(known)
    assert known > 50


def test_the_table_of_work_says_what_the_setup_says() -> None:
    for recipe, more in (("gan", {}), ("wgan", {"schedule": "official"})):
        setup = build(recipe, {"width": 4, "batch_size": 3, "steps": 60, **more}, zerosum.Settings(data="ring"))
        work = work_of(setup)
        assert [work(step) for step in range(61)] == [setup.images(step) for step in range(61)]
    assert work(30) - work(29) < work(2) - work(1), "WGAN's first iterations are longer"
