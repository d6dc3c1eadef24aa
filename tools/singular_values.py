"""Singular values of healthy runs and of runs made to collapse; write ``results/singular_values.md``.

    python tools/singular_values.py

After Figure 3 and Section 4 of Brock et al. 2019 (arXiv:1809.11096): DCGAN, whose networks have no spectral
normalisation, and BigGAN, whose both have. Runs that ended are not repeated.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from tables import SCRATCH, Finished, machine, train_all
from zerosum.files import Rows
from zerosum.folder import RunFolder

STEPS = 400
FASHION = ["--data", "fashion-mini", "--batch-size", "64", "--steps", str(STEPS), "--watch", "1"]
DCGAN = ["dcgan", *FASHION, "--width", "32", "--kernel", "4", "--lr"]
BIGGAN = ["biggan", *FASHION, "--width", "8", "--n-critic", "1"]
HEALTHY, COLLAPSING = "dcgan-healthy", "dcgan-collapsing"
RUNS = {
    HEALTHY: [*DCGAN, "2e-4"],
    COLLAPSING: [*DCGAN, "1e-1"],
    "biggan-healthy": [*BIGGAN, "--g-lr", "1e-3", "--d-lr", "1e-3"],
    "biggan-collapsing": [*BIGGAN, "--g-lr", "1e-2", "--d-lr", "1e-2"],
}
HEAD = """# Singular values of healthy and of collapsing runs

`python tools/singular_values.py`. {machine}. `fashion-mini`, batch 64, {steps} updates of each player, seed 0. DCGAN of
width 32 at learning rates of 2e-4 (healthy) and 1e-1, which makes it collapse; BigGAN of width 8, with spectral
normalisation in both players and orthogonal regularisation in the generator, at 1e-3 and 1e-2. After every update: the
largest singular value of every weight. Growth: the greatest of them over the run, over the same layer's after the first
update of the healthy run of the same networks (both begin with the same weights). Critic's loss: the mean over the last
100 updates; 0 is that of a critic that has won; one that has given up has 2 log 2 = 1.386 in DCGAN, 2 in BigGAN.

![singular values of DCGAN](images/singular_values.png)

DCGAN; the first layers thick, deep ones pale.

| run | fd_fashion | classes | largest growth of a singular value | critic's loss | alarms |
|---|---|---|---|---|---|
"""


def history(name: str) -> list[dict[str, Any]]:
    return list(Rows(RunFolder(SCRATCH / f"singular-{name}").spectra))


def growth(rows: list[dict[str, Any]], base: dict[str, Any]) -> tuple[str, float]:
    """The layer whose largest singular value grew most, and how many times, from that in ``base``."""
    most = {layer: max((row["sigma"][layer][0] or float("inf")) for row in rows) for layer in base["sigma"]}
    worst = max(most, key=lambda layer: most[layer] / base["sigma"][layer][0])
    return worst, most[worst] / base["sigma"][worst][0]


def draw(path: Path) -> None:
    figure = Figure(figsize=(10, 7), dpi=110, layout="constrained")
    panels: Any = figure.subplots(2, 2, sharex=True, sharey="col")
    for line, name in zip(panels, (HEALTHY, COLLAPSING), strict=True):
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
    layer, times = growth(history(name), history(f"{name.partition('-')[0]}-healthy")[0])
    folder = RunFolder(SCRATCH / f"singular-{name}")
    alarms = "; ".join(f"{row['name']} (step {row['step']})" for row in Rows(folder.alarms)) or "none"
    scores = f"{run.scores['fd_fashion'].value:.2f} | {run.scores['classes'].value:.0f}"
    return f"| {name} | {scores} | {times:.1f} times ({layer}) | {critic_loss(name):.3f} | {alarms} |\n"


def critic_loss(name: str) -> float:
    """The mean of its adversarial loss over the rows of the last 100 updates."""
    rows = [row for row in Rows(RunFolder(SCRATCH / f"singular-{name}").metrics) if row["step"] > STEPS - 100]
    return fmean(loss for row in rows for term, loss in row["losses"].items() if term.startswith("D/"))


def main() -> None:
    runs = train_all({f"singular-{name}": words for name, words in RUNS.items()})
    draw(Path("results/images/singular_values.png"))
    text = HEAD.format(machine=machine(), steps=STEPS)
    text += "".join(line(name, runs[f"singular-{name}"]) for name in RUNS)
    text += "\n" + "\n".join(f"- `{run.command}`" for run in runs.values()) + "\n"
    Path("results/singular_values.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
