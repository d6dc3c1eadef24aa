"""Does foreseeing the critic keep a generator from collapsing? Unrolled GANs with K = 0, 1, 5, 10 on eight Gaussians.

After Metz et al. 2017 (arXiv:1611.02163). Numbers and samples of each run are kept under ``runs/unrolled``;
a run that was interrupted starts anew, one that ended is not repeated. Writes ``results/unrolled.md`` and
``results/images/unrolled.png`` from the runs that ended.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tables import machine
from zerosum import registry
from zerosum.core.game import Game, Nets, start
from zerosum.core.random import generator, reseed
from zerosum.core.train import train
from zerosum.data import load
from zerosum.data.points import Points
from zerosum.metrics.measures.modes import IDEAL_QUALITY, measure_modes
from zerosum.networks import mlp
from zerosum.systems import Recipe

SCRATCH, RESULT, PICTURE = Path("runs/unrolled"), Path("results/unrolled.md"), Path("results/images/unrolled.png")
UNROLL, SEEDS, STEPS, EVERY, SHOWN = (0, 1, 5, 10), (0, 1), 4000, 250, 500
SETTINGS: dict[str, Any] = {"batch_size": 128, "d_lr": 1e-4, "g_lr": 1e-3, "latent": 256, "beta1": 0.5}
SAMPLES = 2500
NOTES = """The networks matter too: with those of the authors' demo (2x128 tanh, gain 1.4), the defaults of the recipe,
K = 0 does not collapse on this ring. `zerosum train unrolled --unroll 0 --data ring --batch-size 128 --steps 4000`
(seed 0) ends with 8 modes and 18% of the samples near one, and with `--d-lr 1e-3 --g-lr 1e-3` with 8 and 83%. ReLU
networks with gain 0.8 and a critic of one layer, sizes often quoted for the paper but not verified, collapse; so they
are what is shown."""


class Scaled(nn.Module):
    """A critic of points divided by 4, so that the ring of radius 2 lies well within [-1, 1]."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2) -> logits (B,)."""
        logits: Tensor = self.critic(x / 4)
        return logits


def relu_networks() -> dict[str, nn.Module]:
    """256-128-128-2 against 2-128-1, ReLU, orthogonal weights with gain 0.8, biases 0."""
    nets = {"G": mlp.Generator(256, (128, 128)), "D": Scaled(mlp.Critic((2,), (128,)))}
    for layer in (layer for net in nets.values() for layer in net.modules() if isinstance(layer, nn.Linear)):
        nn.init.orthogonal_(layer.weight, 0.8)
        nn.init.zeros_(layer.bias)
    return nets


def build(data: Points, unroll: int, seed: int, demo: bool) -> tuple[Recipe, Game]:
    """The recipe with the demo's networks, or with those of ReLU."""
    reseed(seed, "weights", device=torch.device("cpu"))
    recipe = registry.find("unrolled")(data, unroll=unroll, **SETTINGS)
    game = recipe.phases[0].game
    return recipe, game if demo else replace(game, nets=relu_networks())


def batches(data: Points, recipe: Recipe, seed: int) -> Iterator[Any]:
    """The same real samples and latents for all K."""
    k = 0
    while True:
        x, y = data.batch(k, recipe.batch_size, seed=seed)
        yield recipe.draw(x, y, generator(seed, "latents", k))
        k += 1


def play(unroll: int, seed: int, demo: bool, steps: int) -> None:
    """One run: numbers as lines of JSON, then the samples of each measurement."""
    name = SCRATCH / f"{'demo' if demo else 'relu'}-k{unroll}-seed{seed}-{steps}"
    if name.with_suffix(".npz").exists():
        return
    data = load("ring")
    assert isinstance(data, Points)
    assert data.std is not None
    recipe, game = build(data, unroll, seed, demo)
    z, samples, begin = recipe.prior(SAMPLES, generator(seed, "shown")), {}, time.process_time()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with name.with_suffix(".jsonl").open("w") as log:
        backend = "aot_eager" if unroll > 1 else None  # traced once: half the time of long unrollings
        played = train(game, start(game), batches(data, recipe, seed), steps, backend=backend, check_every=50)
        for t, state, said in played:
            if (t + 1) % EVERY:
                continue
            with torch.no_grad():
                x = Nets(game, state, None).G(z)
            found = measure_modes([x], data.modes, data.std)
            row = {"step": t + 1, "covered": found.covered, "quality": found.quality, "divergence": found.divergence}
            row |= {"counts": found.counts, "critic": float(said["D"]["adv"]), "seconds": time.process_time() - begin}
            print(json.dumps(row), file=log, flush=True)
            samples[str(t + 1)] = x.numpy()
    np.savez_compressed(name.with_suffix(".npz"), **samples)  # type: ignore[arg-type]


