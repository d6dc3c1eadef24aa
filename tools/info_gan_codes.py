"""What InfoGAN's categorical code comes to mean: train it without labels, and compare its values with the classes.

    python tools/info_gan_codes.py [--out results/info_gan.md] [--threads 2] [--scale 1]

Two data sets: the shipped clothes, and scikit-learn's digits (the extra `data`); three minutes on two cores. Reported
are the bound on the information over time against H(c) = log 10; the accuracy of the best one-to-one match of codes
with classes, for generated images (named by the shipped classifier, or by a support vector machine trained on the real
digits) and for real images (whose code Q guesses); and a sheet of samples, a row for each code.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tables import machine
from zerosum import registry
from zerosum.core.game import Nets, State, start
from zerosum.core.random import generator, seed_for
from zerosum.core.train import train
from zerosum.data import load
from zerosum.metrics.features.shipped import load_classifier
from zerosum.metrics.images import eight_bit
from zerosum.runs.pictures import sheet
from zerosum.runs.sampler import Sampler
from zerosum.systems import Recipe

NOISE, CODES = 62, 10
SHOWN, JUDGED, REAL = 12, 2_000, 1_500
Judge = Callable[[Tensor], Tensor]  # images in [-1, 1] -> classes


def clothes() -> Judge:
    """The shipped classifier."""
    classifier = load_classifier()

    @torch.inference_mode()
    def judge(images: Tensor) -> Tensor:
        return torch.cat([classifier(part).argmax(1) for part in images.split(250)])

    return judge


def digits() -> Judge:
    """A support vector machine with a Gaussian kernel, trained on all real digits."""
    from sklearn.svm import SVC

    data: Any = load("digits")
    machine = SVC(gamma="scale").fit(data.pixels.reshape(len(data.pixels), -1), data.labels)
    return lambda images: torch.from_numpy(machine.predict(eight_bit(images).flatten(1).numpy()))


@dataclass(frozen=True)
class Study:
    """A data set, and settings that learn it in a minute or two."""

    source: str
    judge: Callable[[], Judge]
    arguments: dict[str, Any]


STUDIES = (
    Study("fashion-mini", clothes, {"width": 16, "batch_size": 64, "d_lr": 5e-4, "steps": 1_000}),
    Study("digits", digits, {"width": 16, "batch_size": 64, "d_lr": 5e-4, "steps": 1_500}),
)


@dataclass(frozen=True)
class Agreement:
    """Shares of generated and of real images on which codes and classes agree, and the match of the generated."""

    generated: float
    real: float
    match: dict[int, int]


@dataclass(frozen=True)
class Found:
    """What one study found."""

    study: Study
    seconds: float
    curve: list[tuple[int, float]]  # (updates, bound in nats, a mean over those since the entry before)
    before: Agreement
    after: Agreement
    samples: Tensor  # a row for each code


def matched(codes: Tensor, classes: Tensor) -> tuple[float, dict[int, int]]:
    """The largest share of pairs that agree under any one-to-one match of codes with classes, and that match."""
    table = np.zeros((CODES, CODES))
    np.add.at(table, (codes.numpy(), classes.numpy()), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    pairs = {int(r): int(c) for r, c in zip(rows, columns, strict=True)}
    return float(table[rows, columns].sum() / table.sum()), pairs


def batches(recipe: Recipe, data: Any, seed: int) -> Iterator[Any]:
    for k in itertools.count():
        x, y = data.batch(k, recipe.batch_size, seed=seed)
        yield recipe.draw(x, y, generator(seed, "draw", k))


def learn(recipe: Recipe, data: Any, seed: int) -> tuple[State, list[tuple[int, float]]]:
    """Train; the state in the end, and the bound along the way."""
    game, heard, curve = recipe.phases[0].game, [], []
    final = start(game)
    for t, state, said in train(game, final, batches(recipe, data, seed), recipe.steps):
        final = state
        heard.append(float(said["G"]["information"]))
        if (t + 1) % max(1, recipe.steps // 10) == 0:
            curve.append((t + 1, sum(heard) / len(heard)))
            heard = []
    return final, curve


def sampler_of(recipe: Recipe, state: State) -> Sampler:
    sampler = Sampler(recipe.phases[0].game.nets["G"], recipe.prior)
    sampler.load(state.weights["G"] | state.buffers["G"])
    return sampler


def agreement(recipe: Recipe, state: State, data: Any, judge: Judge) -> Agreement:
    sampler = sampler_of(recipe, state)
    codes = sampler.latents(0, JUDGED)[0][:, NOISE : NOISE + CODES].argmax(1)
    generated, match = matched(codes, judge(sampler(0, JUDGED)))
    x, y = data.batch(0, REAL, seed=0)
    with torch.no_grad():  # in training mode, with the batch's statistics: those that Q was trained with
        n = Nets(recipe.phases[0].game, state, None)
        real, _ = matched(n.Q(n.trunk(x))[:, :CODES].argmax(1), y)
    return Agreement(generated, real, match)


def study(what: Study, seed: int) -> Found:
    torch.manual_seed(seed_for(seed, "init"))
    data: Any = load(what.source)
    recipe = registry.find("info-gan")(data, noise=NOISE, categories=CODES, **what.arguments)
    judge = what.judge()
    before = agreement(recipe, start(recipe.phases[0].game), data, judge)
    began = time.monotonic()
    state, curve = learn(recipe, data, seed)
    spent = time.monotonic() - began
    sampler = sampler_of(recipe, state)
    rows = sampler.latents(0, SHOWN)[0].repeat(CODES, 1)  # the same noise in each row, another code
    rows[:, NOISE : NOISE + CODES] = torch.eye(CODES).repeat_interleave(SHOWN, 0)
    return Found(what, spent, curve, before, agreement(recipe, state, data, judge), sampler.generate(rows))


def section(found: Found, classes: tuple[str, ...], picture: str) -> str:
    given = " ".join(f"--{k.replace('_', '-')} {v}" for k, v in found.study.arguments.items())
    match = ", ".join(f"{code}: {classes[label]}" for code, label in sorted(found.after.match.items()))
    return f"""## {found.study.source}

