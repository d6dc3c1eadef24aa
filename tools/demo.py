"""``make demo``: train on the shipped clothes for five minutes, score, and say where everything is.

A narrow conditional DCGAN with a projection critic, a high learning rate that decays, small latents, and a running
average: what learned most per CPU second here. It stops after 5.4 minutes on a machine that cannot make all
steps in that time. Every number is measured here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.metrics.score import Score

OUT = Path("runs/demo")
COMMAND = [
    *("train", "cgan", "--critic", "projection", "--data", "fashion-mini", "--width", "16", "--kernel", "4"),
    *("--latent", "32", "--batch-size", "64", "--lr", "4e-3", "--beta1", "0", "--beta2", "0.9", "--steps", "4200"),
    *("--decay-after", "1260", "--ema", "0.998", "--minutes", "5.4", "--eval-start", "--seed", "0"),
]


def free(path: Path) -> Path:
    """``path``, or the first of ``path-2``, ``path-3``... that does not exist: nothing is overwritten."""
    candidates = [path, *(path.with_name(f"{path.name}-{i}") for i in range(2, 1000))]
    return next(p for p in candidates if not p.exists())


def main() -> int:
    out = free(OUT)
    command = [*COMMAND, "--out", str(out)]
    print("zerosum " + " ".join(command), flush=True)
    code = subprocess.call([sys.executable, "-m", "zerosum", *command])
    if code:
        return code
    by_step: dict[int, dict[str, Score]] = {}
    for row in Rows(RunFolder(out).scores):
        score = Score.from_json(json.dumps(row["score"]))
        by_step.setdefault(row["step"], {})[score.name] = score
    untrained, trained = by_step[0]["fd_fashion"], by_step[max(by_step)]["fd_fashion"]
    floor = by_step[max(by_step)]["fd_fashion_floor"].value
    classes = by_step[max(by_step)]["classes"]
    smallest = min(classes.details.values())
    below, above = untrained.value / trained.value, trained.value / floor
    print(f"\nfd_fashion  {untrained.value:.1f} untrained, {trained.value:.3f} trained, {floor:.4f} floor (real)")
    print(f"            {below:.0f} times below untrained, {above:.1f} times the floor")
    print(f"classes     {classes.value:.0f} of 10 with a share of 3% or more; the smallest has {smallest:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
