"""The training loop, as a generator: logging, sampling, evaluation and checkpoints live in the caller's ``for``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from zerosum.core import parallel
from zerosum.core.dynamics import Dynamics, alternating
from zerosum.core.game import Game, Said, State
from zerosum.core.optim import Tensors
from zerosum.errors import NonFiniteLoss


def train(
    game: Game,
    state: State,
    batches: Iterator[Any],
    steps: int,
    *,
    first: int = 0,
    dynamics: Dynamics = alternating,
    backend: str | None = None,
    check_every: int = 1,
) -> Iterator[tuple[int, State, Said]]:
    """Play iterations ``first`` to ``steps - 1``.

    Args:
        game: The rules.
        state: Where to start; it is not changed.
        batches: Batches, one for each update.
        steps: Iterations in all, those before ``first`` included.
        first: The iteration that ``state`` is about to play.
        dynamics: How turns become updates.
        backend: Backend of ``torch.compile`` (``"inductor"``) by which each move becomes one graph; ``None``: eager.
        check_every: Iterations between looks for non-finite losses; each look waits for the device.

    Yields:
        ``(t, state, said)`` after iteration t: its losses, by player and term, on the device.

    Raises:
        NonFiniteLoss: A term is nan or infinite.
    """
    moves = [(m, _compiled(m.run, backend) if backend else m.run) for m in dynamics(game)]
    unchecked: list[tuple[int, Said]] = []
    for t in range(first, steps):
        said: Said = {}
        for move, run in moves:
            for _ in range(move.updates(t)):
                state, heard = run(state, next(batches))
                said |= heard
        said = _agree(said)
        state = state._replace(memory=game.remember(state.memory, said), average=_averages(game, state, t))
        unchecked.append((t, said))
        if len(unchecked) >= check_every or t == steps - 1:
            check_finite(unchecked)
            unchecked = []
        yield t, state, said


def _compiled(run: Any, backend: str) -> Any:
    def move(state: State, batch: Any) -> Any:
        after, said = run(state, batch)
        return *after, said  # a named tuple that a graph of torch 2.11 returns is broken

    # Torch keeps graphs, eight at most, with the code of a function: moves must not have it in common.
    move.__code__ = move.__code__.replace()
    graph = torch.compile(move, backend=backend, fullgraph=True)
    return lambda state, batch: (State(*(out := graph(state, batch))[:-1]), out[-1])


def check_finite(history: list[tuple[int, Said]]) -> None:
    """Raise :class:`NonFiniteLoss` for the first non-finite scalar said in ``history``; waits for the device once."""
    all_said = ((t, who, term, v) for t, said in history for who, terms in said.items() for term, v in terms.items())
    scalars = [one for one in all_said if one[3].dim() == 0]
    finite = torch.stack([value.float() for *_, value in scalars]).isfinite().tolist() if scalars else []
    if not all(finite):
        t, who, term, value = scalars[finite.index(False)]
        raise NonFiniteLoss(
            f"iteration {t}: the term {term!r} of player {who!r} is {value.item()}. "
            "A smaller learning rate, a stronger penalty or float32 usually helps"
        )


def _agree(said: Said) -> Said:
    """Scalars averaged over ranks, so that `remember` and the log are the same everywhere."""
    scalars = {w: {k: v for k, v in terms.items() if v.dim() == 0} for w, terms in said.items()}
    return {w: said[w] | means for w, means in parallel.mean(scalars).items()}


def _averages(game: Game, state: State, t: int) -> dict[str, Tensors]:
    """The averages after iteration ``t``; those of networks that obey a constraint obey it too."""
    new = dict(state.average)
    for name, average in game.average.items():
        weights, buffers = state.weights[name], state.buffers[name]
        mean = new[name] = average.follow(state.average[name], weights | buffers, t)
        if name in game.project:
            weights, buffers = game.project[name]({k: mean[k] for k in weights}, {k: mean[k] for k in buffers})
            new[name] = weights | buffers
    return new
