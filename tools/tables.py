"""What the scripts that make the tables under ``results/`` share: run commands side by side, read what they left."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zerosum.files import Rows
from zerosum.folder import RunFolder
from zerosum.metrics.score import Score

SCRATCH = Path("runs/results")
SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Finished:
    """A run that ended: its command, how it went, and its last scores by name."""

    command: str
    outcome: dict[str, Any]
    scores: dict[str, Score]


def train(name: str, words: Sequence[str]) -> Finished:
    """Run ``zerosum train`` on one thread, or resume it, or do nothing if it has ended before."""
    out = SCRATCH / name
    command = ["train", *words]
    if not ended(out):
        SCRATCH.mkdir(parents=True, exist_ok=True)
        with (SCRATCH / f"{name}.log").open("w") as log:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            words = ["resume", str(out)] if (out / "run.json").exists() else [*command, "--out", str(out)]
            subprocess.run(
                [sys.executable, "-m", "zerosum", *words], env=environment, stdout=log, stderr=log, check=True
            )
    last = last_scores(out)
    print(f"{name}: " + ", ".join(f"{s.name} {s.value:.4g}" for s in last.values()), flush=True)
    return Finished("zerosum " + " ".join(command), json.loads((out / "outcome.json").read_text()), last)


def evaluate(name: str, words: Sequence[str]) -> dict[str, Score]:
    """Score a run that ended, on one thread: its scores, by name."""
    command = [sys.executable, "-m", "zerosum", "eval", str(SCRATCH / name), *words]
    with (SCRATCH / f"{name}.log").open("a") as log:
        subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log, check=True)
    return last_scores(SCRATCH / name)


def last_scores(out: Path) -> dict[str, Score]:
    """The last score of each name in a run's folder."""
    scores = (Score.from_json(json.dumps(row["score"])) for row in Rows(RunFolder(out).scores))
    return {score.name: score for score in scores}


def ended(out: Path) -> bool:
    """Has this run reached its last step?"""
    file = out / "outcome.json"
    return file.exists() and bool(json.loads(file.read_text())["finished"])


def train_all(jobs: dict[str, Sequence[str]]) -> dict[str, Finished]:
    """Run all, two side by side."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(jobs, pool.map(train, jobs, jobs.values()), strict=True))


def machine() -> str:
    """One line on where this was measured."""
    import torch

    cpu = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    native = "native" if torch.cpu._is_avx512_bf16_supported() else "no native"
    return (
        f"{cpu}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, {native} bf16; torch "
        f"{torch.__version__}, Python {platform.python_version()}"
    )
