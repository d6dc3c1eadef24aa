"""The phases of a recipe, played one after the other as one run."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from zerosum.core.dynamics import alternating
from zerosum.core.game import Game, Said, State, start
from zerosum.core.optim import Tensors
from zerosum.core.train import train
from zerosum.runs.blame import blaming, compiling
from zerosum.runs.sampler import Sampler, sampled_tensors
from zerosum.runs.setup import Batches, Setup


def carry(old: State, new: State) -> State:
    """``new`` with the weights, buffers and averages of ``old`` wherever network, name and shape agree.

    This is for training in phases (progressive growing). Optimizer state and memory start afresh.
    """

    def take(have: dict[str, Tensors], want: dict[str, Tensors]) -> dict[str, Tensors]:
        known = {(n, k, v.shape): v for n, tensors in have.items() for k, v in tensors.items()}
        return {
            n: {k: torch.empty_like(v).copy_(known.get((n, k, v.shape), v)) for k, v in tensors.items()}
            for n, tensors in want.items()
        }

    weights, buffers = take(old.weights, new.weights), take(old.buffers, new.buffers)
    average = take(old.average, {n: weights[n] | buffers[n] for n in new.average})
    return new._replace(weights=weights, buffers=buffers, average=average)


def phase_of(setup: Setup, step: int) -> tuple[int, int]:
    """The phase in which iteration ``step - 1`` was played: its index, and the number of iterations before it."""
    before = 0
    for index, phase in enumerate(setup.recipe.phases):
        if step <= before + phase.steps:
            return index, before
        before += phase.steps
    return len(setup.recipe.phases) - 1, before - setup.recipe.phases[-1].steps


def game_at(setup: Setup, step: int) -> Game:
    """The game that is played up to iteration ``step``."""
    index, _ = phase_of(setup, step)
    return setup.recipe.phases[index].game


def begin(setup: Setup, game: Game) -> State:
    """The initial state of a game, on the run's device."""
    return start(game, setup.device)


def phases(setup: Setup, batches: Batches, state: State, step: int) -> Iterator[tuple[int, State, Said]]:
    """Iterate over ``(step, state, losses)`` of all phases, starting from ``state`` after ``step`` iterations."""
    index, before = phase_of(setup, step)
    for i, phase in enumerate(setup.recipe.phases):
        if i < index:
            continue
        if i > index:
            state = carry(state, begin(setup, phase.game))
        turns = train(
            phase.game,
            state,
            batches,
            phase.steps,
            first=max(0, step - before),
            dynamics=setup.recipe.dynamics or alternating,
            backend=setup.backend,
            check_every=1 if setup.device.type == "cpu" else 50,
        )
        while True:
            where = f"in training, after {step:,} iterations"
            with blaming(setup.page, where), compiling(setup.settings.compile):
                turn = next(turns, None)
            if turn is None:
                break
            t, state, losses = turn
            step = before + t + 1
            yield step, state, losses
        before += phase.steps


def sampler_of(setup: Setup, state: State, index: int) -> Sampler:
    """The generator of phase ``index`` at ``state``."""
    recipe, game = setup.recipe, setup.recipe.phases[index].game
    sampler = Sampler(
        game.nets[recipe.generator],
        recipe.prior,
        device=setup.device,
        autocast=setup.autocast,
        seed=setup.settings.seed,
        names=setup.data.classes,
    )
    sampler.load(sampled_tensors(state, recipe.generator))
    return sampler


def sampler_at(setup: Setup, state: State, step: int) -> Sampler:
    """The generator after ``step`` iterations, which led to ``state``."""
    index, _ = phase_of(setup, step)
    return sampler_of(setup, state, index)
