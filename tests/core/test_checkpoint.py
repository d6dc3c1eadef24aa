"""Checkpoints: exact, all or nothing, and refused with the reason where they cannot be read."""

import errno
import json
import os
import pickle
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zerosum.core import checkpoint
from zerosum.core.checkpoint import flatten, load, load_meta, save
from zerosum.core.ema import Average
from zerosum.core.game import Game, Player, start
from zerosum.core.optim import adam
from zerosum.core.train import train
from zerosum.errors import CheckpointError


def tree(fill: float = 1.0) -> dict[str, Any]:
    return {"weights": {"G": {"conv.weight": torch.full((2, 3), fill), "bias": torch.full((4,), fill)}}}


def value(folder: Path) -> float:
    return load(folder, tree())[0]["weights"]["G"]["bias"][0].item()


# What comes back.


def test_every_bit_comes_back(tmp_path: Path):
    odd = {
        "negative zero": torch.tensor([-0.0, float("inf"), 1e-42, float("nan")]),
        "half": torch.randn(3).half(),
        "brain": torch.randn(3).bfloat16(),
        "double": torch.randn(3).double(),
        "count": torch.tensor(2**62 + 1),
        "mask": torch.tensor([True, False]),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "empty": torch.zeros(0, 3),
        "nothing": {},
    }
    save(tmp_path / "a", odd, {"step": 3, "note": "é"})
    found, meta = load(
        tmp_path / "a", {k: torch.zeros_like(v) if isinstance(v, Tensor) else {} for k, v in odd.items()}
    )
    assert (meta["step"], meta["note"], meta["schema"]) == (3, "é", 1)
    assert list(found) == list(odd)
    for key, tensor in flatten(odd).items():
        assert found[key].dtype == tensor.dtype
        assert found[key].shape == tensor.shape
        as_bytes = [t.reshape(-1).view(torch.uint8) for t in (found[key], tensor)] if tensor.numel() else []
        assert len(as_bytes) == 0 or torch.equal(*as_bytes), key


def test_memory_layout_comes_back(tmp_path: Path):
    layouts = {
        "channels last": torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last),
        "one by one": torch.randn(4, 3, 1, 1).to(
            memory_format=torch.channels_last
        ),  # contiguous too, for is_contiguous
        "one channel": torch.randn(4, 1, 5, 5).to(memory_format=torch.channels_last),
        "plain": torch.randn(4, 3, 5, 5),
        "transposed": torch.randn(3, 4).T,
    }
    save(tmp_path / "a", layouts, {})
    found, _ = load(tmp_path / "a", {k: torch.zeros(v.shape) for k, v in layouts.items()})
    for key, tensor in layouts.items():
        assert found[key].stride() == tensor.stride(), key
        assert torch.equal(found[key], tensor), key


def test_views_come_back_without_what_they_are_views_of(tmp_path: Path):
    big = torch.randn(1000, 4)
    views = {"rows": big[:2], "columns": big[:3, ::2], "expanded": torch.ones(1, 3).expand(5, 3), "same": big[:2]}
    save(tmp_path / "a", views, {})
    found, _ = load(tmp_path / "a", {k: torch.zeros(v.shape) for k, v in views.items()})
    assert all(torch.equal(found[k], v) for k, v in views.items())
    assert (tmp_path / "a" / "tensors.safetensors").stat().st_size < 1000
    found["rows"].fill_(9)
    assert torch.equal(found["same"], big[:2]), "two tensors share memory after loading"


def test_a_state_in_training_comes_back(tmp_path: Path):
    # Averages hold integer buffers that are the network's own, not copies: safetensors alone would refuse them.
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    player = Player(("G",), lambda n, b, m: {"l": n.G(b).square().mean()})
    game = Game({"G": net}, {"G": adam(0.1)}, {"G": player}, {"k": torch.ones(())}, average={"G": Average(0.9)})
    *_, (_, state, _) = train(game, start(game), iter(torch.randn(2, 4, 2, 5, 5)), 2)
    save(tmp_path / "a", state, {})
    found, _ = load(tmp_path / "a", start(game))
    assert type(found) is type(state)
    for key, tensor in flatten(state).items():
        assert torch.equal(flatten(found)[key], tensor), key
        assert flatten(found)[key].stride() == tensor.stride(), key
    assert found.opt["G"]["t"].item() == 2
    assert found.average["G"]["1.num_batches_tracked"].item() == 2


