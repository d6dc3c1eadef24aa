"""Two processes against one that has their joined batches."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from zerosum.core import parallel
from zerosum.core.checkpoint import flatten

SCRIPT = Path(__file__).with_name("two_ranks.py")


@pytest.fixture(scope="module")
def two_ranks(module_at: Callable[[Path], ModuleType]) -> ModuleType:
    return module_at(SCRIPT)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, on_two_ranks: Callable[[Path, Path], None]) -> Path:
    """Where both processes have left their tensors."""
    folder = tmp_path_factory.mktemp("ranks")
    on_two_ranks(SCRIPT, folder)
    return folder


@pytest.mark.parametrize(("name", "players"), [("plain", "DG"), ("in parts", "DG"), ("compiled", "D")])
def test_two_ranks_do_what_one_does_with_the_joined_batch(name: str, players: str, two_ranks: Any, results: Path):
    ranks = [load_file(results / f"{name}-{rank}.safetensors") for rank in range(2)]
    state, said = two_ranks.played(two_ranks.game(players), two_ranks.joined)
    expected: dict[str, Tensor] = flatten(state) | said
    begin = flatten(two_ranks.start(two_ranks.game()))
    for key, value in expected.items():
        torch.testing.assert_close(ranks[0][key], value, rtol=1e-5, atol=1e-5)
        assert torch.equal(ranks[0][key], ranks[1][key]), f"the ranks disagree on {key}"
    moved = [key for key, value in expected.items() if key in begin and not torch.equal(value, begin[key])]
    assert {key.split("/")[1] for key in moved if key.startswith("weights")} == set(players)


def test_what_one_rank_sees_is_another_matter(two_ranks: Any, results: Path):
    # Were nothing averaged, each rank would be here instead.
    alone, said = two_ranks.played(two_ranks.game(), lambda k: two_ranks.share(0, k))
    together = load_file(results / "plain-0.safetensors")
    for key in ("weights/D/0.weight", "weights/G/0.weight", "memory/w"):
        assert not torch.allclose(flatten(alone)[key], together[key], atol=1e-4)
    assert said["D/w"].item() != pytest.approx(together["D/w"].item(), abs=1e-4)


def test_means_keep_shape_and_type(results: Path):
    for rank in range(2):
        found = load_file(results / f"mean-{rank}.safetensors")
        assert torch.equal(found["a"], torch.full((2, 3), 0.5))
        assert found["b/c"].item() == 5
        assert (found["a"].dtype, found["b/c"].dtype) == (torch.float32, torch.float64)


def test_ranks_draw_different_noise(two_ranks: Any):
    draws = [two_ranks.share(rank, k).z for rank in range(2) for k in range(3)]
    assert all(not torch.equal(a, b) for i, a in enumerate(draws) for b in draws[:i])
    assert torch.equal(two_ranks.share(1, 2).z, two_ranks.share(1, 2).z)


def test_alone_there_is_nobody_to_wait_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    parallel.join()
    parallel.wait()
    parallel.leave()
    assert (parallel.rank(), parallel.world()) == (0, 1)
    tree = {"a": torch.ones(2)}
    assert parallel.mean(tree) is tree
