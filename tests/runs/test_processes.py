"""Other numbers of processes: what cannot be the same on several is refused, before anything is written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import zerosum
from zerosum.core import parallel
from zerosum.core.dynamics import consensus, simultaneous
from zerosum.core.game import Game, Player, field, start
from zerosum.core.optim import sgd
from zerosum.errors import UsageError
from zerosum.folder import RunFolder
from zerosum.runs.settings import Settings
from zerosum.runs.setup import build

POINTS = {"latent": 2, "width": 4, "batch_size": 8, "steps": 2}


def processes(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(parallel, "world", lambda: count)


def test_a_run_goes_on_with_as_many_processes(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.record()["machine"]["processes"] == 1
    before = {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}
    processes(monkeypatch, 2)
    said = r"was trained by 1 process, and 2 processes would go on with it: .* go on with 1 process, or train anew"
    with pytest.raises(UsageError, match=said):
        zerosum.resume(folder.path, steps=8)
    assert {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()} == before
    processes(monkeypatch, 1)
    record = json.loads(folder.record_file.read_text())
    record["machine"]["processes"] = 4
    folder.record_file.write_text(json.dumps(record))
    with pytest.raises(UsageError, match="trained by 4 processes, and 1 process would go on"):
        zerosum.resume(folder.path, steps=8)


def test_a_run_that_does_not_say_how_many_goes_on(folder: RunFolder) -> None:
    record = folder.record()
    del record["machine"]["processes"]
    folder.write_record(record)
    assert zerosum.resume(folder.path, steps=8).outcome.step == 8


def test_consensus_is_refused_on_several_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    processes(monkeypatch, 2)
    choice = {"data": "ring", "out": str(tmp_path / "run"), **POINTS}
    with pytest.raises(UsageError, match=r"'custom': consensus takes the squared length .* train with 1 process$"):
        zerosum.train("custom", dynamics="consensus", **choice)
    assert not (tmp_path / "run").exists()
    for dynamics in ("extragradient", "simultaneous", "optimistic", "alternating"):
        assert build("custom", {"dynamics": dynamics, **POINTS}, Settings(data="ring"))
    processes(monkeypatch, 1)
    assert build("custom", {"dynamics": "consensus", **POINTS}, Settings(data="ring"))


def joined_and_apart(dynamics: Callable[..., object]) -> tuple[torch.Tensor, torch.Tensor]:
    """One step on a batch of 8, and the mean of the steps on its eighths, as as many processes would make it."""
    torch.manual_seed(0)
    net = nn.Linear(1, 1, bias=False)
    player = Player(("A",), lambda n, b, m: {"loss": n.A(b).sum(1).cos().mean()})
    game = Game({"A": net}, {"A": sgd(1.0)}, {"A": player})
    batch = torch.linspace(-3, 5, 8)[:, None]

    def step(part: torch.Tensor) -> torch.Tensor:
        (move,) = dynamics(game)  # type: ignore[misc]
        state, _ = move.run(start(game), part)
        return state.weights["A"]["weight"].squeeze()

    assert field(game, start(game), batch)[0]["A"]
    return step(batch), torch.stack([step(part) for part in batch.split(1)]).mean(0)


def test_what_is_refused_would_be_another_step_and_what_is_not_the_same() -> None:
    together, apart = joined_and_apart(simultaneous)
    torch.testing.assert_close(together, apart)
    together, apart = joined_and_apart(consensus(1.0))
    assert abs(together - apart) > 0.1
