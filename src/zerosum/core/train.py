"""The training loop, as a generator: logging, sampling, evaluation and checkpoints live in the caller's ``for``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from zerosum.core import parallel
from zerosum.core.dynamics import Dynamics, alternating
from zerosum.core.game import Game, Said, State


class NonFiniteLoss(FloatingPointError):
    """A loss became nan or infinite. The message names the iteration, the player and the term."""


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
        game: the rules.
        state: where to start; it is not changed.
        batches: one batch per update (so ``n_critic + 1`` per iteration of a Wasserstein GAN).
        steps: iterations in all, those before ``first`` included.
        first: the iteration that ``state`` is about to play.
        dynamics: how turns become updates.
        backend: compile each move to one graph with this backend of ``torch.compile`` (``"inductor"``), or ``None``.
        check_every: how often to look for non-finite losses; each look waits for the device.

    Yields:
        ``(t, state, said)`` after iteration t: its losses, by player and term, on the device.

    Raises:
        NonFiniteLoss: a term is nan or infinite.
    """
    moves = dynamics(game)
    runs = [torch.compile(m.run, backend=backend, fullgraph=True) if backend else m.run for m in moves]
    unchecked: list[tuple[int, Said]] = []
    for t in range(first, steps):
        said: Said = {}
        for move, run in zip(moves, runs, strict=True):
            for _ in range(move.steps if t % move.every == 0 else 0):
                state, heard = run(state, next(batches))
                said |= heard
        said = _agree(said)
        average = {n: a.follow(state.average[n], _whole(game, state, n), t) for n, a in game.average.items()}
        state = state._replace(memory=game.remember(state.memory, said), average=_projected(game, average))
        unchecked.append((t, said))
        if len(unchecked) >= check_every or t == steps - 1:
            check_finite(unchecked)
            unchecked = []
        yield t, state, said


def check_finite(history: list[tuple[int, Said]]) -> None:
    """Raise :class:`NonFiniteLoss` for the first non-finite scalar said in ``history``; waits for the device once."""
    scalars = [
        (t, who, term, value)
        for t, said in history
        for who, terms in said.items()
        for term, value in terms.items()
        if value.dim() == 0
    ]
    if not scalars:
        return
    finite = torch.stack([value.float() for *_, value in scalars]).isfinite().tolist()
    if not all(finite):
        t, who, term, value = scalars[finite.index(False)]
        raise NonFiniteLoss(
            f"iteration {t}: the term {term!r} of player {who!r} is {value.item()}. "
            "A smaller learning rate, a stronger penalty or float32 (--precision float32) usually helps"
        )


def _agree(said: Said) -> Said:
    """Scalars averaged over ranks, so that `remember` and the log are the same everywhere."""
    if parallel.world() == 1:
        return said
    scalars = {w: {k: v for k, v in terms.items() if v.dim() == 0} for w, terms in said.items()}
    return {w: said[w] | means for w, means in parallel.mean(scalars).items()}


def _whole(game: Game, state: State, name: str) -> dict[str, torch.Tensor]:
    return state.weights[name] | state.buffers[name]


def _projected(game: Game, average: dict[str, dict[str, torch.Tensor]]) -> dict[str, dict[str, torch.Tensor]]:
    """The average of networks that obey a constraint is made to obey it too."""
    for name in average.keys() & game.project.keys():
        weights = {k: average[name][k] for k, _ in game.nets[name].named_parameters()}
        buffers = {k: v for k, v in average[name].items() if k not in weights}
        weights, buffers = game.project[name](weights, buffers)
        average[name] = weights | buffers
    return average
