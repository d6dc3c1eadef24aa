"""The batch size: how many images pass the network of features at a time, and that no score depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from metric_helpers import noise
from torch import Tensor

import zerosum as zs
from zerosum.data.images import Images
from zerosum.errors import UsageError
from zerosum.metrics import Metric, differences
from zerosum.metrics.features.random_convolutions import RandomConvolutions
from zerosum.metrics.suite import evaluate as evaluate_sampler

pytestmark = pytest.mark.filterwarnings("ignore:Fréchet distance from")  # few samples are quick


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty cache of features."""
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))


class Linear(torch.nn.Module):
    """Features whose rounding depends on the batch, and the sizes of the batches."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("weights", torch.randn(256, 6, generator=torch.Generator().manual_seed(0)))

    def __deepcopy__(self, memo: dict[int, Any]) -> Linear:
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.sizes.append(len(x))
        seen = (x.flatten(1) @ self.weights) / 16
        return seen, seen


def test_the_batch_size_changes_nothing_but_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = noise(320, 2), noise(300, 3, 220)
    names = "fid,kid,pr,dc,is"
    found = {}
    for size in (250, 7, 64, 1000):
        monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / str(size)))  # features are kept: each size is to be seen
        network = Linear([])
        scores = zs.evaluate(fake, against=real, metrics=names, features=network, batch_size=size)
        seen = [n for n in network.sizes if n not in (1, 4)]  # but for what tries the network
        whole = min(size, 300)
        assert max(seen) == min(size, 320)
        assert sum(seen) == 620
        assert seen.count(whole) >= 300 // size
        found[size] = scores
        told = scores["fid"].protocol.get("batch_size")
        assert told == (None if size == 250 else size)
        for name, score in scores.items():
            assert score.value == pytest.approx(found[250][name].value, rel=1e-5), (name, size)
            assert differences(score, found[250][name]) == {}
    sizes: list[int] = []
    metric = Metric("kid", features=Linear(sizes), batch_size=16)
    for pixels, is_real in ((real, True), (fake, False)):
        metric.update(torch.from_numpy(pixels).permute(0, 3, 1, 2), is_real)
    (score,) = metric.scores().values()
    assert set(sizes) - {1, 4} == {16, 300 % 16}
    assert score.value == pytest.approx(found[250]["kid"].value, rel=1e-5)
    assert score.protocol["batch_size"] == 16


def test_the_halves_of_the_reference_pass_in_batches_of_this_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    plain = RandomConvolutions.__call__
    monkeypatch.setattr(RandomConvolutions, "__call__", lambda self, x: sizes.append(len(x)) or plain(self, x))
    zs.evaluate(noise(20, 4), against=noise(44, 5), metrics="fd_random", batch_size=8)
    assert [size for size in sizes if size > 1] == [8, 8, 4] * 3  # generated, reference, control


def test_a_generator_makes_the_same_images_whatever_the_batch_size() -> None:
    asked: list[tuple[int, int]] = []

    def sampler(start: int, n: int) -> Tensor:
        asked.append((start, n))
        rng = torch.Generator().manual_seed(start)
        return torch.rand(n, 1, 32, 32, generator=rng) * 2 - 1

    data = Images.of(noise(300, 0).repeat(2, 1).repeat(2, 2), None, name="made")
    values = []
    for size in (250, 60):
        asked.clear()
        (score,) = evaluate_sampler(sampler, data, seed=0, metrics=["fid"], batch_size=size)
        values.append(score.value)
        assert asked == [(0, 250), (250, 50)]
    assert values[1] == pytest.approx(values[0], rel=1e-5)
    with pytest.raises(UsageError, match="kid is not among what is measured"):
        evaluate_sampler(sampler, data, seed=0, metrics=["fid"], options="kid.subsets=3")
    with pytest.raises(UsageError, match="batch_size=0: must be a whole number of at least 1"):
        evaluate_sampler(sampler, data, seed=0, metrics=["fid"], batch_size=0)
