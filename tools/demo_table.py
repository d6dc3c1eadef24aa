"""Train what ``make demo`` trains over five seeds, in float32 and in bf16, to make ``results/demo.md``.

    python tools/demo_table.py            # both; without native bf16 an hour for each seed
    python tools/demo_table.py float32    # these precisions alone

Each run makes all of its steps, on one thread, two runs side by side: its figures are those of the settings, not of the
speed of a machine. Times are those of ``make demo`` itself, on all cores, from the folder that it left last.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo import COMMAND, OUT
from tables import Finished, machine, train_all

SEEDS = range(5)
PRECISIONS = ["float32", "bf16"]
AIM = 5.0  # times the floor, mean of the seeds
HEAD = """# The demo

`make demo` trains {command}, scores it and writes a report. {timed}

Here are five seeds of the same command, all steps of each, by precision. `python tools/demo_table.py` makes this
page: one thread a run, two runs side by side. {machine}.

| precision | `fd_fashion`, seeds 0 to 4 | mean ± deviation | times the floor | worst seed | smallest class |
|---|---|---|---|---|---|
"""
TAIL = """
{missing}The floor, real against real, is {floor:.4f}; the aim is a mean of at most {aim:g} times the floor. Untrained
generators are at about 64. Settings were chosen by runs of seeds 0 and 1 with fewer steps; seeds 2 to 4 had no part in
it. 5,000 generated against 5,000 real images in the features of the shipped classifier (91.4% held-out accuracy); it is
not FID. The generator is told which class to make, each as likely as the others, so that shares of classes are even:
the smallest is that of the worst seed.

![samples](images/demo.png)
"""


def line(precision: str, runs: list[Finished]) -> str:
    """A row of the table."""
    values = [run.scores["fd_fashion"].value for run in runs]
    floor = runs[0].scores["fd_fashion_floor"].value
    mean, off = statistics.mean(values), statistics.stdev(values)
    smallest = min(min(run.scores["classes"].details.values()) for run in runs)
    each = ", ".join(f"{value:.3f}" for value in values)
    cells = [precision, each, f"{mean:.3f} ± {off:.3f}", f"**{mean / floor:.1f}**", f"{max(values) / floor:.1f}"]
    return f"| {' | '.join([*cells, f'{smallest:.1%}'])} |"


def timed(run: Path) -> str:
    """How long ``make demo`` took, from its folder."""
    file = run / "outcome.json"
    if not file.exists():
        return "(It has not been timed here.)"
    outcome: dict[str, Any] = json.loads(file.read_text())
    minutes, seconds = divmod(round(outcome["seconds"]), 60)
    return (
        f"Here its {outcome['step']:,} steps took {minutes} min {seconds} s on all cores "
        f"({outcome['images_per_second']:.0f} images/s, {outcome['peak_memory_mib']:.0f} MiB)."
    )


def main(precisions: list[str]) -> None:
    words = [word for word in COMMAND[1:] if word != "--eval-start"]
    limit, seed = words.index("--minutes"), words.index("--seed")
    assert (limit, seed) == (len(words) - 4, len(words) - 2), "the command ends with its limit of time and its seed"
    jobs: dict[str, Sequence[str]] = {
        f"demo-{precision}-{seed}": [*words[:limit], "--precision", precision, "--seed", str(seed)]
        for precision in precisions
        for seed in SEEDS
    }
    runs = train_all(jobs)
    rows = [line(precision, [runs[f"demo-{precision}-{seed}"] for seed in SEEDS]) for precision in precisions]
    floor = next(iter(runs.values())).scores["fd_fashion_floor"].value
    left = [precision for precision in PRECISIONS if precision not in precisions]
    missing = f"Not measured here: {', '.join(left)} (`make demo` trains in float32 on every CPU). " if left else ""
    head = HEAD.format(command=f"`zerosum {' '.join(COMMAND)}`", timed=timed(OUT), machine=machine())
    text = head + "\n".join(rows) + "\n" + TAIL.format(missing=missing, floor=floor, aim=AIM)
    Path("results/demo.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:] or PRECISIONS)
