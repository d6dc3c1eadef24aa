"""What a generator's gradient becomes while a new critic learns to tell its frozen samples from real images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, State, Terms, gradient, play, start
from zerosum.objectives import minimax, non_saturating
from zerosum.runs.setup import Batches, Setup
from zerosum.theory.lab.base import Lab
from zerosum.theory.lab.drawing import line, panels
from zerosum.theory.lab.training import game_of, prepare
from zerosum.theory.lab.training import play as training

BATCH = 64
Row = dict[str, float]


def trained(lab: Lab, *, data: str, epochs: Sequence[int], width: int) -> dict[int, tuple[Setup, State]]:
    """A DCGAN after each number of epochs, all from one run; 0 is the untrained one.

    Args:
        lab: the room.
        data: real images.
        epochs: numbers of passes over them.
        width: channels of both networks' outermost layers.
    """
    count = prepare("dcgan", data=data, seed=lab.seed, steps=1, width=width, kernel=4, batch_size=BATCH).data.count
    each = -(-(count or 0) // BATCH)
    longest = max(1, max(epochs) * each)
    setup = prepare("dcgan", data=data, seed=lab.seed, steps=longest, width=width, kernel=4, batch_size=BATCH)
    wanted = {e * each: e for e in epochs}
    turns = lab.track(training(setup), f"DCGAN, {max(epochs)} epochs", longest + 1)
    return {wanted[step]: (setup, state) for step, state, _ in turns if step in wanted}


def by_age(
    lab: Lab, ages: Mapping[int, tuple[Setup, State]], *, steps: int, looks: int, repeats: int
) -> dict[int, list[Row]]:
    """What ``gradients`` yields of each age of a generator, as ``trained`` gives them."""
    rows = {}
    for age, (setup, state) in ages.items():
        label = f"a critic against {age} epochs"
        rows[age] = list(gradients(lab, setup, state, steps=steps, looks=looks, repeats=repeats, label=label))
    return rows


def draw(rows: Mapping[int, Sequence[Row]], columns: Sequence[str]) -> tuple[Figure, Any]:
    """A panel for each of the columns, over the new critic's steps, a curve for each age; and the panels' axes."""
    figure, axes = panels(1, len(columns), width=4.0, height=3.2)
    for panel, column in zip(axes[0], columns, strict=True):
        for i, (age, found) in enumerate(rows.items()):
            steps, values = ([row[key] for row in found] for key in ("step", column))
            panel.plot(steps, values, label=f"{age} epochs", **line(i, marked=True))
        panel.set(xlabel="steps of the new critic")
    axes[0, 0].legend(fontsize=8, title="generator's age", title_fontsize=8)
    return figure, axes[0]


def judged(setup: Setup) -> Game:
    """The DCGAN's own critic as one player; and the generator twice, with either objective, to ask for its gradient."""
    game = game_of(setup)

    def saturating(n: Nets, b: Any, m: Memory) -> Terms:
        return {"adv": minimax.g(None, n.D(n.G(b.z)))}

    def not_saturating(n: Nets, b: Any, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    players = {"D": game.players["D"], "minimax": Player(("G",), saturating), "ns": Player(("G",), not_saturating)}
    return replace(game, players=players)


def gradients(
    lab: Lab, setup: Setup, state: State, *, steps: int, looks: int, repeats: int, label: str
) -> Iterator[Row]:
    """Train a new critic on the generator as it is; at about ``looks`` moments, what the generator would be told.

    Args:
        lab: the room.
        setup: of the generator's run.
        state: whose generator is frozen.
        steps: of the critic.
        looks: moments, spaced evenly in log steps.
        repeats: batches at each.
        label: of the progress bar.

    Yields:
        step, the critic's loss and accuracy; mean and variance over the batches of the norm of the gradient of either
        objective in the generator's weights.
    """
    game = judged(setup)
    fresh = prepare("dcgan", data=setup.settings.data, seed=lab.seed + 1, steps=1, **_shape(setup))
    state = start(game)._replace(
        weights={"G": state.weights["G"], "D": start(game_of(fresh)).weights["D"]},
        buffers={"G": state.buffers["G"], "D": start(game_of(fresh)).buffers["D"]},
    )
    batches = Batches(setup, position=1_000_000)  # far from those of the training
    moments = {0, *np.unique(np.geomspace(1, steps, looks).round().astype(int)).tolist()}
    for step in lab.track(range(steps + 1), label):
        if step in moments:
            yield {"step": step} | _look(game, state, [next(batches) for _ in range(repeats)])
        state, _ = play(game, "D", state, next(batches))


def _shape(setup: Setup) -> dict[str, Any]:
    return {key: setup.arguments[key] for key in ("width", "kernel", "batch_size")}


def _look(game: Game, state: State, batches: Sequence[Any]) -> Row:
    row: Row = {}
    for who in ("minimax", "ns"):
        norms = [_norm(gradient(game, who, state, b, differentiable=False)[0]["G"].values()) for b in batches]
        row |= {f"{who}_mean": float(np.mean(norms)), f"{who}_variance": float(np.var(norms, ddof=1))}
    with torch.no_grad():
        logits = [(Nets(game, state, b).D(b.x), Nets(game, state, b).D(Nets(game, state, b).G(b.z))) for b in batches]
    right = [float(((real > 0).float().mean() + (fake < 0).float().mean()) / 2) for real, fake in logits]
    loss = [float(minimax.d(real, fake)) for real, fake in logits]
    return row | {"accuracy": float(np.mean(right)), "critic_loss": float(np.mean(loss))}


def _norm(tensors: Any) -> float:
    grads: list[Tensor] = list(tensors)
    return float(torch.stack([g.double().square().sum() for g in grads]).sum().sqrt())
