"""WGAN's official schedule of critic updates: how many, on which batches, how many images, and resumed exactly."""

from pathlib import Path
from typing import Any

from recipe_data import load

import zerosum
from zerosum import registry
from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.runs.loop import Stop


def updates(**arguments: Any) -> dict[int, int]:
    player = registry.find("wgan")(load("ring"), **arguments).phases[0].game.players["D"]
    return {t: player.updates(t) for t in (0, 1, 24, 25, 499, 500, 501, 1000)}


def test_critic_updates_before_each_generator_update() -> None:
    assert set(updates().values()) == {5}
    often = {0: 100, 1: 100, 24: 100, 25: 5, 499: 5, 500: 100, 501: 5, 1000: 100}
    assert updates(schedule="official") == often
    assert updates(schedule="official", n_critic=7) == {t: 7 if n == 5 else n for t, n in often.items()}


def ran(out: Path, stop: Stop | None = None) -> RunFolder:
    settings = {"data": "ring", "out": str(out), "save_every": 1, "log_every": 1}
    return zerosum.train("wgan", **settings, stop=stop, schedule="official", batch_size=8, latent=4, steps=2).folder


def test_stopped_and_resumed_it_counts_the_same_batches_and_images(tmp_path: Path) -> None:
    whole = ran(tmp_path / "whole")
    stop = Stop()
    stop.asked = True  # after the first iteration
    ran(tmp_path / "stopped", stop)
    resumed = zerosum.resume(tmp_path / "stopped").folder
    last = whole.latest().name
    assert last == resumed.latest().name
    ends = [(folder.states / last / "tensors.safetensors").read_bytes() for folder in (whole, resumed)]
    assert ends[0] == ends[1]
    assert [row["images"] for row in Rows(resumed.metrics)] == [800, 1600]
