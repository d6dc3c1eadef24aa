"""Differentiable games near a point: how the players' gradients turn, and which dynamics come to rest.

A game is its vector field v(theta): every player's gradient of its own loss. Its Jacobian J need not be symmetric, so
its eigenvalues may be complex, and plain descent may circle. Near an equilibrium each dynamics is a linear map; it
converges there if all eigenvalues of that map lie within the unit circle, at the rate of the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zerosum.core.game import Game, State, field
from zerosum.theory.arrays import Array

Blocks = Sequence[slice]  # which coordinates each player owns, in turn order


def jacobian(game: Game, state: State, batch: Any = None) -> tuple[Array, Blocks]:
    """J = dv/dtheta at a state, Mescheder et al. 2017 (arXiv:1705.10461), by differentiating the engine's field.

    Args:
        game: Game in which no two players own the same network.
        state: The point theta; float64 weights are worth their price here.
        batch: What the losses see.

    Returns:
        J, (n, n), with coordinates in the order of the players and their weights; and the coordinates of each player.

    Raises:
        ValueError: Two players own the same network.
    """
    owned = [(who, name) for who, player in game.players.items() for name in player.owns]
    if len({name for _, name in owned}) < len(owned):
        raise ValueError("players own a network together, so their coordinates cannot be told apart")
    shapes = [(name, key, w.shape) for _, name in owned for key, w in state.weights[name].items()]

    def flat(tensors: dict[str, dict[str, Tensor]]) -> Tensor:
        return torch.cat([tensors[name][key].flatten() for name, key, _ in shapes])

    def v(theta: Tensor) -> Tensor:
        weights: dict[str, dict[str, Tensor]] = {name: dict(w) for name, w in state.weights.items()}
        parts = torch.split(theta, [shape.numel() for *_, shape in shapes])
        for (name, key, shape), part in zip(shapes, parts, strict=True):
            weights[name][key] = part.reshape(shape)
        return flat(field(game, state._replace(weights=weights), batch)[0])

    found = torch.func.jacrev(v)(flat(state.weights))
    sizes = [sum(w.numel() for n in p.owns for w in state.weights[n].values()) for p in game.players.values()]
    ends = np.cumsum([0, *sizes])
    return np.asarray(found.double().cpu().numpy()), [slice(a, b) for a, b in pairwise(ends)]


def potential(j: Array) -> Array:
    """(J + J^T) / 2, the part that one loss could explain. Balduzzi et al. 2018 (arXiv:1802.05642).

    Args:
        j: Jacobian, (n, n).
    """
    return np.asarray((j + j.T) / 2)


def hamiltonian(j: Array) -> Array:
    """(J - J^T) / 2, the part that turns. Balduzzi et al. 2018 (arXiv:1802.05642).

    Args:
        j: Jacobian, (n, n).
    """
    return np.asarray((j - j.T) / 2)


def simultaneous(j: Array, lr: float) -> Array:
    """I - lr J: all players step at once.

    Args:
        j: Jacobian, (n, n).
        lr: Step size.
    """
    return np.asarray(np.eye(len(j)) - lr * j)


def alternating(j: Array, lr: float, blocks: Blocks) -> Array:
    """The product of the players' own steps, each from where the one before it left the game.

    Args:
        j: Jacobian, (n, n).
        lr: Step size.
        blocks: Coordinates of each player, in turn order.
    """
    whole = np.eye(len(j))
    for block in blocks:
        step = np.eye(len(j))
        step[block] -= lr * j[block]
        whole = step @ whole
    return np.asarray(whole)


def extragradient(j: Array, lr: float) -> Array:
    """I - lr J (I - lr J): the field is read one step ahead (Korpelevich 1976).

    Args:
        j: Jacobian, (n, n).
        lr: Step size.
    """
    return np.asarray(np.eye(len(j)) - lr * j @ (np.eye(len(j)) - lr * j))


def optimistic(j: Array, lr: float) -> Array:
    """w_(t+1) = w_t - 2 lr J w_t + lr J w_(t-1), on (w_t, w_(t-1)). Daskalakis et al. 2018 (arXiv:1711.00141).

    Args:
        j: Jacobian, (n, n).
        lr: Step size.

    Returns:
        The map, (2n, 2n).
    """
    one = np.eye(len(j))
    return np.block([[one - 2 * lr * j, lr * j], [one, np.zeros_like(one)]])


def consensus(j: Array, lr: float, strength: float) -> Array:
    """I - lr (J + strength J^T J), at an equilibrium. Mescheder et al. 2017 (arXiv:1705.10461).

    Args:
        j: Jacobian, (n, n).
        lr: Step size.
        strength: Strength of the pull towards small fields.
    """
    return np.asarray(np.eye(len(j)) - lr * (j + strength * j.T @ j))


def rate(step: Array) -> float:
    """By how much a linear map scales distances in the long run: its spectral radius. Below 1 it converges.

    Args:
        step: Linear map of a dynamics, (n, n).
    """
    return float(np.abs(np.linalg.eigvals(step)).max())


def turn(step: Array) -> float:
    """The angle by which the dominant eigenvalue of a linear map turns at each step, in [0, pi], in radians.

    Args:
        step: Linear map of a dynamics, (n, n).
    """
    values = np.linalg.eigvals(step)
    return float(abs(np.angle(values[np.abs(values).argmax()])))


def largest_step(j: Array) -> float:
    """The step size below which simultaneous play converges: min over eigenvalues l of J of 2 Re(l) / |l|^2.

    Mescheder et al. 2017 (arXiv:1705.10461). It is 0 where an eigenvalue of J has no positive real part.

    Args:
        j: Jacobian, (n, n).
    """
    values = np.linalg.eigvals(j)
    return max(0.0, float((2 * values.real / np.abs(values) ** 2).min()))
