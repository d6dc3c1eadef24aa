"""Data of one's own: what is promised, and which promise is broken."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.data import Data, DataError, Images, check_data, is_given, load
from zerosum.data.describe import describe, save_picture, summary

Batch = tuple[Any, Any]


class Squares(Data):
    """Images that are made when they are asked for."""

    def __init__(self, alter: Callable[[Tensor, Tensor], Any] = lambda x, y: (x, y), **fields: Any) -> None:
        known: dict[str, Any] = {"classes": ("dark", "light"), "count": None, "notes": (), "shape": (1, 8, 8)}
        super().__init__(**{"name": "squares", "fingerprint": "squares of version 1", **known, **fields})
        self.alter = alter

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> Batch:
        y = torch.randint(2, (size,), generator=generator(seed, "squares", rank, k))
        x = (2.0 * y - 1)[:, None, None, None].expand(size, 1, 8, 8)
        altered: Batch = self.alter(x, y)
        return altered


@dataclass(frozen=True)
class Line(Data):
    slope: float = 1.0

    def batch(
        self, k: int, size: int, *, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, None]:
        t = 5 * torch.randn(size, generator=generator(seed, "line", rank, k))
        return torch.stack([t, self.slope * t], 1), None


def test_data_that_keep_their_promises() -> None:
    line = Line("line", (2,), (), None, "line of slope 2", (), slope=2.0)
    for data in (Squares(), line, Squares(count=1), load("ring"), load("fashion-mini")):
        assert check_data(data) is data
        assert load(data) is data
    assert is_given(line)
    assert is_given(Squares())
    assert not is_given(load("ring"))


def test_classes_of_data_of_ones_own_are_counted() -> None:
    def mostly_dark(x: Tensor, y: Tensor) -> Any:
        return x, (torch.arange(len(y)) % 10 == 0).long()

    assert Squares(mostly_dark).class_counts() == (9_000, 1_000)
    assert Squares(mostly_dark, count=250).class_counts() == (180, 20)  # of whole batches
    assert Squares(mostly_dark, count=20).class_counts() == (18, 2)
    assert load("ring").class_counts() == Line("line", (2,), (), None, "a line", ()).class_counts() == ()
    assert load("fashion-mini").class_counts() == (1_000,) * 10


CALLS = 0


def drift(x: Tensor, y: Tensor) -> Batch:
    global CALLS
    CALLS += 1
    return x * (1 - 0.01 * CALLS), y


def fail(x: Tensor, y: Tensor) -> Batch:
    raise KeyError("no such file")


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (Squares(lambda x, y: x), "squares (Squares): batch() must return (x, y), y None without labels, not Tensor"),
        (Squares(lambda x, y: (x, y, y)), "batch() must return (x, y)"),
        (Squares(lambda x, y: (x.numpy(), y)), "x of batch() must be a tensor, not ndarray"),
        (Squares(lambda x, y: (x[:, 0], y)), "x of batch(0, 2) has shape (2, 8, 8); (2, 1, 8, 8) is expected"),
        (Squares(lambda x, y: (x[:1], y)), "has shape (1, 1, 8, 8)"),
        (Squares(lambda x, y: (x.double(), y)), "x of batch() is torch.float64; torch.float32 is expected"),
        (Squares(lambda x, y: (x.byte(), y)), "x of batch() is torch.uint8"),
        (Squares(lambda x, y: (x.to("meta"), y)), "x of batch(..., device='cpu') is on meta"),
        (Squares(lambda x, y: (x * torch.nan, y)), "x of batch() holds NaN or infinity"),
        (Squares(lambda x, y: (x * 0 + 255, y)), "x of batch() has values from 255 to 255; images lie in [-1, 1]"),
        (Squares(lambda x, y: (x * 0 - 1.01, y)), "values from -1.01 to -1.01"),
        (Squares(lambda x, y: (x, None)), "batch() gives no labels, but there are 2 classes"),
        (Squares(classes=()), "batch() gives labels, but classes is empty"),
        (Squares(lambda x, y: (x, [0, 1])), "y of batch() must be a tensor or None, not list"),
        (Squares(lambda x, y: (x, y.int())), "y of batch(0, 2) is torch.int32 (2,); torch.int64 (2,) is expected"),
        (Squares(lambda x, y: (x, y[:, None])), "is torch.int64 (2, 1)"),
        (Squares(lambda x, y: (x, y + 2)), "the 2 classes have numbers from 0"),
        (Squares(lambda x, y: (x, y * 0 - 1)), "y of batch() holds -1"),
        (Squares(drift), "batch(0, ...) gives other samples each time; they must follow from its arguments alone"),
        (Squares(fail), "batch(0, 2, seed=0, rank=0, world=1, device='cpu') raised KeyError: 'no such file'"),
        (Squares(name=""), "Squares: name must be a text, not ''"),
        (Squares(fingerprint=3), "Squares: fingerprint must be a text, not 3"),
        (Squares(classes=["a"]), "classes must be a tuple of texts, not ['a']"),
        (Squares(notes="odd"), "notes must be a tuple of texts, not 'odd'"),
        (Squares(shape=[1, 8, 8]), "shape must be a tuple of whole numbers, (C, H, W) or (2,), not [1, 8, 8]"),
        (Squares(shape=(8, 8)), "shape must be (C, H, W) with 1 or 3 channels, or (2,) for points, not (8, 8)"),
        (Squares(shape=(8, 8, 3)), "with 1 or 3 channels"),
        (Squares(shape=(3,)), "or (2,) for points, not (3,)"),
        (Squares(shape=(1, 8.0, 8)), "must be a tuple of whole numbers"),
        (Squares(count=0), "count must be the number of samples, or None where there is no end, not 0"),
        (Squares(count=2.0), "count must be the number of samples"),
        (Data("base", (2,), (), None, "x", ()), "NotImplementedError: Data must define batch()"),
    ],
)
def test_a_broken_promise_is_named(data: Data, part: str) -> None:
    with pytest.raises(DataError) as caught:
        check_data(data)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_that_forgot_its_fields() -> None:
    class Forgetful(Data):
        def __init__(self) -> None:
            pass

    with pytest.raises(DataError, match=r"Forgetful has no name; Data\.__init__ takes all of them"):
        check_data(Forgetful())


def test_labels_beyond_the_classes_of_images() -> None:
    pixels = np.zeros((2, 4, 4, 1), np.uint8)
    with pytest.raises(DataError, match="y of batch"):
        check_data(Images.of(pixels, np.array([0, 5]), name="x", classes=("a", "b")))


@pytest.mark.parametrize("other", ["ring", np.zeros((3, 2)), None])
def test_other_things_are_not_data(other: Any) -> None:
    with pytest.raises(DataError, match=r"derive it from zerosum\.data\.Data"):
        check_data(other)


def test_errors_of_data_pass_through() -> None:
    few = replace(load("fashion-mini"), count=10_001)
    assert check_data(few) is few

    class Refusing(Squares):
        def batch(self, *_: Any, **__: Any) -> Batch:
            raise DataError("the disk is gone")

    with pytest.raises(DataError, match=r"^the disk is gone$"):
        check_data(Refusing())


def test_own_data_are_described_and_drawn(tmp_path: Path) -> None:
    assert describe(Squares())["classes"] == ["dark", "light"]
    words = summary(Squares(count=4))
    assert "classes      2: dark, light" in words
    assert "memory" not in words
    save_picture(Squares(), tmp_path / "x.png", count=9)
    line = Line("line", (2,), (), None, "x", ())
    assert "modes" not in summary(line)
    save_picture(line, tmp_path / "y.png")
    assert (tmp_path / "x.png").stat().st_size
    assert (tmp_path / "y.png").stat().st_size
