"""The logic of ``tools/gpu_check.py`` where there is no GPU, on networks as small as they come."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

TOOLS = Path(__file__).parent.parent / "tools"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def check(module_at) -> ModuleType:
    return module_at(TOOLS / "gpu_check.py")


def test_without_a_gpu_it_says_so_and_all_is_well(check, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_check.py"])
    assert check.main() == 0
    assert "sees no GPU here, so nothing was measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("limit", "batch"),
    # 10 bytes and 3 for each sample: 58 at 16, 106 at 32, 202 at 64, 394 at 128.
    [(57, 16), (58, 16), (105, 16), (106, 32), (201, 32), (202, 64), (10**6, 128)],
)
def test_the_largest_batch_that_fits_is_on_the_line_through_two(check, limit: int, batch: int):
    assert check.largest((16, 32, 64, 128), {32: 106, 16: 58}, limit) == batch


def test_work_is_counted_as_by_hand(check):
    conv, linear = nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.Linear(5 * 16, 7)
    x = torch.randn(2, 3, 4, 4)
    with check.Work() as count:
        linear(conv(x).flatten(1)).sum().backward()
    forward = [2 * (2 * 4 * 4 * 5 * 3 * 9), 2 * (2 * 80 * 7)]
    # Back: both derivatives of the linear layer, and the weights' of the convolution (the images need none).
    assert count.done == sum(forward) + 2 * forward[1] + forward[0]


def test_a_step_counts_every_update_of_its_players(check, monkeypatch):
    training = check.Training(check.System("sngan-projection", 32, {"g_width": 4, "d_width": 4}, 3), 2, CPU, None)
    assert training.updates == [5, 1]
    assert training.images == 2 * 5
    played = []

    def player(name: str):
        return lambda state, batch: (played.append(name) or state, {})

    durations = [1, 1, 5, 4, 6, 0.5, 0.5, 3, 2, 9]  # the first two of each player warm up, however fast
    clock = itertools.accumulate(itertools.chain.from_iterable((1, d) for d in durations))
    monkeypatch.setattr(check.time, "perf_counter", lambda: next(clock))
    training.runs = [player("D"), player("G")]
    training.updates = [5, 2]
    assert training.seconds(3) == 5 * 4 + 2 * 2
    assert played == ["D"] * 5 + ["G"] * 5


def test_the_work_of_a_step_is_that_of_all_its_updates(check):
    training = check.Training(check.System("dcgan", 16, {"width": 2, "kernel": 4, "latent": 4}, 0), 2, CPU, None)
    square = torch.eye(3)
    training.moves = [move._replace(run=lambda state, batch: (square @ square, {})) for move in training.moves]
    training.updates = [5, 2]
    assert training.work() == (5 + 2) * 2 * 3**3


def tiny(check: ModuleType, limit: float) -> list:
    system = check.System("dcgan", 16, {"width": 2, "kernel": 4, "latent": 4}, 0)
    return list(
        check.measure("tiny", system, CPU, batches=(2, 4, 8), limit=limit, autocast=None, backend="eager", rounds=1)
    )


def test_a_tiny_system_is_measured_eager_and_compiled(check):
    eager, compiled = tiny(check, 1.0)
    assert (eager.way, compiled.way) == ("eager", "compiled")
    for one in (eager, compiled):
        assert (one.system, one.batch, one.images, one.memory) == ("tiny", 8, 8, 0)  # of a CPU no memory is known
        assert one.seconds > 0
        assert one.work == eager.work
    # Generator 4 -> 4x4x4 -> 8x8x2 -> 16x16x3, critic back to 4x4x4 -> 1; kernels of 4x4; FLOPs for each sample.
    up, down = (
        [2 * 4 * 64, 2 * 16 * 16 * 4 * 2, 2 * 64 * 16 * 2 * 3],
        [2 * 64 * 16 * 3 * 2, 2 * 16 * 16 * 2 * 4, 2 * 64],
    )
    critic_turn = sum(up) + 2 * (sum(down) + 2 * sum(down) - down[0])  # real and fake; images need no derivative
    generator_turn = 3 * sum(up) - up[0] + 2 * sum(down)  # of the critic's weights none is asked
    assert eager.work == 8 * (critic_turn + generator_turn)


def test_where_memory_runs_out_the_next_batch_is_taken(check, monkeypatch):
    real = check.Training

    def cramped(system, batch, device, autocast):
        if batch == 8:
            raise torch.OutOfMemoryError("no")
        return real(system, batch, device, autocast)

    monkeypatch.setattr(check, "Training", cramped)
    monkeypatch.setattr(check, "_both_ways", lambda name, training, batch, *_: [batch])
    assert tiny(check, 1.0) == [4]


def test_a_line_has_rates_and_shares(check):
    one = check.Measured("dcgan-64", "eager", 128, 640, 0.5, 3 * 2**29, 4 * 10**12)
    assert one.line(32e12) == "| dcgan-64 | eager | 128 | 500.0 | 1,280 | 1.5 | 8,000 | 25% |"


def test_the_peak_is_that_of_the_fastest_product(check, monkeypatch):
    clock = itertools.accumulate([0.0, *[2.0, 1.0] * 4, 0.5, *[1.0, 2.0] * 6])
    monkeypatch.setattr(check.time, "perf_counter", lambda: next(clock))
    assert check.peak(CPU, 8, torch.float32) == 2 * 8**3 / 0.5


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_each_system_has_its_share_of_the_time_and_what_it_said_counts(check):
    line = json.dumps(["a", "eager", 1, 1, 1.0, 0, 1])
    commands = {
        "good": script(f"print('noise'); print('{line}')"),
        "bad": script(f"print('{line}'); raise SystemError('why not')"),
        "slow": script(f"print('{line}', flush=True); import time; time.sleep(60)"),
    }
    times = iter([0.0, 1.0, 2.0, 58.0])
    (good, found, why), (bad, kept, error), (slow, before, late) = check.collect(
        ["good", "bad", "slow"], commands.get, 1.0, lambda: next(times)
    )
    assert (good, bad, slow) == ("good", "bad", "slow")
    assert found == kept == before == [check.Measured("a", "eager", 1, 1, 1.0, 0, 1)]
    assert (why, error) == ("", "failed: SystemError: why not")
    assert late == "stopped: its 2 s were over"


def test_when_the_time_is_over_the_rest_is_skipped_and_said(check):
    times = iter([0.0, 59.5, 61.0])
    found = list(check.collect(["a", "b"], lambda name: pytest.fail(name), 1.0, lambda: next(times)))
    assert found == [("a", [], "skipped: out of time"), ("b", [], "skipped: out of time")]
