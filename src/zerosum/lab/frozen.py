"""What a generator's gradient becomes while a new critic learns to tell its frozen samples from real images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, State, Terms, gradient, play, start
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import game_of, prepare
from zerosum.lab.training import play as play_recipe
from zerosum.objectives import minimax, non_saturating
from zerosum.runs.setup import Batches, Setup
from zerosum.systems import Batch

BATCH = 64
GradientRow = dict[str, float]
Sentence = Callable[[int, Sequence[GradientRow]], str]  # (age, rows) -> what was found, for people


def study(
    columns: tuple[str, str], sentence: Sentence, label: Callable[[Any, Any], None], *, batches: int
) -> Callable[..., Findings]:
    """The experiment that freezes generators of several ages, and reports two columns of what :func:`gradients` yields.

    Args:
        columns: Columns of the two panels.
        sentence: Function that says in a sentence what was found at one age.
        label: Function that gives the axes of the two panels their titles and labels.
        batches: Default of ``repeats``.
    """

    def experiment(
        lab: Lab,
        *,
        data: str = "fashion-mini",
        epochs: tuple[int, ...] = (1, 10, 25),
        width: int = 16,
        critic_steps: int = 2_000,
        looks: int = 30,
        repeats: int = batches,
    ) -> Findings:
        """Freeze a DCGAN at several ages, and train a new critic against each.

        Args:
            lab: Seed, folder and progress bars.
            data: Real images.
            epochs: Ages of the generator, in passes over the images.
            width: Channels of the outermost layers of both networks.
            critic_steps: Steps of the new critic.
            looks: Number of moments at which the gradient is measured.
            repeats: Batches at each, over which mean and variance are taken.
        """
        rows = {}
        for age, (setup, state) in train_ages(lab, data=data, epochs=epochs, width=width).items():
            bar = f"a critic against {age} epochs"
            found = gradients(lab, setup, state, steps=critic_steps, looks=looks, repeats=repeats, label=bar)
            rows[age] = list(found)
        figure, axes = _draw(rows, columns)
        label(*axes)
        says = tuple(sentence(age, found) for age, found in rows.items())
        return Findings({"data": data, "rows": rows}, says, {"norm": figure})

    return experiment


def train_ages(lab: Lab, *, data: str, epochs: Sequence[int], width: int) -> dict[int, tuple[Setup, State]]:
    """Train a DCGAN, and return it as it was after each number of epochs; 0 is the untrained one.

    Args:
        lab: Seed, folder and progress bars.
        data: Real images.
        epochs: Numbers of passes over them.
        width: Channels of the outermost layers of both networks.
    """
    count = prepare("dcgan", data=data, seed=lab.seed, steps=1, width=width, kernel=4, batch_size=BATCH).data.count
    each = -(-(count or 0) // BATCH)
    longest = max(1, max(epochs) * each)
    setup = prepare("dcgan", data=data, seed=lab.seed, steps=longest, width=width, kernel=4, batch_size=BATCH)
    wanted = {e * each: e for e in epochs}
    turns = lab.track(play_recipe(setup), f"DCGAN, {max(epochs)} epochs", longest + 1)
    return {wanted[step]: (setup, state) for step, state, _ in turns if step in wanted}


def gradient_game(setup: Setup) -> Game:
    """The DCGAN's own critic as one player, and the generator twice, with either objective, to ask for its gradient."""
    game = game_of(setup)

    def saturating(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": minimax.g(None, n.D(n.G(b.z)))}

    def not_saturating(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    players = {"D": game.players["D"], "minimax": Player(("G",), saturating), "ns": Player(("G",), not_saturating)}
    return replace(game, players=players)


def gradients(
    lab: Lab, setup: Setup, state: State, *, steps: int, looks: int, repeats: int, label: str
) -> Iterator[GradientRow]:
    """Train a new critic on the generator as it is, and measure at some moments what the generator would be told.

    Args:
        lab: Seed, folder and progress bars.
        setup: The generator's run.
        state: State whose generator is frozen.
        steps: Steps of the critic.
        looks: Number of moments, about, spaced evenly in log steps.
        repeats: Batches at each.
        label: Label of the progress bar.

    Yields:
        The step, and the critic's loss and accuracy; the norm of the gradient of either objective in the generator's
        weights, as its mean and variance over the batches.
    """
    game = gradient_game(setup)
    fresh = prepare("dcgan", data=setup.settings.data, seed=lab.seed + 1, steps=1, **_sizes(setup))
    state = start(game)._replace(
        weights={"G": state.weights["G"], "D": start(game_of(fresh)).weights["D"]},
        buffers={"G": state.buffers["G"], "D": start(game_of(fresh)).buffers["D"]},
    )
    batches = Batches(setup, position=1_000_000)  # far from those of the training
    moments = {0, *np.unique(np.geomspace(1, steps, looks).round().astype(int)).tolist()}
    for step in lab.track(range(steps + 1), label):
        if step in moments:
            yield {"step": step} | _measure(game, state, [next(batches) for _ in range(repeats)])
        state, _ = play(game, "D", state, next(batches))


def _sizes(setup: Setup) -> dict[str, Any]:
    return {key: setup.arguments[key] for key in ("width", "kernel", "batch_size")}


def _measure(game: Game, state: State, batches: Sequence[Batch]) -> GradientRow:
    row: GradientRow = {}
    for who in ("minimax", "ns"):
        norms = [_norm(gradient(game, who, state, b, differentiable=False)[0]["G"].values()) for b in batches]
        row |= {f"{who}_mean": float(np.mean(norms)), f"{who}_variance": float(np.var(norms, ddof=1))}
    with torch.no_grad():
        logits = [(Nets(game, state, b).D(b.x), Nets(game, state, b).D(Nets(game, state, b).G(b.z))) for b in batches]
    right = [float(((real > 0).float().mean() + (fake < 0).float().mean()) / 2) for real, fake in logits]
    loss = [float(minimax.d(real, fake)) for real, fake in logits]
    return row | {"accuracy": float(np.mean(right)), "critic_loss": float(np.mean(loss))}


def _norm(grads: Iterable[Tensor]) -> float:
    return float(torch.stack([g.double().square().sum() for g in grads]).sum().sqrt())


def _draw(rows: Mapping[int, Sequence[GradientRow]], columns: Sequence[str]) -> tuple[Figure, Any]:
    """A panel for each column over the new critic's steps, with a curve for each age; the figure and its axes."""
    figure, axes = panels(1, len(columns), width=4.0, height=3.2)
    for panel, column in zip(axes[0], columns, strict=True):
        for i, (age, found) in enumerate(rows.items()):
            steps, values = ([row[key] for row in found] for key in ("step", column))
            panel.plot(steps, values, label=f"{age} epochs", **line(i, marked=True))
        panel.set(xlabel="steps of the new critic")
    axes[0, 0].legend(fontsize=8, title="generator's age", title_fontsize=8)
    return figure, axes[0]
