"""The check of a GPU where there is none: its parts on a CPU, at sizes as small as they come."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

TOOLS = Path(__file__).parent.parent / "tools"
sys.path.append(str(TOOLS))  # where the script finds its parts

import gpu_agreement  # noqa: E402
import gpu_check  # noqa: E402
import gpu_lanes  # noqa: E402
import gpu_speed  # noqa: E402

CPU = torch.device("cpu")
WHERE = gpu_agreement.Where("cpu", "eager", 20)


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


# A worker without torch: what it says of an item is up to the item.
SERVER = script(
    "import sys, time, os\n"
    f"sys.path.insert(0, {str(TOOLS)!r})\n"
    "from gpu_lanes import serve\n"
    "def run(item):\n"
    "    yield {'ok': True, 'what': 'begun'}\n"
    "    if item == 'bad': raise ValueError('why not\\nmore')\n"
    "    if item == 'dead': sys.stderr.write('Segmentation fault'); sys.stderr.flush(); os._exit(139)\n"
    "    if item == 'slow': time.sleep(60)\n"
    "    if item == 'poison': raise RuntimeError('CUDA error: an illegal memory access was encountered')\n"
    "    print('noise that a library makes')\n"
    "    yield {'ok': True, 'what': 'pid', 'says': str(os.getpid())}\n"
    "serve(run)\n"
)


def played(items: list[str], seconds: float = 60.0, most: float = 30.0, lanes: int = 1) -> dict[str, list]:
    heard: dict[str, list] = {}
    job = gpu_lanes.Job("part", items, lambda: gpu_lanes.Process(SERVER), lanes, time.monotonic() + seconds, most)
    gpu_lanes.work_off([job], lambda part, item, said: heard.setdefault(item, []).append(said))
    assert not gpu_lanes.Process.alive
    return heard


def test_an_item_that_fails_or_crashes_or_hangs_is_a_row_and_the_others_are_done():
    heard = played(["a", "bad", "b", "dead", "c", "slow", "d", "poison", "e"], most=3.0)
    assert [heard[item][0]["what"] for item in heard] == ["begun"] * 9  # what was said before counts
    pids = [heard[item][1]["says"] for item in "abcde"]
    assert pids[0] == pids[1]  # an error is no reason for a new process
    assert len(set(pids)) == 4
    assert (heard["bad"][1]["ok"], heard["bad"][1]["says"]) == (False, "ValueError: why not")
    assert "Traceback" in heard["bad"][1]["trace"]
    assert heard["dead"][1]["ok"] is False
    assert heard["dead"][1]["says"] == "the process ended with status 139: Segmentation fault"
    assert (heard["slow"][1]["ok"], heard["slow"][1]["what"]) == (None, "cut")
    assert heard["poison"][1]["fatal"]


def test_what_is_not_reached_in_time_is_named():
    heard = played(["slow", "a", "b"], seconds=1.0)
    assert [said[-1]["what"] for said in heard.values()] == ["cut", "not reached", "not reached"]
    assert {said[-1]["ok"] for said in heard.values()} == {None}


def test_a_process_that_does_not_even_start_is_a_row_for_each_item():
    heard: list = []
    broken = lambda: gpu_lanes.Process(script("raise ImportError('no torch')"))  # noqa: E731
    job = gpu_lanes.Job("part", ["a", "b"], broken, 2, time.monotonic() + 60, 30.0)
    gpu_lanes.work_off([job], lambda part, item, said: heard.append((item, said["ok"], said["says"])))
    assert sorted(heard) == [(i, False, "the process ended with status 1: ImportError: no torch") for i in "ab"]


def test_the_report_is_whole_after_each_row(tmp_path: Path):
    report = gpu_check.Report(tmp_path / "new" / "gpu.md", "the command")
    assert "0 rows are as they should be" in report.path.read_text()
    report.hear("recipes", "dcgan", {"ok": True, "what": "bf16", "apart": "1e-3", "allowed": "0.1", "s": "2"})
    report.hear("recipes", "sngan", {"ok": False, "what": "failed", "says": "a | b", "trace": "Traceback of it\n"})
    report.hear("speed", "biggan-128", {"ok": None, "what": "not reached", "says": "over"})
    text = report.path.read_text()
    assert "| dcgan | bf16 | yes | 1e-3 | 0.1 | 2 |  |" in text
    assert "| sngan | failed | NO |  |  |  | a / b |" in text
    assert "1 rows are as they should be, 1 are not, 1 were not reached or cut, after" in text
    assert "not finished" in text
    assert "Traceback of it" in report.log.read_text()
    assert report.finish() == 1
    assert "not finished" not in report.path.read_text()


def test_parts_share_nine_minutes_and_speed_is_measured_alone():
    assert [name for names in gpu_check.TOGETHER for name in names] == list(gpu_check.PARTS)
    assert ("speed",) in gpu_check.TOGETHER
    ends = [gpu_check.PARTS[names[0]].until for names in gpu_check.TOGETHER]
    assert ends == sorted(ends)
    assert ends[-1] == 1
    assert all(part.most <= part.until for part in gpu_check.PARTS.values())


def test_without_a_gpu_it_says_so_and_all_is_well(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_check.main(["--out", str(tmp_path / "gpu.md")]) == 0
    assert "sees no GPU here, so nothing was checked" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_part_that_cannot_begin_is_a_row(monkeypatch, tmp_path):
    def broken(part: str) -> list[str]:
        raise ImportError(f"no {part}")

    monkeypatch.setattr(gpu_check, "items_of", broken)
    report = gpu_check.Report(tmp_path / "gpu.md", "")
    assert gpu_check.check(report, ["resume", "tests"], lambda part: pytest.fail(part), 1.0) == 2
    assert "| all | failed | NO |  |  | ImportError: no resume |" in report.path.read_text()


def test_all_recipes_measures_and_files_of_gpu_tests_are_items():
    from zerosum import registry
    from zerosum.metrics.registry import measures

    recipes = gpu_check.items_of("recipes")
    assert sorted(recipes) == sorted(registry.names())
    assert recipes[:5] == ["biggan", "dcgan", "sagan", "sngan", "wgan-gp"]
    assert set(measures()) < set(gpu_check.items_of("measures"))
    assert "tests/metrics/test_neighbours.py" in gpu_check.items_of("tests")
    speed = gpu_check.items_of("speed")
    assert speed[:6] == ["dcgan-64", "sngan-32", "wgan-gp-32", "sngan-128", "sagan-128", "biggan-128"]
    assert speed[6:] == [f"{name} compiled" for name in speed[:6]]


FEW = "gan,fid,features shipped,dcgan-64"


def test_the_script_runs_whole(tmp_path: Path, monkeypatch):
    out = tmp_path / "gpu.md"
    monkeypatch.setattr(gpu_check, "facts_of", lambda device: "a machine")
    words = ["--device", "cpu", "--tiny", "--here", "--out", str(out), "--only", FEW, "--minutes", "60"]
    assert gpu_check.main(words) == 0, out.with_suffix(".log").read_text()
    text = out.read_text()
    assert "8 rows are as they should be, 0 are not, 0 were not reached or cut" in text
    for row in ("| gan | bf16, compiled | yes |", "| fid | fid | yes |", "| dcgan-64 | plain PyTorch | yes | 2 |"):
        assert row in text


def test_a_run_is_stopped_and_resumed():
    assert gpu_agreement.stop_and_go("dcgan", WHERE, "off") == (True, 0.0)


@pytest.mark.slow
def test_the_script_runs_whole_with_all_items_in_processes_of_their_own(tmp_path: Path):
    out = tmp_path / "gpu.md"
    words = ["--device", "cpu", "--tiny", "--out", str(out), "--minutes", "60"]
    assert gpu_check.main(words) == 0, out.with_suffix(".log").read_text()
    assert ", 0 are not, 0 were not reached or cut" in out.read_text()


def test_a_wrong_device_is_noticed(monkeypatch):
    """Losses and scores that differ, and a resumed run that does not end where the other one does."""
    real = gpu_agreement.two_steps

    def wrong(name: str, device: str, autocast: torch.dtype | None, backend: str | None) -> dict[str, float]:
        found = real(name, device, None, None) if not played_once else dict(played_once[0])
        played_once.append(found)
        return found if len(played_once) == 1 else {key: value + 0.01 for key, value in found.items()}

    played_once: list[dict[str, float]] = []
    monkeypatch.setattr(gpu_agreement, "two_steps", wrong)
    rows = list(gpu_agreement.recipe("dcgan", WHERE))
    assert [row["ok"] for row in rows] == [False, True, True]  # a hundredth is rounding in bf16 alone
    monkeypatch.setattr(gpu_agreement, "sides", shifted(gpu_agreement.sides))
    assert [row["ok"] for row in gpu_agreement.measure("swd", WHERE)] == [False]
    monkeypatch.setattr(gpu_agreement, "stop_and_go", lambda *_: (False, 1e-6))
    assert [row["ok"] for row in gpu_agreement.resumed("dcgan", WHERE)] == [False, True]


def shifted(real):
    calls = itertools.count()

    def sides(*asked):
        one, other, context = real(*asked)
        return (one, one, context) if next(calls) else (one, other, context)

    return sides


@pytest.mark.parametrize(
    ("truth", "found", "off"),
    [
        ({"a": 1.0, "b": -3.0}, {"a": 1.5, "b": -3.4}, 0.25),
        ({"a": 0.0}, {"a": float("nan")}, float("inf")),
        ({"a": 0.0, "b": 1.0}, {"a": float("nan"), "b": 1.0}, float("inf")),
        ({"a": 0.0, "b": 1.0}, {"a": 0.0}, float("inf")),
    ],
)
def test_how_far_losses_are_apart(truth, found, off):
    assert gpu_agreement.apart(truth, found)[0] == pytest.approx(off)


def test_work_is_counted_as_by_hand():
    conv, linear = nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.Linear(5 * 16, 7)
    x = torch.randn(2, 3, 4, 4)
    with gpu_speed.Work() as count:
        linear(conv(x).flatten(1)).sum().backward()
    forward = [2 * (2 * 4 * 4 * 5 * 3 * 9), 2 * (2 * 80 * 7)]
    # Back: both derivatives of the linear layer, and the weights' of the convolution (the images need none).
    assert count.done == sum(forward) + 2 * forward[1] + forward[0]


def test_a_step_counts_every_update_of_its_players(monkeypatch):
    tiny = gpu_speed.System("sngan-projection", 32, 2, 3, {"g_width": 4, "d_width": 4})
    training = gpu_speed.Ours(tiny, 2, CPU, None)
    assert training.updates == [5, 1]
    assert training.images == 2 * 5
    played = []
    durations = [1, 1, 5, 4, 6, 0.5, 0.5, 3, 2, 9]  # the first two of each player warm up, however fast
    clock = itertools.accumulate(itertools.chain.from_iterable((1, d) for d in durations))
    monkeypatch.setattr(gpu_speed.time, "perf_counter", lambda: next(clock))
    training.turns = [lambda: played.append("D"), lambda: played.append("G")]
    training.updates = [5, 2]
    assert training.seconds(3) == 5 * 4 + 2 * 2
    assert played == ["D"] * 5 + ["G"] * 5


def tiny_work(way) -> int:
    system = gpu_speed.System("dcgan", 16, 8, 0, {"width": 2, "kernel": 4, "latent": 4})
    return gpu_speed.measure("tiny", way, system, CPU, 1).work


@pytest.mark.parametrize("way", [gpu_speed.Ours, gpu_speed.Plain])
def test_the_work_of_a_tiny_system(way):
    # Generator 4 -> 4x4x4 -> 8x8x2 -> 16x16x3, critic back to 4x4x4 -> 1; kernels of 4x4; FLOPs for each sample.
    up = [2 * 4 * 64, 2 * 16 * 16 * 4 * 2, 2 * 64 * 16 * 2 * 3]
    down = [2 * 64 * 16 * 3 * 2, 2 * 16 * 16 * 2 * 4, 2 * 64]
    critic_turn = sum(up) + 2 * (sum(down) + 2 * sum(down) - down[0])  # real and fake; images need no derivative
    generator_turn = 3 * sum(up) - up[0] + 2 * sum(down)  # of the critic's weights none is asked
    assert tiny_work(way) == 8 * (critic_turn + generator_turn)


def test_a_plain_step_descends_the_same_losses():
    """Plain steps and ours, both by the recipe's Adam on the same batch, end at the same weights."""
    system = gpu_speed.System("dcgan", 16, 4, 0, {"width": 2, "kernel": 4, "latent": 4, "beta1": 0.0, "beta2": 0.9})
    ours, plain = gpu_speed.Ours(system, 4, CPU, None), gpu_speed.Plain(system, 4, CPU, None)
    for training in (ours, plain):
        for turn in training.turns:
            turn()
    for name, net in plain.game.nets.items():
        for key, weight in net.named_parameters():
            assert (weight - ours.state.weights[name][key]).abs().mean() < 1e-6