def rows(unroll: int, seed: int, demo: bool, steps: int) -> list[dict[str, Any]]:
    """What a run said, if it ended."""
    name = SCRATCH / f"{'demo' if demo else 'relu'}-k{unroll}-seed{seed}-{steps}"
    if not name.with_suffix(".npz").exists():
        return []
    return [json.loads(line) for line in name.with_suffix(".jsonl").read_text().splitlines()]


def draw(demo: bool, steps: int) -> None:
    """Samples of the first seed: a row for each K, a column for each time."""
    from matplotlib.figure import Figure

    modes, times = load("ring").modes, range(SHOWN, steps + 1, SHOWN)  # type: ignore[attr-defined]
    ended = [k for k in UNROLL if rows(k, SEEDS[0], demo, steps)]
    figure = Figure(figsize=(1.5 * len(times), 1.6 * len(ended)), dpi=100, layout="constrained")
    panels: Any = figure.subplots(len(ended), len(times), squeeze=False)
    for line, k in zip(panels, ended, strict=True):
        name = SCRATCH / f"{'demo' if demo else 'relu'}-k{k}-seed{SEEDS[0]}-{steps}.npz"
        with np.load(name, allow_pickle=False) as samples:
            for axes, t in zip(line, times, strict=True):
                axes.plot(*modes.T, "o", color="tab:orange", markersize=7, alpha=0.5, markeredgewidth=0)
                axes.plot(*samples[str(t)].T, ".", color="black", markersize=1.2, alpha=0.3)
                axes.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
                axes.set_title(f"{t:,}" if k == ended[0] else "", fontsize=9)
        line[0].set_ylabel(f"K = {k}")
    figure.savefig(PICTURE)


def table(demo: bool, steps: int) -> Iterator[str]:
    """A line for each run."""
    times = [t for t in range(EVERY, steps + 1, EVERY) if t % (2 * SHOWN) == 0]
    yield "| K | seed | " + " | ".join(f"{t:,}" for t in times) + " | modes, mean over the second half | CPU s |"
    yield "|---" * (len(times) + 4) + "|"
    for k in UNROLL:
        for seed in SEEDS:
            found = rows(k, seed, demo, steps)
            if not found:
                yield f"| {k} | {seed} |" + " - |" * (len(times) + 2)
                continue
            at = {row["step"]: row for row in found}
            cells = [f"{at[t]['covered']}, {at[t]['quality']:.0%}, {at[t]['divergence']:.2f}" for t in times]
            late = [row["covered"] for row in found if row["step"] > steps / 2]
            cells += [f"{sum(late) / len(late):.1f}", f"{found[-1]['seconds']:.0f}"]
            yield f"| {k} | {seed} | " + " | ".join(cells) + " |"


def report(demo: bool, steps: int) -> None:
    draw(demo, steps)
    words = ", ".join(f"{k}={v}" for k, v in SETTINGS.items())
    nets = "the demo's (2x128 tanh)" if demo else "G 256-128-128-2, D 2-128-1 of points / 4, ReLU, orthogonal, gain 0.8"
    lines = [
        "# Unrolled GANs on eight Gaussians\n",
        f"`unrolled` on `ring` (radius 2, deviation 0.02); {words}; networks: {nets}.",
        "The same data, latents and initial weights for all K. Each cell: modes covered of 8 (one of"
        f" {SAMPLES:,} samples within 3 deviations), share of such samples (of true ones {IDEAL_QUALITY:.1%}),",
        "KL of the modes' histogram from uniform (0 is even, 2.08 is one mode).",
        f"Machine: {machine()}. Made by `python tools/unrolled_ring.py --steps {steps}{' --demo' if demo else ''}`.\n",
        *table(demo, steps),
        f"\n{NOTES}",
        f"\n![samples over time](images/{PICTURE.name})",
    ]
    RESULT.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--demo", action="store_true", help="the networks of the authors' demo")
    parser.add_argument("--report", action="store_true", help="only write the results of what has ended")
    words = parser.parse_args()
    torch.set_num_threads(1)
    for seed in SEEDS if not words.report else ():
        for unroll in sorted(UNROLL, key=(0, 10, 5, 1).index):  # the extremes first
            play(unroll, seed, words.demo, words.steps)
            report(words.demo, words.steps)
    report(words.demo, words.steps)


if __name__ == "__main__":
    main()
