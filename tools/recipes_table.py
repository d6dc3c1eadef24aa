"""Train every recipe on ``fashion-mini``, ``ring``, ``grid``, equal numbers of samples; write ``results/recipes.md``.

    python tools/recipes_table.py                 # what is not there yet
    python tools/recipes_table.py wgan-gp dcgan   # only these, if not there yet
    python tools/recipes_table.py --images        # without ring and grid
    python tools/recipes_table.py --write         # the page alone, from what was measured

Figures are kept in ``src/zerosum/recipes/measured.json``, entry by entry: remove one to measure it again. Unfinished
runs under ``runs/results`` are resumed.
"""

from __future__ import annotations

import inspect
import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from tables import SCRATCH, SIDE_BY_SIDE, ended, evaluate, machine, train
from zerosum import registry
from zerosum.catalogue import MEASURED, figures
from zerosum.data import load
from zerosum.files import Rows
from zerosum.folder import RunFolder

IMAGES = 64_000  # of fashion-mini, seen by each critic
HELD_OUT = "fashion-mnist"  # its test split
POINTS = 640_000  # of ring and grid
SEEDS = range(5)  # on points; on images seed 0, and two more for those that learnt most
BEST = {"ac-gan", "biggan", "cgan", "ebgan", "ebgan-pt", "improved-gan", "info-gan", "inpaint-gan", "noisy-gan"}
BEST |= {"sngan-projection"}
# The same for all, where a recipe has such an argument.
ON_IMAGES: dict[str, Any] = {"width": 32, "kernel": 4, "batch_size": 64}
ON_POINTS: dict[str, Any] = {"width": 128, "batch_size": 128}
# Where the common arguments do not make sense: what replaces them.
APART: dict[str, dict[str, Any]] = {
    "gan": {"width": None},
    "ns-gan": {"width": None},
    "cgan": {"critic": "projection"},
    "sngan": {"g_width": 32, "d_width": 32},
    "began": {"width": 16},  # at full size in all of its layers
    "semi-gan": {"g_width": 32, "d_width": 32},
    # Class tables begin alike and move by about the rate an update: many updates, and a high rate, or they stay alike.
    "sngan-projection": {"g_width": 32, "d_width": 32, "n_critic": 1, "lr": 1e-3, "batch_size": 32},
    "sagan": {"g_width": 32, "d_width": 32},
    # 32 channels at every size.
    "biggan": {"width": 8, "g_lr": 1e-3, "d_lr": 1e-3, "n_critic": 1},
    "biggan-deep": {"width": 16, "latent": 64, "shared": 64, "g_lr": 2e-4, "d_lr": 2e-4},
    **{name: {"width": 24} for name in ("wgan-gp", "wgan-div", "ct-gan")},  # residual networks
}
NO_SYSTEM = {"custom"}  # whatever one makes of it
LAST = ("began", "unrolled")  # take longest
APART_ON_POINTS: dict[str, dict[str, Any]] = {"sngan": {"g_width": 128, "d_width": 128}}
REMARKS = {
    "ac-gan": "sees labels",
    "began": "as good as untrained: its rates are 8e-5 for batches of 16 over hundreds of thousands of updates",
    "biggan": "sees labels; rates of 1e-3, `--n-critic 1`, see below; images/s beside other work",
    "biggan-deep": "sees labels, and hardly heeds them yet; images/s beside other work",
    "cgan": "sees labels",
    "ct-gan": "200 generator updates: far from done; on points it has the weight for images (10), see above",
    "dragan": "on points no mode: the critic ends at or above 2 log 2, as if guessing, in nine of ten runs; see above",
    "ebgan": "on the ring one mode or none: no term of its loss asks for variety",
    "ebgan-pt": "on the ring one mode: its repelling term, of weight 0.1, is too weak to hold points apart",
    "f-gan": "three classes, far from done; on the ring all modes or none, by seed",
    "gan": "an MLP: far from done on images",
    "gan-gp": "far from done: layer norm and the penalty slow the critic's lead, lr is 1e-4; see above",
    "info-gan": "its ten-way code divides the modes among its values",
    "inpaint-gan": "half of each image is real: not to be compared",
    "loss-sensitive": "on points its critic is clipped as for images: with `--c None --lr 1e-3 --batch-size 128 "
    "--steps 5000` it finds 6 modes of the ring, 19% of high quality (seed 0)",
    "ns-gan": "an MLP: far from done on images",
    "ra-hinge": "on the ring one mode alone, in each of the five runs",
    "sagan": "sees labels, and hardly heeds them yet: its class tables begin alike; images/s beside other work",
    "semi-gan": "sees 100 labels; feature matching serves its classifier more than its samples",
    "sngan-projection": "sees labels; `--n-critic 1 --lr 1e-3 --batch-size 32`, see below; images/s beside other work",
    "unrolled": "one class: the critic wins, and the generator ascends the critic's own loss, which is flat then; "
    "images/s beside other work",
    "vae": "blurred: the likelihood of pixels averages what it is unsure of",
    "wgan": "200 generator updates at 5e-5 with clipped weights: far from done",
    "wgan-gp": "200 generator updates: far from done",
}
PUBLISHED = """Published figures on rings and grids like these (VEEGAN, Srivastava et al. 2017, Table 1; 2,500 samples,
other networks and budgets): ring of 8: GAN 1 mode / 99.3% high quality, ALI 2.8 / 0.13%, unrolled GAN 7.6 / 35.6%,
VEEGAN 8 / 52.9%. Grid of 25: GAN 3.3 / 0.5%, ALI 15.8 / 1.6%, unrolled GAN 23.6 / 16%, VEEGAN 24.6 / 40%."""
HEAD = """# Every recipe at equal budgets

`python tools/recipes_table.py` makes this page; what was measured before is not measured again. {machine}.

**Clothes** (`fashion-mini`): each critic saw {images:,} real images (6.4 passes over 10,000) at batch size 64, no
running average; convolutional networks of width 32 where the recipe admits it, all else the recipe's default. One run,
seed 0; for the ten that learnt most mean ± standard deviation of seeds 0 to 2. A recipe of `n_critic` 5 spends the
images on a fifth of the generator updates. `fd_fashion` is the Fréchet distance in the features of the shipped
classifier (5,000 generated against 5,000 real images; it is not FID); real against real: 0.0343; untrained generators:
about 64. Precision and recall (k = 3): 5,000 generated images and all 10,000 real ones in the same features. Classes:
how many of the ten have a share of 3% or more. One thread a run, two runs side by side. Rows without deviations were
measured against halves of the real images that were cut by position, not in the order of hashes (real against real was
0.0328 then): the same commands give other digits now. `improved-gan`, `wgan-gp`, `wgan-div`, `ct-gan`, `began`,
`dragan`, `sagan` and `biggan-deep` have other initial weights or settings since, and are to be measured again.

**Ring** and **grid**: 8 and 25 Gaussians, MLPs of three hidden layers of 128 where the recipe admits it, batch size
128, {points:,} points seen by each critic, seeds 0 to 4: mean ± standard deviation of the number of modes (a mode
counts with one high-quality sample) and of the share of high-quality samples (within 3 standard deviations of a mode),
of 2,500. Empty cells have not been measured yet.

This is a small budget, at the recipes' learning rates: it compares costs and shows what learns quickly, not what is
best in the end. Settings can matter more than objectives: `zerosum train ebgan --width 32 --kernel 4 --batch-size 64`
(seed 0) with margin 1 and learning rate 2e-4 stayed at 57.8 with one class in 1,000 updates; a margin of 0.2 gave 22.0
after 500, and with learning rate 1e-3 it was 6.4. These two are its defaults. `dragan` and `gan-gp` find no mode of
ring and grid: that is their schedule (one critic update each time, learning rate 1e-4, weight 10), not a matter of the
penalty. On the ring (seed 0, `--data ring --batch-size 128`) `wgan-gp --n-critic 1 --penalty-weight 10 --steps 5000`
finds none either; the non-saturating game with WGAN-GP's settings, `custom --objective non-saturating --penalty wgan-gp
--penalty-weight 0.1 --n-critic 5 --steps 1000`, finds all 8 (1% high quality), and so does `gan-gp --lr 1e-3
--steps 20000` (79%).

| {columns} |
|{rules}|
"""
LABELLED = """## Conditional recipes

The same runs, asked for the ten classes in equal numbers. Right class: share that the shipped classifier takes for the
class asked for (of real images 92.6%; a generator that is deaf to labels gets 10%); then the worst class. Intra-class
distance: the mean over classes of `fd_shipped` within each. CAS: accuracy on Fashion-MNIST's 10,000 test images of a
classifier that learnt from 5,000 generated ones (from the 10,000 real ones: {real:.1%}).

Tables of classes (gain and bias of batch norm, directions of a projection) begin alike for all classes, and Adam moves
them by about its rate an update. So how well labels are heeded depends on how many updates the budget is spent on, and
at what rate: `sngan-projection` at its defaults (five critic updates each, 2e-4, batches of 64: 200 generator updates)
was deaf, 9.7% right and fd_fashion 19.29 (`zerosum train sngan-projection --g-width 32 --d-width 32 --steps 200`,
`zerosum eval RUN --metrics labels --count 5000`). Its row here has one critic update each, 1e-3 and batches of 32.
`biggan` likewise: with two critic updates each and 2e-4 (500 generator updates) it was 37.0% right at 9.56. More is not
always better: with batches of 32 (2,000 updates) at 1e-3 it lost two classes (73.4%, 6.20). `biggan-deep` and `sagan`
stand here at the lower rates (2e-4; 1e-4 and 4e-4), and hardly heed labels yet.

| recipe | generator updates | right class | worst class | intra-class distance | CAS |
|---|---|---|---|---|---|
"""
SCORED = ("fd_fashion", "precision", "recall", "classes")
COLUMNS = ["recipe", "fd_fashion", "precision", "recall", "classes", "steps", "images/s", "peak MiB"]
COLUMNS += ["ring: modes", "high quality", "grid: modes", "high quality", ""]
_writing = threading.Lock()


