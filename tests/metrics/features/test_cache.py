"""Features on disk: computed once, found again, never mixed up, never damaged unnoticed."""

import errno
import hashlib
import os
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from random_weights import random_images
from safetensors.torch import load_file
from torch import Tensor

from zerosum.metrics.features import cache
from zerosum.metrics.features.base import Extractor, Features
from zerosum.metrics.features.cache import cached_features, entry_key
from zerosum.metrics.features.shipped import Shipped


@dataclass
class Counting:
    """Mean of each channel, and how many images were asked for."""

    name: str = "counting"
    hash: str = "0123456789ab"
    resize: str = "none"
    dimensions: int = 3
    logits: bool = True
    calls: int = 0

    def __call__(self, images: Tensor) -> Features:
        self.calls += len(images)
        vectors = images.float().mean((2, 3))
        return Features(vectors, vectors.sum(1, keepdim=True) if self.logits else None)


IMAGES = random_images("cache", 10, 6, 5)


def batches(size: int = 4) -> Iterator[Tensor]:
    yield from IMAGES.split(size)


def get(folder: Path, extractor: Extractor, **changes: Any) -> Features:
    asked = {"fingerprint": "abc", "which": "first 10", **changes}
    return cached_features(extractor, asked.pop("batches", batches()), folder=folder, **asked)


@pytest.mark.parametrize("logits", [True, False])
def test_computed_once_and_equal(tmp_path: Path, logits: bool) -> None:
    extractor = Counting(logits=logits)
    first = get(tmp_path, extractor)
    again = get(tmp_path, extractor, batches=iter(()))  # never touched
    assert extractor.calls == 10
    expected = extractor(IMAGES)
    for found in (first, again):
        assert torch.equal(found.vectors, expected.vectors)
        assert (found.logits is None) == (not logits)
        if logits:
            assert torch.equal(found.logits, expected.logits)
    assert [p.name for p in tmp_path.iterdir()] == [f"{entry_key(extractor, 'abc', 'first 10')}.safetensors"]


def test_the_shipped_extractor_and_the_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    images = random_images("shipped", 5, 28, 28, channels=1)
    extractor = Shipped()
    vectors, logits = cached_features(extractor, [images], fingerprint="abc", which="all")
    assert vectors.shape == (5, 64)
    assert logits is not None
    assert torch.equal(logits, extractor(images).logits)
    assert len(list((tmp_path / "features").iterdir())) == 1


def test_the_file_is_plain_safetensors(tmp_path: Path) -> None:
    extractor = Counting()
    get(tmp_path, extractor, batches=batches(3))
    (path,) = tmp_path.iterdir()
    tensors = load_file(path)
    assert torch.equal(tensors["vectors"], extractor(IMAGES).vectors)
    assert torch.equal(tensors["logits"], extractor(IMAGES).logits)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads Linux's list of memory maps")
def test_features_are_mapped_not_copied(tmp_path: Path) -> None:
    found = get(tmp_path, Counting())
    (path,) = tmp_path.iterdir()
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    ranges = [line[0].split("-") for line in maps if line[-1] == str(path)]
    assert any(int(low, 16) <= found.vectors.data_ptr() < int(high, 16) for low, high in ranges)
    before = path.read_bytes()
    found.vectors.zero_()  # a measure that works in place does not reach the file
    assert path.read_bytes() == before


def test_batch_size_does_not_matter(tmp_path: Path) -> None:
    contents = set()
    for size in (1, 4, 10):
        get(tmp_path / str(size), Counting(), batches=batches(size))
        (path,) = (tmp_path / str(size)).iterdir()
        contents.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(contents) == 1


@pytest.mark.parametrize("field", ["name", "hash", "resize"])
def test_another_extractor_is_another_entry(tmp_path: Path, field: str) -> None:
    other = replace(Counting(), **{field: "other"})
    get(tmp_path, Counting())
    get(tmp_path, other)
    assert other.calls == 10
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("change", [{"fingerprint": "def"}, {"which": "last 10"}])
def test_other_data_is_another_entry(tmp_path: Path, change: dict[str, str]) -> None:
    extractor = Counting()
    get(tmp_path, extractor)
    get(tmp_path, extractor, **change)
    assert extractor.calls == 20


@pytest.mark.parametrize("version", ["zerosum.metrics.features.cache.__version__", "torch.__version__"])
def test_another_version_is_another_entry(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    before = entry_key(Counting(), "abc", "all")
    assert entry_key(Counting(), "abc", "all") == before
    monkeypatch.setattr(version, "99")
    assert entry_key(Counting(), "abc", "all") != before


@pytest.mark.parametrize("damage", ["empty", "cut", "one bit", "other"])
def test_damaged_files_are_computed_again_with_a_note(tmp_path: Path, damage: str) -> None:
    extractor = Counting()
    expected = get(tmp_path, extractor).vectors.clone()
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[-60] ^= 1
    new = {"empty": b"", "cut": content[:-1], "one bit": content, "other": b"something else" * 100}[damage]
    path.write_bytes(new)
    notes: list[str] = []
    assert torch.equal(get(tmp_path, extractor, note=notes.append).vectors, expected)
    assert extractor.calls == 20
    assert len(notes) == 1
    assert "damaged" in notes[0]
    get(tmp_path, extractor, note=notes.append)
    assert extractor.calls == 20
    assert len(notes) == 1


def test_the_note_is_a_warning_by_default(tmp_path: Path) -> None:
    get(tmp_path, Counting())
    next(tmp_path.iterdir()).write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged"):
        get(tmp_path, Counting())


def test_what_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[Tensor]:
        yield IMAGES[:4]
        raise FileNotFoundError("photo.png")

    with pytest.raises(FileNotFoundError, match=r"photo\.png"):  # and not: the cache could not be written
        get(tmp_path, Counting(), batches=failing())
    assert list(tmp_path.iterdir()) == []


def test_no_images_and_unequal_batches_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no images"):
        get(tmp_path, Counting(), batches=[])
    with pytest.raises(ValueError, match="vectors of 1 dimensions after vectors of 3"):
        get(tmp_path, Counting(), batches=[IMAGES, IMAGES[:, :1]])

    class Sometimes(Counting):
        def __call__(self, images: Tensor) -> Features:
            found = super().__call__(images)
            return found if len(images) == 4 else Features(found.vectors, None)

    with pytest.raises(ValueError, match="logits for 8 of 10 images"):
        get(tmp_path, Sometimes())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="ZEROSUM_CACHE"):
        get(tmp_path, Counting())
    assert list(tmp_path.iterdir()) == []


class Wide(Counting):
    """16,384 features and logits for each image: 128 KiB."""

    def __call__(self, images: Tensor) -> Features:
        vectors = torch.ones(len(images), 1 << 14)
        return Features(vectors, vectors)


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    append = cache._Rows.append

    def watched(rows: Any, tensor: Tensor) -> None:
        nonlocal largest
        largest = max(largest, tensor.nbytes)
        append(rows, tensor)

    monkeypatch.setattr(cache._Rows, "append", watched)
    tracemalloc.start()
    found = get(tmp_path, Wide(), batches=(IMAGES[:4] for _ in range(100)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.vectors.shape == (400, 1 << 14)
    assert found.vectors.nbytes == 26_214_400
    # Written batch by batch, and Python itself held no copy of the file.
    assert largest == 4 << 16
    assert peak < 4 << 20
