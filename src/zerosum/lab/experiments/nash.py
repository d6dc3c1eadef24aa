"""Nash equilibria: no player gains by moving alone, on paper and in a trained GAN.

Prisoner's dilemma: 1 year each if both stay silent, 3 and 0 if one betrays the other, 2 each if both betray. Both
betraying is the only Nash equilibrium, and both would be better off elsewhere. The lecture notes call it a zero-sum
game, but the years add up to 2, 3 or 4. Matching pennies is one: no pair of actions is at rest, and the equilibrium is
to toss the coin.

A GAN that plays V(G, D) = E log D(x) + E log(1 - D(G(z))) is a zero-sum game too, and what its players would gain by
moving alone is its duality gap (Grnarova et al. 2019, arXiv:1811.05512): max over D' of V(G, D') less min over G' of
V(G', D). It is never negative, and 0 only at an equilibrium, where V = -log 4. It is estimated by training a copy of
each player alone, from where it is, in a game in which the other has no turn. The best moment is chosen on one set of
samples and judged on another, so the estimate may come out a little below 0; and as a copy may miss its optimum, it is
an estimate from below.

The data are two Gaussians on a line. What is generated is kept within [-2.5, 2.5]: without such a bound the least V is
-infinity wherever the critic's logit rises outwards, and a copy of the generator finds that (a gap of 250 was seen in
the middle of training).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, State, Terms, start
from zerosum.core.optim import adam
from zerosum.core.random import generator
from zerosum.core.train import train
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import COLOURS, line, panels
from zerosum.lab.training import seed_weights
from zerosum.networks.mlp import Critic, Generator
from zerosum.objectives.minimax_loss import critic_loss, minimax_loss, non_saturating_loss
from zerosum.systems import Batch, batch
from zerosum.theory import matrix_games

FORMULAS = (  # mathtext, and what it is
    (r"V(G, D) = \mathbb{E}\,\log D(x) + \mathbb{E}\,\log(1 - D(G(z)))", "the game"),
    (r"\mathrm{gap} = \max_{D'} V(G, D') - \min_{G'} V(G', D) \geq 0", "what the players would gain by moving alone"),
)
QUICK = {"steps": 600, "alone": 300, "looks": 4}
LEAST_VALUES = {"looks": 2}
LOG4 = float(np.log(4))
BATCH = 128
JUDGED_ON = 8192  # samples for each of choosing and judging
CENTRES, STD = (-1.0, 1.0), 0.3
REACH = 2.5


@dataclass(frozen=True)
class Gap:
    """What each player gains by moving alone.

    Attributes:
        value: V before either moves.
        critic: Gain of the critic.
        generator: Gain of the generator.
    """

    value: float
    critic: float
    generator: float

    @property
    def total(self) -> float:
        """The duality gap."""
        return self.critic + self.generator


def samples(size: int, seed: int, *labels: int | str) -> Batch:
    """A batch of points ``real`` and latents z, (size, 1) each, that depends only on the seed and the labels."""
    rng = generator(seed, "nash", *labels)
    which = torch.tensor(CENTRES)[torch.randint(2, (size, 1), generator=rng)]
    real = which + STD * torch.randn(size, 1, generator=rng)
    drawn: Batch = batch(real=real, z=torch.randn(size, 1, generator=rng))
    return drawn


def batches(seed: int, label: str) -> Iterator[Batch]:
    """Endless batches, as of :func:`samples`."""
    return (samples(BATCH, seed, label, k) for k in count())


def keep_within_reach(x: Tensor) -> Tensor:
    """Keep what is generated within [-REACH, REACH]."""
    return REACH * torch.tanh(x)


def game(seed: int, width: int = 32, lr: float = 1e-3) -> Game:
    """A small GAN on the line, with the generator's usual non-saturating loss."""

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"d": critic_loss(n.D(b.real), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"g": non_saturating_loss(b.real, n.D(n.G(b.z)))}

    with seed_weights(seed):
        nets = {"G": Generator(1, (width, width), (1,), output=keep_within_reach), "D": Critic((1,), (width, width))}
    opts = {name: adam(lr, beta1=0.5) for name in nets}
    return Game(dict(nets), opts, {"d": Player(("D",), d_loss), "g": Player(("G",), g_loss)})