def arguments(name: str, common: Mapping[str, Any], apart: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a run: the common ones that this recipe has, and its own."""
    known = registry.arguments(name)
    given = {**{k: v for k, v in common.items() if k in known}, **apart}
    return {k: v for k, v in given.items() if v is not None}


def steps(name: str, given: Mapping[str, Any], samples: int) -> int:
    """How many generator updates show the critic so many samples."""
    known = registry.arguments(name)

    def value(key: str, default: int) -> int:
        said = given.get(key, known[key].default if key in known else default)
        return default if said is None or said is inspect.Parameter.empty else int(said)

    return samples // (value("batch_size", 64) * value("n_critic", 1))


def words(name: str, given: Mapping[str, Any]) -> list[str]:
    return [name, *(part for k, v in given.items() for part in (f"--{k.replace('_', '-')}", str(v)))]


def save(name: str, data: str, row: dict[str, Any]) -> None:
    """Put an entry in place; the file is whole at any moment."""
    with _writing:
        found = figures()
        found.setdefault(name, {})[data] = row
        text = json.dumps({"machine": machine(), "recipes": dict(sorted(found.items()))}, indent=1) + "\n"
        beside = MEASURED.with_suffix(".tmp")
        beside.write_text(text)
        beside.replace(MEASURED)


def on_images(name: str) -> None:
    """Runs on clothes, each in a process of its own: peak memory is the process's. The entry has means over seeds."""
    given = arguments(name, ON_IMAGES, APART.get(name, {}))
    given["steps"] = steps(name, given, IMAGES)
    command = [*words(name, given), "--data", "fashion-mini", "--metrics", "pr", "--eval-count", "5000"]
    runs = [train(run_of(name, seed), [*command, *(["--seed", str(seed)] if seed else [])]) for seed in seeds_of(name)]
    scores = [{key: score.value for key, score in run.scores.items()} for run in runs]
    names = {"precision": "precision_shipped", "recall": "recall_shipped"}
    columns = {key: [found[names.get(key, key)] for found in scores] for key in SCORED}
    row = {
        **{key: statistics.mean(values) for key, values in columns.items()},
        "spread": {key: statistics.stdev(values) for key, values in columns.items() if len(values) > 1},
        "steps": runs[0].outcome["step"],
        "images_per_second": statistics.mean(run.outcome["images_per_second"] for run in runs),
        "peak_memory_mib": max(run.outcome["peak_memory_mib"] for run in runs),
        "seeds": seeds_of(name),
        "command": runs[0].command,
    }
    save(name, "fashion-mini", row)
    if told_classes(name):
        on_labels(name)


def seeds_of(name: str) -> list[int]:
    """Seeds of a recipe's runs on clothes."""
    return [0, 1, 2] if name in BEST else [0]


def run_of(name: str, seed: int) -> str:
    """The folder of a run on clothes."""
    return f"recipe-{name}-{seed}" if seed else f"recipe-{name}"


def told_classes(name: str) -> bool:
    """Is the generator of this recipe told a class?"""
    drawn = registry.find(name)(load("fashion-mini")).prior(1, torch.Generator())
    return isinstance(drawn, tuple) and drawn[1].dim() == 1


def on_labels(name: str) -> None:
    """How well the conditional generator of a run on clothes does what it is asked."""
    words = ["--metrics", "intra-fid,labels,cas", "--held-out", HELD_OUT, "--count", "5000"]
    found = evaluate(f"recipe-{name}", words)
    asked, trained = found["label_accuracy_shipped"], found["cas"]
    row = {
        "label_accuracy": asked.value,
        "worst_class": min(asked.details[c] for c in load("fashion-mini").classes),
        "intra_fd": found["intra_fd_shipped"].value,
        "cas": trained.value,
        "cas_real": trained.details["real"],
    }
    save(name, "fashion-mini", figures()[name]["fashion-mini"] | row)


def on_points(name: str) -> None:
    """Five seeds of ring and grid, in one process of its own."""
    with (SCRATCH / f"points-{name}.log").open("w") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--points", name]
        subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)
    for data, row in json.loads((SCRATCH / f"points-{name}.json").read_text()).items():
        save(name, data, row)
    print(f"{name}: points", flush=True)


