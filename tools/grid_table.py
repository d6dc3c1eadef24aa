"""Train WGAN-GP and NS-GAN on the grid of 25 Gaussians over five seeds, and write ``results/grid.md``."""

from __future__ import annotations

import statistics
from pathlib import Path

from tables import Finished, machine, train_all

SEEDS = range(5)
SAME = ["--data", "grid", "--width", "128", "--batch-size", "128", "--lr", "5e-4", "--ema", "0.999", "--compile", "on"]
JOBS = {
    "wgan-gp": ["wgan-gp", *SAME, "--steps", "6000"],
    "ns-gan": ["ns-gan", *SAME, "--steps", "30000"],
}
HEAD = """# The grid of 25 Gaussians: WGAN-GP covers it, NS-GAN loses modes

2,500 samples. A sample is of high quality if it lies within 3 standard deviations of its nearest mode (perfect
samples: 98.9%); a mode is covered if at least one such sample is near it. The same networks (three hidden layers of
128), learning rate, running average and batch size for both. NS-GAN gets 30,000 iterations of one critic update,
WGAN-GP 6,000 of five, so both critics see the same number of samples. All else is the recipes' default.

Machine: {machine}. Made by `python tools/grid_table.py`.

| recipe | seed | modes of 25 | high quality | command |
|---|---|---|---|---|
"""


def main() -> None:
    jobs = {
        f"grid-{name}-{seed}": [*words, "--seed", str(seed), "--sample-every", "1000000"]
        for name, words in JOBS.items()
        for seed in SEEDS
    }
    runs = train_all(jobs)
    lines = []
    for name in JOBS:
        mine: list[Finished] = [runs[f"grid-{name}-{seed}"] for seed in SEEDS]
        modes = [run.scores["modes"].value for run in mine]
        quality = [run.scores["high_quality"].value for run in mine]
        lines += [
            f"| `{name}` | {seed} | {m:.0f} | {q:.1%} | `{run.command}` |"
            for seed, m, q, run in zip(SEEDS, modes, quality, mine, strict=True)
        ]
        lines.append(f"| **{name}** | mean | {statistics.mean(modes):.1f} | {statistics.mean(quality):.1%} | |")
    text = HEAD.format(machine=machine()) + "\n".join(lines) + "\n"
    Path("results/grid.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