`info-gan --data {found.study.source} {given}`: {found.seconds:.0f} s.

| updates | {" | ".join(f"{t:,}" for t, _ in found.curve)} |
|---|{"---|" * len(found.curve)}
| bound, nats | {" | ".join(f"{v:.2f}" for _, v in found.curve)} |

| agreement of codes with classes, best one-to-one match | untrained | trained |
|---|---|---|
| {JUDGED:,} generated images, classes by the judge | {found.before.generated:.1%} | **{found.after.generated:.1%}** |
| {REAL:,} real images, codes by Q | {found.before.real:.1%} | **{found.after.real:.1%}** |

The match for generated images: {match}.

![samples, a row for each code, the same noise in each row](images/{picture})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/info_gan.md"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of updates")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    parts = []
    (given.out.parent / "images").mkdir(parents=True, exist_ok=True)
    for what in STUDIES:
        steps = round(given.scale * what.arguments["steps"])
        found = study(replace(what, arguments=what.arguments | {"steps": steps}), given.seed)
        picture = f"info_gan_{what.source.replace('-', '_')}.png"
        sheet(found.samples, given.out.parent / "images" / picture, columns=SHOWN)
        parts.append(section(found, load(what.source).classes, picture))
        print(parts[-1], flush=True)
    command = f"python tools/info_gan_codes.py --threads {given.threads} --scale {given.scale:g} --seed {given.seed}"
    given.out.write_text(f"""# What InfoGAN's code comes to mean

`{command}`: one seed, labels never read in training; 62 noise
dimensions, one categorical code of 10 values, two continuous codes. The bound on the information is the mean of
E log Q(c|x) + H(c) over the updates since the entry before; H(c) = log 10 = {math.log(10):.3f} nats. The match is made
afterwards, with the labels (of real images) or the judge's verdicts (of generated ones): it is the best of all
one-to-one matches. Untrained networks already get more than 10% on real images: any fixed function of them says
something of their class.

Machine: {machine()}.

{chr(10).join(parts)}""")


if __name__ == "__main__":
    main()