def points_of(name: str) -> None:
    """In the process of one recipe: train what is not trained yet, and leave the figures in a file."""
    import zerosum

    given = arguments(name, ON_POINTS, APART_ON_POINTS.get(name, {}))
    found = {}
    for data in ("ring", "grid"):
        scores: list[dict[str, float]] = []
        for seed in SEEDS:
            out = SCRATCH / f"points-{name}-{data}-{seed}"
            # Small networks: a compiled step is two to three times as fast, and ten runs share what is compiled.
            settings: dict[str, Any] = {
                "data": data,
                "seed": seed,
                "out": str(out),
                "compile": "on",
                "sample_every": 10**9,
                "save_every": 10**9,
            }
            if not ended(out):
                subprocess.run(["rm", "-rf", str(out)], check=True)
                zerosum.train(name, **settings, **given, steps=steps(name, given, POINTS))
            last = {row["score"]["name"]: row["score"]["value"] for row in Rows(RunFolder(out).scores)}
            scores.append(last)
            print(data, seed, last, flush=True)
        found[data] = {
            key: [statistics.mean(s[key] for s in scores), statistics.stdev(s[key] for s in scores)]
            for key in ("modes", "high_quality")
        } | {"seeds": list(SEEDS), "steps": steps(name, given, POINTS), "arguments": given}
    (SCRATCH / f"points-{name}.json").write_text(json.dumps(found))