def solo_game(rules: Game, who: str) -> Game:
    """The same game, but only one player has a turn; the generator then descends V itself."""
    player = rules.players[who]
    if who == "g":

        def v(n: Nets, b: Batch, m: Memory) -> Terms:
            return {"g": minimax_loss(b.real, n.D(n.G(b.z)))}

        player = replace(player, loss=v)
    return replace(rules, players={who: player})


def value(rules: Game, state: State, b: Batch) -> float:
    """V(G, D) on a batch of samples."""
    with torch.no_grad():
        n = Nets(rules, state, b)
        return -float(critic_loss(n.D(b.real), n.D(n.G(b.z))))


def duality_gap(rules: Game, state: State, steps: int, seed: int) -> Gap:
    """Estimate the duality gap by training a copy of each player alone. Grnarova et al. 2019 (arXiv:1811.05512).

    Args:
        rules: The rules of the whole game.
        state: State of the game, which is not changed.
        steps: Updates of each copy.
        seed: Seed of its batches and of the samples that it is judged on.
    """
    chosen_on, judged_on = samples(JUDGED_ON, seed, "choose"), samples(JUDGED_ON, seed, "judge")
    now = value(rules, state, judged_on)
    best = {}
    for who, sign in (("d", 1), ("g", -1)):
        one = solo_game(rules, who)
        fresh = state._replace(opt={name: one.opts[name].init(state.weights[name]) for name in one.opts})
        candidates = [state]
        for t, after, _ in train(one, fresh, batches(seed, who), steps, check_every=steps):
            if (t + 1) % max(1, steps // 10) == 0:
                candidates.append(after)
        top = max(candidates, key=lambda s: sign * value(rules, s, chosen_on))
        best[who] = sign * (value(rules, top, judged_on) - now)
    return Gap(now, best["d"], best["g"])


def experiment(lab: Lab, *, steps: int = 3_000, alone: int = 1_000, looks: int = 7) -> Findings:
    """Solve two matrix games, and measure the duality gap of a GAN while it trains.

    Args:
        lab: Seed, folder and progress bars.
        steps: Iterations of training.
        alone: Updates of each copy that moves alone.
        looks: Number of measurements, the start and the end included; at least 2.
    """
    tables = {g.name: _table(g) for g in (matrix_games.PRISONERS, matrix_games.PENNIES)}
    rules = game(lab.seed)
    state = first = start(rules)
    when = [0, *np.unique(np.geomspace(steps, max(1, steps // 30), looks - 1).round().astype(int)).tolist()]
    gaps = [duality_gap(rules, state, alone, lab.seed)]
    for t, after, _ in lab.track(train(rules, state, batches(lab.seed, "train"), steps), "duality gap", steps):
        state = after
        if t + 1 in when:
            gaps.append(duality_gap(rules, state, alone, lab.seed))
    measured = [
        {"step": s, "gap": g.total, "critic": g.critic, "generator": g.generator, "V": g.value}
        for s, g in zip(when, gaps, strict=True)
    ]
    says = [f"{name}: {one['says']}" for name, one in tables.items()]
    says.append(
        f"GAN: duality gap {gaps[0].total:.3f} at the start, {gaps[-1].total:.3f} after {steps} steps (V from "
        f"{gaps[0].value:.3f} to {gaps[-1].value:.3f}, at equilibrium {-LOG4:.3f})"
    )
    figures = {"matrix-games": _draw_tables(), "duality-gap": _draw_gap(rules, first, state, measured, lab.seed)}
    return Findings({"matrix games": tables, "gan": measured}, tuple(says), figures)


def _table(rules: matrix_games.MatrixGame) -> dict[str, Any]:
    """The equilibria of a game, and what moving alone gains at every pair of actions."""
    found = matrix_games.equilibria(rules)
    gains = [
        [matrix_games.gain_of_moving_alone(rules, x, y) for y in np.eye(len(rules.columns))]
        for x in np.eye(len(rules.rows))
    ]
    x, y = found[0]
    kind = (
        "zero-sum" if rules.zero_sum else f"not zero-sum, payoffs add up to {sorted(set(rules.sums.ravel().tolist()))}"
    )
    mixed = " and ".join(
        ", ".join(f"{name} {p:g}" for name, p in zip(names, s, strict=True) if p)
        for names, s in ((rules.rows, x), (rules.columns, y))
    )
    return {
        "zero sum": rules.zero_sum,
        "equilibria": [[a.tolist(), b.tolist()] for a, b in found],
        "payoffs": [list(matrix_games.payoffs(rules, a, b)) for a, b in found],
        "gains": gains,
        "says": f"{kind}; {len(found)} equilibrium: {mixed}",
    }


def _draw_tables() -> Figure:
    figure, axes = panels(1, 2, width=4.0, height=3.0)
    for one, rules in zip(axes.flat, (matrix_games.PRISONERS, matrix_games.PENNIES), strict=True):
        n, m = rules.row.shape
        gain = np.array([[matrix_games.gain_of_moving_alone(rules, x, y) for y in np.eye(m)] for x in np.eye(n)])
        one.imshow(gain.sum(2), cmap="Blues", vmin=0, vmax=4)
        for i, j in np.ndindex(n, m):
            rest = "\nat rest" if not gain[i, j].any() else "\nmoving alone\ngains {:g}, {:g}".format(*gain[i, j])
            one.text(j, i, f"{rules.row[i, j]:g}, {rules.column[i, j]:g}{rest}", ha="center", va="center", fontsize=8)
        one.set_xticks(range(m), rules.columns)
        one.set_yticks(range(n), rules.rows, rotation=90, va="center")
        one.set(xlabel="column player", ylabel="row player", title=f"{rules.name}: payoffs (row, column)")
        one.title.set_fontsize(9)
    return figure


def _draw_gap(rules: Game, first: State, last: State, measured: list[dict[str, float]], seed: int) -> Figure:
    figure, axes = panels(1, 3, width=3.5)
    steps = [one["step"] for one in measured]
    for i, name in enumerate(("gap", "critic", "generator")):
        label = "duality gap" if name == "gap" else f"gain of the {name} alone"
        axes[0, 0].plot(steps, [one[name] for one in measured], label=label, **line(i, marked=True))
    axes[0, 0].set(xlabel="step of training", ylabel="gain in V (nats)", xscale="symlog", title="moving alone")
    axes[0, 0].set(xlim=(0, 1.3 * steps[-1]), ylim=(-0.05, 1.5 * max(one["gap"] for one in measured)))
    axes[0, 0].legend(fontsize=8, loc="upper right")
    b = samples(JUDGED_ON, seed, "judge")
    bins = np.linspace(-2.5, 2.5, 60)
    for one, state, title in zip(axes[0, 1:], (first, last), ("before training", "after training"), strict=True):
        with torch.no_grad():
            fake = Nets(rules, state, b).G(b.z)[:, 0].numpy()
        one.hist(b.real[:, 0].numpy(), bins, density=True, color="#bbbbbb", label="real")
        one.hist(fake, bins, density=True, histtype="step", color=COLOURS[2], linewidth=1.6, label="generated")
        one.set(xlabel="x", ylabel="density", title=title)
        one.set_ylim(0, min(3, 1.3 * one.get_ylim()[1]))
        one.legend(fontsize=8, loc="upper left")
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    first, *_, last = numbers["gan"]
    return {
        "training brings the GAN nearer to an equilibrium: its duality gap more than halves": last["gap"]
        < first["gap"] / 2,
        "V is then near -log 4": abs(last["V"] + LOG4) < 0.05,
    }