def test_names_are_paths():
    assert list(flatten(tree())) == ["weights/G/conv.weight", "weights/G/bias"]
    with pytest.raises(CheckpointError, match=r"a name in .'weights', 'a/b'. contains '/'"):
        flatten({"weights": {"a/b": torch.ones(1)}})


def test_meta_cannot_overwrite_what_loading_needs(tmp_path: Path):
    save(tmp_path / "a", {"w": torch.randn(3, 4).T}, {"schema": 99, "strides": {}})
    assert load(tmp_path / "a", {"w": torch.zeros(4, 3)})[0]["w"].stride() == (1, 4)


# All or nothing.


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def fail_at(what: str, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise error

    def fails_for_new(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise error
        return Path(shutil.move(self, target))

    if what == "rename":
        monkeypatch.setattr(Path, "rename", fails_for_new)
    else:
        monkeypatch.setattr({"fsync": os, "save_file": checkpoint}[what], what, fails)


@pytest.mark.parametrize("what", ["save_file", "fsync", "rename"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failed_write_leaves_what_was_there(
    what: str, existing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if existing:
        save(tmp_path / "a", tree(1.0), {"step": 1})
    with monkeypatch.context() as patched:
        fail_at(what, patched, OSError(errno.EIO, "Input/output error"))
        with pytest.raises(CheckpointError, match=r"cannot write .*/a: .*Input/output error"):
            save(tmp_path / "a", tree(2.0), {"step": 2})
    assert left_in(tmp_path) == (["a"] if existing else [])
    if existing:
        assert value(tmp_path / "a") == 1
        assert load_meta(tmp_path / "a")["step"] == 1
    save(tmp_path / "a", tree(3.0), {"step": 3})
    assert value(tmp_path / "a") == 3


class Killed(BaseException):
    """No handler in `save` may see it: as if the process were gone."""


@pytest.mark.parametrize("at", range(5))
def test_a_process_killed_at_any_step_leaves_the_old_or_the_new(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save(tmp_path / "a", tree(1.0), {})
    with monkeypatch.context() as patched:
        kill_at(at, patched)
        with pytest.raises(Killed):
            save(tmp_path / "a", tree(2.0), {})
    assert value(tmp_path / "a") == (2 if at == 4 else 1)
    save(tmp_path / "a", tree(3.0), {})
    assert value(tmp_path / "a") == 3
    assert left_in(tmp_path) == ["a"]


def kill_at(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Die at the ``at``-th of: write of the tensors, both flushes, the first and the second rename's end."""
    count = iter(range(10))

    def dying(function: Any, *, after: bool = False) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            now = next(count) == at
            if now and not after:
                raise Killed
            result = function(*args, **kwargs)
            if now:
                raise Killed
            return result

        return call

    monkeypatch.setattr(checkpoint, "save_file", dying(save_file))
    monkeypatch.setattr(os, "fsync", dying(os.fsync))
    monkeypatch.setattr(Path, "rename", dying(Path.rename, after=True))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "Kein Platz"), OSError("I/O error: No space left on device")])
def test_a_full_disk_is_called_that(error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fail_at("save_file", monkeypatch, error)
    with pytest.raises(CheckpointError, match=r"no space is left on the disk\. Earlier ones are untouched"):
        save(tmp_path / "a", tree(), {})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = shutil.which("mount") and os.geteuid() == 0
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)]
    if not mounted or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("may not mount a disk here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_disk_that_is_full_in_earnest(small_disk: Path):
    save(small_disk / "a", tree(1.0), {})
    with pytest.raises(CheckpointError, match="no space is left on the disk"):
        save(small_disk / "a", {"w": torch.randn(100_000)}, {})
    assert left_in(small_disk) == ["a"]
    assert value(small_disk / "a") == 1


# What is refused.


def test_a_missing_checkpoint(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"/a is not a checkpoint: it has no meta.json"):
        load(tmp_path / "a", tree())
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match=r"/file is not a checkpoint"):
        load(tmp_path / "file", tree())
    save(tmp_path / "b", tree(), {})
    (tmp_path / "b" / "tensors.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"tensors.safetensors is missing"):
        load(tmp_path / "b", tree())


@pytest.mark.parametrize("keep", [0, 4, 20, -1])
def test_a_truncated_file(keep: int, tmp_path: Path):
    save(tmp_path / "a", tree(), {})
    file = tmp_path / "a" / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"tensors.safetensors is truncated or damaged .*: use an earlier"):
        load(tmp_path / "a", tree())


def pickles() -> dict[str, Any]:
    return {
        "zip": lambda f: torch.save(tree(), f),
        "legacy": lambda f: torch.save(tree(), f, _use_new_zipfile_serialization=False),
        **{f"protocol {p}": lambda f, p=p: f.write_bytes(pickle.dumps({"w": np.ones(3)}, p)) for p in range(2, 6)},
    }


@pytest.mark.parametrize("kind", pickles())
def test_pickles_are_refused_unopened(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(tmp_path / "a", tree(), {})
    pickles()[kind](tmp_path / "a" / "tensors.safetensors")
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, None)
    with pytest.raises(CheckpointError, match="is a pickle, which can run any code"):
        load(tmp_path / "a", tree())


def test_no_checkpoint_is_mistaken_for_a_pickle(tmp_path: Path):
    # The first byte is the length of the header modulo 256, and for some lengths that is the first byte of pickles.
    first = set()
    for length in range(30, 100):
        named = {"x" * length: torch.ones(2)}
        save(tmp_path / "a", named, {})
        file = tmp_path / "a" / "tensors.safetensors"
        first.add(file.read_bytes()[0])
        assert load(tmp_path / "a", named)[0]["x" * length].tolist() == [1, 1]
    assert 0x80 in first
    # Nor is a damaged one: 0x280 bytes of header begin as protocol 2 does.
    file.write_bytes(struct.pack("<Q", 0x280) + b"{}")
    with pytest.raises(CheckpointError, match="is truncated or damaged"):
        load(tmp_path / "a", named)


def test_newer_schemas(tmp_path: Path):
    save(tmp_path / "a", tree(), {})
    file = tmp_path / "a" / "meta.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema": 2}))
    with pytest.raises(
        CheckpointError, match=r"/a/meta.json has schema 2, and this zerosum reads up to 1 .update zerosum."
    ):
        load(tmp_path / "a", tree())


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'"schema"', b"{}", b'{"schema": "new"}', b'{"schema": null}', b"\xff"]
)
def test_damaged_meta(text: bytes, tmp_path: Path):
    save(tmp_path / "a", tree(), {})
    (tmp_path / "a" / "meta.json").write_bytes(text)
    with pytest.raises(CheckpointError, match=r"meta.json is damaged .*: use an earlier checkpoint"):
        load(tmp_path / "a", tree())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"v": torch.ones(2)}, "lacks v and has w"),
        ({"w": torch.ones(2), "v": torch.ones(2)}, "lacks v and has nothing"),
        ({}, "lacks nothing and has w"),
        ({f"v{i}": torch.ones(2) for i in range(9)}, "lacks v0, v1, v2 and 6 more and has w"),
        ({"w": torch.ones(3)}, r"w is torch.float32 \(2,\), expected torch.float32 \(3,\)"),
        ({"w": torch.ones(2).double()}, r"w is torch.float32 \(2,\), expected torch.float64 \(2,\)"),
    ],
)
def test_checkpoints_of_another_model(other: dict[str, Tensor], message: str, tmp_path: Path):
    save(tmp_path / "a", {"w": torch.ones(2)}, {})
    with pytest.raises(CheckpointError, match=f"/a belongs to another model: (it )?{message}"):
        load(tmp_path / "a", other)