def names() -> list[str]:
    """All that have a row."""
    return sorted(set(registry.names()) - NO_SYSTEM, key=lambda name: (name in LAST, name))


def takes_points(name: str) -> bool:
    try:
        registry.find(name)(load("ring"))
    except ValueError:
        return False
    return True


def line(name: str, found: Mapping[str, Any]) -> str:
    """A row of the page."""
    cells = [f"`{name}`"]
    if image := found.get("fashion-mini"):
        spread = image.get("spread", {})
        cells += [f"{image[key]:.2f}" + (f" ± {spread[key]:.2f}" if spread else "") for key in SCORED[:3]]
        cells += [f"{image['classes']:.3g}", f"{image['steps']:,}", f"{image['images_per_second']:.0f}"]
        cells += [f"{image['peak_memory_mib']:.0f}"]
    else:
        cells += ["not yet"] + [""] * 6
    for data in ("ring", "grid"):
        if row := found.get(data):
            (modes, off), (quality, spread) = row["modes"], row["high_quality"]
            cells += [f"{modes:.1f} ± {off:.1f}", f"{quality:.0%} ± {spread:.0%}"]
        else:
            cells += ["", ""]
    return f"| {' | '.join([*cells, REMARKS.get(name, '')])} |"


def conditional(labelled: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of recipes that are told classes; nothing where none was measured."""
    if not labelled:
        return ""
    rows = [
        f"| `{name}` | {row['steps']:,} | {row['label_accuracy']:.1%} | {row['worst_class']:.0%} "
        f"| {row['intra_fd']:.2f} | {row['cas']:.1%} |"
        for name, row in labelled.items()
    ]
    return LABELLED.format(real=next(iter(labelled.values()))["cas_real"]) + "\n".join(rows) + "\n\n"


def write() -> None:
    found, about = figures(), json.loads(MEASURED.read_text())["machine"]
    table = {"columns": " | ".join(COLUMNS), "rules": "|".join(["---"] * len(COLUMNS))}
    head = HEAD.format(images=IMAGES, points=POINTS, machine=about, **table)
    rows = [line(name, found.get(name, {})) for name in names()]
    images = [found[name]["fashion-mini"] for name in names() if "fashion-mini" in found.get(name, {})]
    labelled = {n: found[n]["fashion-mini"] for n in names() if "cas" in found.get(n, {}).get("fashion-mini", {})}
    commands = "\n".join(f"- `{row['command']}`" for row in images)
    parts = [head + "\n".join(rows), PUBLISHED, conditional(labelled) + "## Commands of the runs on clothes", commands]
    text = "\n\n".join(parts) + "\n"
    Path("results/recipes.md").write_text(text)
    print(text)


def main(wanted: list[str], *, images_only: bool = False) -> None:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    done = figures()
    chosen = [n for n in names() if not wanted or n in wanted]
    there = [n for n in chosen if done.get(n, {}).get("fashion-mini", {}).get("seeds") == seeds_of(n)]
    jobs = [(on_images, n) for n in chosen if n not in there]
    there = [n for n in there if "cas" not in done[n]["fashion-mini"]]
    jobs += [(on_labels, n) for n in there if told_classes(n)]
    if not images_only:
        jobs += [(on_points, n) for n in chosen if "grid" not in done.get(n, {}) and takes_points(n)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        tasks = {pool.submit(work, name): f"{work.__name__} {name}" for work, name in jobs}
        for task, what in tasks.items():
            if error := task.exception():
                print(f"{what}: {error}", flush=True)  # the others go on; its log says more
    write()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--points", name]:
            points_of(name)
        case ["--write"]:
            write()
        case ["--images", *wanted]:
            main(wanted, images_only=True)
        case wanted:
            main(wanted)
