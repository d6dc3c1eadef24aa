"""How turns become updates.

A dynamics turns a game into moves. Alternating play is what GANs are trained with; the others integrate the vector
field of all players at once, and exist to be compared with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch

from zerosum.core.game import Game, Said, State, apply, field, play
from zerosum.core.optim import Optimizer, Tensors


class Move(NamedTuple):
    """One compilable update: made ``updates(t)`` times in iteration t, each on a new batch."""

    run: Callable[[State, Any], tuple[State, Said]]
    updates: Callable[[int], int] = lambda t: 1


Dynamics = Callable[[Game], tuple[Move, ...]]


def alternating(game: Game) -> tuple[Move, ...]:
    """Players move in turn, each seeing what the ones before it did (Goodfellow et al. 2014, Algorithm 1)."""
    return tuple(Move(partial(play, game, who), p.updates) for who, p in game.players.items())


def simultaneous(game: Game) -> tuple[Move, ...]:
    """All players move at once: ``theta <- theta - eta v(theta)``, v the gradients of all players at theta."""

    def run(state: State, batch: Any) -> tuple[State, Said]:
        v, said, state = field(game, state, batch)
        return apply(game, state, v), said

    return _at_once(game, run)


def extragradient(game: Game) -> tuple[Move, ...]:
    """Step, look, step from where one was: ``theta <- theta - eta v(theta - eta v(theta))`` (Korpelevich 1976)."""

    def run(state: State, batch: Any) -> tuple[State, Said]:
        v, _, _ = field(game, state, batch)
        ahead, said, seen = field(game, apply(game, state, v), batch)
        return apply(game, state._replace(buffers=seen.buffers), ahead), said

    return _at_once(game, run)


def consensus(strength: float) -> Dynamics:
    """Also descend the field's squared length: ``v + strength grad |v|^2 / 2`` (Mescheder et al. 2017, 1705.10461)."""

    def moves(game: Game) -> tuple[Move, ...]:
        def run(state: State, batch: Any) -> tuple[State, Said]:
            def half_square(weights: dict[str, Tensors]) -> tuple[torch.Tensor, Any]:
                found = v, _, _ = field(game, state._replace(weights=state.weights | weights), batch)
                squares = [g.float().square().sum() for grads in v.values() for g in grads.values()]
                return torch.stack(squares).sum() / 2, found

            owned = {name: state.weights[name] for player in game.players.values() for name in player.owns}
            pull, (v, said, after) = torch.func.grad(half_square, has_aux=True)(owned)
            both = {n: {k: g + strength * pull[n][k] for k, g in grads.items()} for n, grads in v.items()}
            return apply(game, after, both), said

        return _at_once(game, run)

    return moves


def optimistic(base: Optimizer) -> Optimizer:
    """Repeat the last step minus the one before: ``w <- w + 2 u_t - u_(t-1)``, u the step of ``base``.

    With ``sgd`` it is optimistic gradient descent, with ``adam`` Optimistic Adam (Daskalakis et al. 2018,
    arXiv:1711.00141, Algorithm 1). Meant for :func:`simultaneous` play.
    """

    def init(weights: Tensors) -> Any:
        return {"base": base.init(weights), "last": {k: torch.zeros_like(w) for k, w in weights.items()}}

    def wrap(step: Any) -> Any:
        def update(grads: Tensors, state: Any, weights: Tensors) -> tuple[Tensors, Any]:
            moved, inner = step(grads, state["base"], weights)
            u = {k: moved[k] - w for k, w in weights.items()}
            new = {k: w + 2 * u[k] - state["last"][k] for k, w in weights.items()}
            return new, {"base": inner, "last": u}

        return update

    return Optimizer(init, wrap(base.update), wrap(base.fast))


def _at_once(game: Game, run: Callable[[State, Any], tuple[State, Said]]) -> tuple[Move, ...]:
    for who, player in game.players.items():
        if player.steps != 1 or player.every != 1:
            found = f"player {who!r} has steps={player.steps}, every={player.every}"
            raise ValueError(f"{found}, but here all players move at once: set both to 1, or use alternating play")
    return (Move(run),)
