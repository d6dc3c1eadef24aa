"""Singular values of a healthy DCGAN and of one that is made to collapse; write ``results/singular_values.md``.

    python tools/singular_values.py

After Figure 3 and Section 4 of Brock et al. 2019 (arXiv:1809.11096), on networks without spectral normalisation. Runs
that ended are not repeated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tables import SCRATCH, Finished, machine, train_all
from zerosum.runs.folder import RunFolder
from zerosum.runs.log import rows_of

STEPS, EVERY = 400, 1
SMALL = ["--data", "fashion-mini", "--width", "32", "--kernel", "4", "--batch-size", "64"]
RATES = {"healthy": "2e-4", "collapsing": "1e-1"}  # of both players
HEAD = """# Singular values of a healthy and of a collapsing run

`python tools/singular_values.py`. {machine}. DCGAN of width 32 on `fashion-mini`, batch 64, {steps} updates of each
player, seed 0; learning rates 2e-4 (healthy) or 1e-1, 500 times that, which makes it collapse. After
every update: the largest singular value of every weight; the first layers thick, deep ones pale. Growth: the greatest
of them over the run, over the same layer's after the first healthy update (both runs begin with the same weights).

With BigGAN (spectral norm in both players, orthogonal regularisation) a rate of 1e-2 kills the critic without a spike:
its hinge loss stays at 2, and no singular value grows more than in the healthy run. Weights that are divided by their
largest singular value have no gradient along themselves.

![singular values](images/singular_values.png)

| run | fd_fashion | classes | largest growth of a singular value | alarms |
|---|---|---|---|---|
"""


def history(name: str) -> list[dict[str, Any]]:
    return list(rows_of(RunFolder(SCRATCH / f"singular-{name}").spectra))


def growth(rows: list[dict[str, Any]], base: dict[str, Any]) -> tuple[str, float]:
    """The layer whose largest singular value grew most, and how many times, from that in ``base``."""
    most = {layer: max((row["sigma"][layer][0] or float("inf")) for row in rows) for layer in base["sigma"]}
    worst = max(most, key=lambda layer: most[layer] / base["sigma"][layer][0])
    return worst, most[worst] / base["sigma"][worst][0]


def draw(path: Path) -> None:
    figure = Figure(figsize=(10, 7), dpi=110, layout="constrained")
    panels: Any = figure.subplots(2, 2, sharex=True, sharey="col")
    for line, name in zip(panels, RATES, strict=True):
        rows = history(name)
        steps = [row["step"] for row in rows]
        for panel, net in zip(line, "GD", strict=True):
            layers = [layer for layer in rows[0]["sigma"] if layer.startswith(f"{net}/")]
            for i, layer in enumerate(layers):
                colour = str(0.75 * i / max(1, len(layers) - 1))  # deep layers are pale
                panel.plot(
                    steps, [row["sigma"][layer][0] for row in rows], color=colour, linewidth=3 if i == 0 else 0.8
                )
            panel.set(xscale="log", yscale="log", title=f"{name}: {'generator' if net == 'G' else 'critic'}")
            panel.set(xlabel="generator updates", ylabel="largest singular value")
    figure.savefig(path)


def line(name: str, run: Finished) -> str:
    layer, times = growth(history(name), history("healthy")[0])
    folder = RunFolder(SCRATCH / f"singular-{name}")
    alarms = "; ".join(f"{row['name']} (step {row['step']})" for row in rows_of(folder.alarms)) or "none"
    scores = f"{run.scores['fd_fashion'].value:.2f} | {run.scores['classes'].value:.0f}"
    return f"| {name} | {scores} | {times:.1f} times ({layer}) | {alarms} |\n"


def main() -> None:
    words = ["dcgan", *SMALL, "--steps", str(STEPS), "--watch", str(EVERY)]
    runs = train_all({f"singular-{name}": [*words, "--lr", rate] for name, rate in RATES.items()})
    draw(Path("results/images/singular_values.png"))
    text = HEAD.format(machine=machine(), steps=STEPS)
    text += "".join(line(name, runs[f"singular-{name}"]) for name in RATES)
    text += "\n" + "\n".join(f"- `{run.command}`" for run in runs.values()) + "\n"
    Path("results/singular_values.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