def test_where_memory_runs_out_half_the_batch_is_taken(monkeypatch):
    def cramped(way, make, system, batch, device, rounds):
        if batch > 64:
            raise torch.OutOfMemoryError("no")
        return batch

    monkeypatch.setattr(gpu_speed, "_measure", cramped)
    assert gpu_speed.measure("", None, gpu_speed.System("dcgan", 16, 256), CPU, 1) == 64
    monkeypatch.setattr(gpu_speed, "_measure", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("no")))
    with pytest.raises(torch.OutOfMemoryError):
        gpu_speed.measure("", None, gpu_speed.System("dcgan", 16, 256), CPU, 1)


def test_a_row_has_rates_and_shares():
    row = gpu_speed.Measured("zerosum", 128, 640, 0.5, 3 * 2**29, 4 * 10**12).row(32e12)
    said = ("128", "500.0", "1,280", "1.5", "8,000", "25.0%")
    assert tuple(row[key] for key in ("batch", "ms a step", "images/s", "GiB", "GFLOP/s", "of peak")) == said


def test_the_peak_is_that_of_the_fastest_product(monkeypatch):
    clock = itertools.accumulate([0.0, *[2.0, 1.0] * 4, 0.5, *[1.0, 2.0] * 6])
    monkeypatch.setattr(gpu_speed.time, "perf_counter", lambda: next(clock))
    assert gpu_speed.peak(CPU, 8, torch.float32) == 2 * 8**3 / 0.5
