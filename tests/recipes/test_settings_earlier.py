"""Runs from before settings were by image size: they have no bias in the critic's head, and go on as they were."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zerosum
import zerosum.runs.loop
from zerosum.core import checkpoint
from zerosum.runs import scoring

SNGAN = ("sngan", "sngan-projection")
OLD: dict[str, tuple[int, dict[str, Any]]] = {
    "sngan": (64, {"norm_eps": 1e-5, "head_bias": False, "g_batches": 2, "decay_after": 0}),
    "sngan-projection": (64, {"norm_eps": 1e-5, "head_bias": False, "g_batches": 2, "decay_after": 0}),
    "dragan": (16, {"batch_norm": True}),
}


@pytest.mark.parametrize("name", OLD)
def test_a_run_from_before_these_settings_goes_on_as_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "score_in_training", lambda *_: [])  # which takes longer than all else here
    size, earlier = OLD[name]
    rng = np.random.default_rng(0)
    clothes = tmp_path / "clothes.npz"
    np.savez(clothes, images=rng.integers(0, 256, (20, size, size), np.uint8), labels=np.arange(20) % 10)
    widths = {"g_width": 2, "d_width": 2, "n_critic": 1} if name in SNGAN else {"width": 2}
    every: dict[str, Any] = {"sample_every": 99, "save_every": 1, "watch": -1, "precision": "float32"}
    run = zerosum.train(
        name, data=f"npz:{clothes}", out=str(tmp_path / "run"), steps=2, latent=4, batch_size=4, **widths, **earlier,
        **every,
    )  # fmt: skip
    whole = tensors(run.folder.latest())
    shutil.rmtree(run.folder.latest())
    record = json.loads((run.path / "run.json").read_text())
    record["arguments"] = {k: v for k, v in record["arguments"].items() if k not in earlier}
    (run.path / "run.json").write_text(json.dumps(record))
    assert zerosum.load(run.path).step == 1
    assert zerosum.resume(run.path).step == 2
    resumed = tensors(run.folder.latest())
    assert resumed.keys() == whole.keys()
    assert [k for k, tensor in whole.items() if not torch.equal(tensor, resumed[k])] == []


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint._load_tensors(path / checkpoint.TENSORS)


def test_a_run_records_how_many_steps_its_size_has(tmp_path: Path) -> None:
    stop = zerosum.runs.loop.Stop()
    stop.asked = True
    run = zerosum.train("sngan", data="ring", g_width=4, out=str(tmp_path / "run"), watch=-1, progress=False, stop=stop)
    assert (run.record["arguments"]["steps"], run.outcome.finished) == (50_000, False)
    again = zerosum.resume(run, progress=False, stop=stop)
    assert again.record["arguments"]["steps"] == 50_000
