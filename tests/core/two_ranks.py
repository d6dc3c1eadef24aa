"""What each of two processes does in test_parallel: ``python two_ranks.py RANK MEETING_POINT OUT``."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn

from zerosum.core import parallel
from zerosum.core.checkpoint import flatten
from zerosum.core.game import Game, Nets, Player, State, start
from zerosum.core.optim import adam, sgd
from zerosum.core.random import generator
from zerosum.core.train import train
from zerosum.penalties import wgan_gp

SIZE = 4  # of each rank's share of a batch
ITERATIONS = 2


class Batch(NamedTuple):
    x: Tensor
    z: Tensor
    eps: Tensor


def share(rank: int, k: int) -> Batch:
    """Rank's part of batch k."""
    rng = generator(0, "draw", rank, k)
    return Batch(
        torch.randn(SIZE, 3, generator=rng) + 1, torch.randn(SIZE, 2, generator=rng), torch.rand(SIZE, generator=rng)
    )


def joined(k: int) -> Batch:
    """Batch k as one process would see it."""
    return Batch(*(torch.cat(parts) for parts in zip(share(0, k), share(1, k), strict=True)))


def critic_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    fake = n.G(b.z)
    return {"w": n.D(fake).mean() - n.D(b.x).mean(), "gp": 10 * wgan_gp(n.D, b.x, fake, b.eps)}


def generator_loss(n: Nets, b: Batch, m: Any) -> dict[str, Tensor]:
    return {"w": -n.D(n.G(b.z)).mean()}


def game(players: str = "DG", accumulate: int = 1) -> Game:
    """WGAN-GP; by plain descent in the critic, whose updates then show gradients as they are."""
    torch.manual_seed(0)
    nets = {
        "G": nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)),
        "D": nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)),
    }
    return Game(
        nets,
        {"G": adam(1e-2, eps=1e-3), "D": sgd(0.1)},
        {who: Player((who,), {"D": critic_loss, "G": generator_loss}[who]) for who in players},
        memory={"w": torch.zeros(())},
        remember=lambda memory, said: {"w": memory["w"] + said["D"]["w"]},
        accumulate=accumulate,
    )


def played(rules: Game, draw: Any, **options: Any) -> tuple[State, dict[str, Tensor]]:
    """The state after a few iterations, and what was said in the last one."""
    batches = iter([draw(k) for k in range(2 * ITERATIONS)])
    *_, (_, state, said) = train(rules, start(rules), batches, ITERATIONS, **options)
    return state, flatten(said)


WAYS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "plain": ("DG", 1, {}),
    "in parts": ("DG", 2, {}),
    "compiled": ("D", 1, {"backend": "aot_eager"}),  # one player, because it takes a while
}


def main(rank: int, meeting: str, out: Path) -> None:
    torch.set_num_threads(1)
    assert (parallel.rank(), parallel.world()) == (0, 1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    assert (parallel.rank(), parallel.world()) == (rank, 2)
    for name, (players, accumulate, options) in WAYS.items():
        state, said = played(game(players, accumulate), lambda k: share(rank, k), **options)
        save_file({k: v.contiguous() for k, v in flatten(state).items()} | said, out / f"{name}-{rank}.safetensors")
    tree = {"a": torch.full((2, 3), float(rank)), "b": {"c": torch.tensor(10.0 * rank, dtype=torch.float64)}}
    save_file(flatten(parallel.mean(tree)), out / f"mean-{rank}.safetensors")
    assert parallel.mean({"nobody played": {}}) == {"nobody played": {}}
    parallel.wait()
    parallel.leave()
    assert parallel.world() == 1


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
