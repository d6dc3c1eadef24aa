"""Train DCGAN in bf16 and in float32 over three seeds to make ``results/precision.md``."""

from __future__ import annotations

import statistics
from pathlib import Path

from tables import machine, train_all

SEEDS = range(3)
COMMAND = ["dcgan", "--data", "fashion-mini", "--width", "32", "--kernel", "4", "--batch-size", "64", "--steps", "2000"]
HEAD = """# bf16 against float32

`fd_fashion` of DCGAN after 2,000 steps, the same commands but for `--precision`.

Machine: {machine}. Made by `python tools/precision_table.py`.

| precision | seeds 0, 1, 2 | mean | images/s |
|---|---|---|---|
"""


def main() -> None:
    jobs = {
        f"precision-{precision}-{seed}": [*COMMAND, "--precision", precision, "--seed", str(seed)]
        for precision in ("float32", "bf16")
        for seed in SEEDS
    }
    runs = train_all(jobs)
    lines = []
    for precision in ("float32", "bf16"):
        mine = [runs[f"precision-{precision}-{seed}"] for seed in SEEDS]
        values = [run.scores["fd_fashion"].value for run in mine]
        rate = statistics.mean(run.outcome["images_per_second"] for run in mine)
        each = ", ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {precision} | {each} | {statistics.mean(values):.3f} | {rate:.0f} |")
    text = HEAD.format(machine=machine()) + "\n".join(lines) + "\n"
    Path("results/precision.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
