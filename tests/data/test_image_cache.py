import errno
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zerosum.data import DataError, Images, cache, load


def fill(*blocks: np.ndarray, labels: np.ndarray | None = None) -> Callable[[cache.PixelFile], cache.Filled]:
    def run(out: cache.PixelFile) -> cache.Filled:
        for block in blocks:
            out.append(block)
        return cache.Filled(labels, () if labels is None else ("a", "b"), ("note",), ("bad.png: why",))

    return run


BLOCKS = [np.random.default_rng(i).integers(0, 256, (n, 4, 5, 3), dtype=np.uint8) for i, n in enumerate((3, 0, 7))]


def test_what_is_written_is_read_and_numpy_agrees(tmp_path: Path) -> None:
    labels = np.arange(10, dtype=np.int64) % 2
    cache.write(tmp_path, "key", fill(*BLOCKS, labels=labels))
    found = cache.read(tmp_path, "key")
    assert found is not None
    entry, pixels, read = found
    np.testing.assert_array_equal(pixels, np.concatenate(BLOCKS))
    np.testing.assert_array_equal(read, labels)
    assert (entry.shape, entry.classes, entry.notes, entry.skipped) == (
        (10, 4, 5, 3),
        ("a", "b"),
        ("note",),
        ("bad.png: why",),
    )
    assert entry.fingerprint == Images.of(np.concatenate(BLOCKS), labels, name="x", classes=("a", "b")).fingerprint
    np.testing.assert_array_equal(np.load(tmp_path / f"{entry.fingerprint}.npy"), np.concatenate(BLOCKS))
    assert not list(tmp_path.glob(".tmp-*"))


def test_one_channel_is_kept_in_place(tmp_path: Path) -> None:
    count = 3 * ((16 << 20) // (64 * 64 * 3)) // 2  # one and a half of the blocks it moves at a time
    grey = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 1), dtype=np.uint8)

    def run(out: cache.PixelFile) -> cache.Filled:
        out.append(np.repeat(grey, 3, axis=3))
        out.keep_first_channel()
        return cache.Filled(None, (), (), ())

    cache.write(tmp_path, "key", run)
    found = cache.read(tmp_path, "key")
    assert found is not None
    np.testing.assert_array_equal(found[1], grey)
    assert (tmp_path / f"{found[0].fingerprint}.npy").stat().st_size == grey.size + 128


def test_writing_to_what_was_read_does_not_reach_the_file(tmp_path: Path) -> None:
    cache.write(tmp_path, "key", fill(*BLOCKS))
    cache.read(tmp_path, "key")[1][:] = 0  # type: ignore[index]
    np.testing.assert_array_equal(cache.read(tmp_path, "key")[1], np.concatenate(BLOCKS))  # type: ignore[index]


@pytest.mark.parametrize("suffix", [".npy", ".labels.npy", ".json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_a_damaged_entry_is_no_entry(tmp_path: Path, suffix: str, damage: str) -> None:
    cache.write(tmp_path, "key", fill(*BLOCKS, labels=np.zeros(10, np.int64)))
    (path,) = [
        p for p in tmp_path.iterdir() if p.name.endswith(suffix) and (suffix != ".npy" or "labels" not in p.name)
    ]
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[:-3] if damage == "cut" else b"")
    assert cache.read(tmp_path, "key") is None


def test_a_damaged_entry_is_built_again(folder: Path, cache_folder: Path) -> None:
    first = load(f"folder:{folder}", size=8).fingerprint
    (pixels,) = (p for p in (cache_folder / "images").glob("*.npy") if "labels" not in p.name)
    pixels.write_bytes(pixels.read_bytes()[:-1])
    assert load(f"folder:{folder}", size=8).fingerprint == first
    assert cache.read(cache_folder / "images", next((cache_folder / "images").glob("*.json")).stem) is not None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("moment", ["append", "commit"])
def test_a_disk_that_refuses_is_told_with_the_way_out(tmp_path: Path, monkeypatch, code: int, moment: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    if moment == "append":
        monkeypatch.setattr(cache.PixelFile, "append", refuse)
    else:
        monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DataError, match="ZEROSUM_CACHE") as caught:
        cache.write(tmp_path / "c", "key", fill(*BLOCKS))
    assert str(tmp_path / "c") in str(caught.value)
    assert ("disk is full" in str(caught.value)) == (code == errno.ENOSPC)
    assert not list((tmp_path / "c").iterdir())
    monkeypatch.undo()
    assert cache.read(tmp_path / "c", "key") is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_truly_full_device_raises_and_does_not_kill(tmp_path: Path) -> None:
    with Path("/dev/full").open("w+b", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        cache.PixelFile(Path("/dev/full"), full).append(BLOCKS[0])


def test_a_file_in_the_place_of_the_cache_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="ZEROSUM_CACHE"):
        load(f"folder:{folder}", size=8, cache=tmp_path / "file")


def test_the_cache_is_where_it_was_asked_for(folder: Path, tmp_path: Path, cache_folder: Path) -> None:
    load(f"folder:{folder}", size=8, cache=tmp_path / "here")
    assert list((tmp_path / "here/images").glob("*.json"))
    assert not list(cache_folder.iterdir())
    load(f"folder:{folder}", size=8)
    assert list((cache_folder / "images").glob("*.json"))


def test_interrupted_writers_leave_nothing_readable_and_are_swept_after_a_day(tmp_path: Path) -> None:
    def interrupted(out: cache.PixelFile) -> cache.Filled:
        out.append(BLOCKS[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.write(tmp_path, "key", interrupted)
    assert not list(tmp_path.iterdir())
    for name, age in ((".tmp-killed", 2 * 86400), (".tmp-working", 60)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cache.write(tmp_path, "key", fill(*BLOCKS))
    assert sorted(p.name for p in tmp_path.glob(".tmp-*")) == [".tmp-working"]


def _hammer(folder: str, key: str, seed: int, turns: int) -> None:
    """Rewrite one entry with contents of one's own, and read whatever is there; exit 1 for anything torn."""
    value = np.full((64, 16, 16, 3), seed, np.uint8)
    for _ in range(turns):
        cache.write(Path(folder), key, fill(value, labels=np.full(64, seed, np.int64)))
        found = cache.read(Path(folder), key)
        if found is None or len(np.unique(found[1])) != 1 or set(found[2].tolist()) != {int(found[1][0, 0, 0, 0])}:
            raise SystemExit(1)


def test_processes_that_write_one_entry_at_once_never_show_a_torn_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_hammer, args=(str(tmp_path), "key", seed, 25)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert not list(tmp_path.glob(".tmp-*"))


def test_keys_differ_in_every_part() -> None:
    parts = [["x", [["a", 1, 2]], 64, None], ["x", [["a", 1, 3]], 64, None], ["x", [["a", 1, 2]], 32, None], ["y"], []]
    assert len({cache.key_of(*p) for p in parts}) == len(parts)
    assert cache.key_of("x", ("a", 1)) == cache.key_of("x", ["a", 1])
