"""Train every recipe on ``fashion-mini`` with as many real images, and write ``results/recipes.md``."""

from __future__ import annotations

from pathlib import Path

from tables import Finished, machine, train_all

IMAGES = 64_000  # seen by the critic
SMALL = ["--width", "32", "--kernel", "4"]
# Widths at which two cores manage; batch sizes are the papers' where not given. The first number is batch size times
# n_critic: steps = IMAGES / that.
RECIPES: dict[str, tuple[int, list[str]]] = {
    "gan": (100, []),
    "ns-gan": (100, []),
    "dcgan": (64, [*SMALL, "--batch-size", "64"]),
    "cgan": (64, [*SMALL, "--batch-size", "64", "--critic", "projection"]),
    "lsgan": (64, SMALL),
    "wgan": (64 * 5, SMALL),
    "dragan": (64, SMALL),
    "sngan": (64 * 5, ["--g-width", "32", "--d-width", "32"]),
    "wgan-gp": (64 * 5, ["--width", "24"]),
}
HEAD = """# Nine recipes, the same number of real images

Each critic saw {images:,} images of `fashion-mini` (6.4 passes over 10,000), seed 0, no running average. Networks
are narrower than the papers' so that two cores manage; all else is the recipe's default. Recipes with `n_critic` 5
spend the images on a fifth of the generator updates: this table compares costs and shows that all learn, not
which is best. `cgan` also sees the labels.

`fd_fashion` is the Fréchet distance in the features of the shipped classifier (5,000 generated against 5,000 real
images, features {features}); it is not FID. Floor (real against real): {floor:.4f}. Untrained generators score
about 64. Classes: how many of the ten have a share of 3% or more. One thread a
run, two runs side by side.

Machine: {machine}. Made by `python tools/recipes_table.py`.

| recipe | fd_fashion | classes | steps | images/s | peak MiB | command |
|---|---|---|---|---|---|---|
"""


def row(name: str, run: Finished) -> str:
    distance, classes = run.scores["fd_fashion"].value, run.scores["classes"].value
    how = run.outcome
    return (
        f"| `{name}` | {distance:.2f} | {classes:.0f} | {how['step']:,} | {how['images_per_second']:.0f} "
        f"| {how['peak_memory_mib']:.0f} | `{run.command}` |"
    )


def main() -> None:
    jobs = {}
    for name, (per_step, words) in RECIPES.items():
        steps = str(IMAGES // per_step)
        jobs[f"recipe-{name}"] = [name, "--data", "fashion-mini", "--seed", "0", *words, "--steps", steps]
    runs = train_all(jobs)
    first = next(iter(runs.values())).scores
    facts = {
        "images": IMAGES,
        "features": first["fd_fashion"].protocol["features_hash"],
        "floor": first["fd_fashion_floor"].value,
        "machine": machine(),
    }
    rows = [row(name.removeprefix("recipe-"), run) for name, run in runs.items()]
    text = HEAD.format(**facts) + "\n".join(rows) + "\n"
    Path("results/recipes.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
