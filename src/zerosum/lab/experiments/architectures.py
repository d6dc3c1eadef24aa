"""Seven architectures, four ways to train: which pairs of networks a method can do without.

Gulrajani et al. 2017 (arXiv:1704.00028), Figure 2: DCGAN's networks and six that leave its well-trodden path, each
played as DCGAN (the non-saturating game), LSGAN, WGAN with weight clipping and WGAN-GP. The paper shows samples of 64
pixels after long training; here the images are the 32-pixel clothes that come with zerosum, the networks are small
and so is the number of updates, which is the same for all: it shows which pairs learn at all, and how soon.

The kinds: ``baseline`` (DCGAN for both); ``constant`` (a generator without normalisation whose number of filters is
the same at every resolution, DCGAN's critic); ``mlp`` (a generator of four hidden ReLU layers, DCGAN's critic);
``no-norm`` (no normalisation in either); ``gated`` (tanh(a) sigmoid(b) everywhere, of twice the channels); ``tanh``
(everywhere); ``resnet`` (deep bottleneck networks for both: blocks with normalisation on the path only, out =
shortcut + 0.3 path, a fifth of the last layer's output).

The methods: DCGAN Adam, 2e-4, beta1 0.5; LSGAN RMSprop, 1e-4, targets 0 and 1; WGAN RMSprop, 5e-5, clipped at 0.01;
WGAN-GP Adam, 1e-4, betas 0.5 and 0.9, penalty 10. The last two make five critic updates per generator update. These are
the settings of the papers or of WGAN-GP's published code, with one exception: Algorithm 1 of WGAN-GP has beta1 = 0, and
0.5 is the value in its toy experiments. Normalisation is batch norm, and layer norm in WGAN-GP's critics.

Departures: the MLP generator and the residual networks, their initial weights included, are those of WGAN-GP's code at
other sizes. Of the others, generators upsample and convolve with 3x3 kernels and critics have kernels of 4x4 and 3x3,
where that code has 5x5 kernels, transposed in generators. Their initial weights are normal, of He's standard deviation;
that code has uniform ones, of standard deviation 0.02, which is meant for networks many times as wide, and in the
``constant`` generator and ``gated`` networks Glorot's, with gain sqrt(2) on convolutions.

The scores are ``fd_fashion``, the Frechet distance in the features of the shipped classifier (not FID), beside its
floor, which is what real images score; and how many of the ten classes are made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from zerosum.data import Data, load
from zerosum.data.images import Pixels
from zerosum.errors import UsageError
from zerosum.lab.base import Findings, Lab
from zerosum.lab.bottleneck import ResidualCritic, ResidualGenerator
from zerosum.lab.convolutional import GATED, LATENT, METHODS, TANH, Critic, Generator, build_nets, train_nets
from zerosum.lab.diary import Diary, keep, load_kept
from zerosum.lab.drawing import panels
from zerosum.metrics.suite import evaluate
from zerosum.networks import mlp
from zerosum.networks.common import Norm, check_positive, glorot_uniform, he_uniform
from zerosum.networks.pairs import Pair
from zerosum.runs.pictures import to_pixels

FORMULAS = (  # mathtext, and what it is
    (r"L_G = -\mathbb{E}\,\log D(G(z))", "the generator's loss in the non-saturating game (DCGAN)"),
    (r"L_D = \frac{1}{2}\mathbb{E}\,(D(x)-1)^2 + \frac{1}{2}\mathbb{E}\,D(G(z))^2", "the critic's loss of LSGAN"),
    (
        r"L_D = \mathbb{E}\,D(G(z)) - \mathbb{E}\,D(x) + 10\,\mathbb{E}\,(\|\nabla D(\hat x)\| - 1)^2",
        "the critic's loss of WGAN-GP; without the penalty, of WGAN",
    ),
)
QUICK = {"steps": 20, "width": 8, "batch": 16, "samples": 200, "mlp_units": 64, "resnet_depth": 14}
DATA = "fashion-mini"
SHOWN = 16  # samples on a sheet
LEARNT = 5  # classes of the ten: a pair that makes so many counts as one that learns
LEAST = 100  # samples that are scored: more than the features have dimensions


@dataclass(frozen=True)
class Sizes:
    """How large networks are.

    Attributes:
        width: Width of convolutional networks.
        mlp_units: Units of each of the MLP's hidden layers.
        resnet_depth: Layers of each residual network.
    """

    width: int
    mlp_units: int
    resnet_depth: int


@dataclass(frozen=True)
class Kind:
    """A kind of pair of networks.

    Attributes:
        label: Name for people.
        build: (sizes, normalisation of a critic that has one) -> generator and critic.
    """

    label: str
    build: Callable[[Sizes, Norm], Pair]


def mlp_generator(units: int) -> nn.Module:
    """A generator of four hidden ReLU layers."""
    return mlp.Generator(
        LATENT, (units,) * 4, (1, 32, 32), output=torch.tanh, init=he_uniform, last_init=glorot_uniform
    )


KINDS = {
    "baseline": Kind("G and D: DCGAN", lambda s, norm: (Generator(s.width), Critic(s.width, norm=norm))),
    "constant": Kind(
        "G: no norm, constant filters",
        lambda s, norm: (Generator(s.width, norm=nn.Identity, growth=1), Critic(s.width, norm=norm)),
    ),
    "mlp": Kind("G: ReLU MLP", lambda s, norm: (mlp_generator(s.mlp_units), Critic(s.width, norm=norm))),
    "no-norm": Kind(
        "no norm in either",
        lambda s, norm: (Generator(s.width, norm=nn.Identity), Critic(s.width, norm=nn.Identity)),
    ),
    "gated": Kind(
        "gated everywhere", lambda s, norm: (Generator(s.width, act=GATED), Critic(s.width, norm=norm, act=GATED))
    ),
    "tanh": Kind(
        "tanh everywhere", lambda s, norm: (Generator(s.width, act=TANH), Critic(s.width, norm=norm, act=TANH))
    ),
    "resnet": Kind(
        "deep ResNets",
        lambda s, norm: (
            ResidualGenerator(s.width, s.resnet_depth),
            ResidualCritic(s.width, s.resnet_depth, norm=norm),
        ),
    ),
}


@dataclass(frozen=True)
class Budget:
    """What all cells of the grid have in common.

    Attributes:
        data: Data to learn.
        sizes: Sizes of the networks.
        steps: Generator updates.
        batch: Real samples per update.
        samples: Number of samples that are scored.
        folder: Folder for partial results; ``None`` to keep nothing.
    """

    data: Data
    sizes: Sizes
    steps: int
    batch: int
    samples: int
    folder: Path | None

    def settings(self, kind: str, method: str, seed: int) -> dict[str, Any]:
        """Everything that the result of a cell depends on."""
        common = {"steps": self.steps, "batch": self.batch, "samples": self.samples, "seed": seed}
        return {"kind": kind, "method": method, "data": self.data.fingerprint} | common | asdict(self.sizes)


def samples_file(plan: Budget, settings: Mapping[str, Any]) -> Path | None:
    """The file for the samples of a cell, which differs from that of any other settings; ``None`` to keep nothing."""
    if plan.folder is None:
        return None
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=6).hexdigest()
    return plan.folder / "cells" / f"{settings['kind']}--{settings['method']}-{digest}.npz"


Cell = dict[str, Any]  # the row of the diary, and "pixels": samples, uint8 (16, 32, 32); None if training diverged


def train_cell(plan: Budget, diary: Diary, kind: str, method: str, seed: int) -> Cell:
    """Train one architecture in one way, unless an earlier run has kept the result."""
    settings = plan.settings(kind, method, seed)
    path = samples_file(plan, settings)
    row = diary.find(settings)
    if row is not None and (row["diverged"] or (pixels := load_kept(path, (SHOWN, 32, 32))) is not None):
        return row | {"pixels": None if row["diverged"] else pixels}
    way = METHODS[method]
    # Weights depend only on the kind: all methods start from the same generator.
    nets = build_nets(seed, ("architecture", kind), lambda: KINDS[kind].build(plan.sizes, way.norm))
    images = train_nets(way, nets, plan.data, seed=seed, steps=plan.steps, batch=plan.batch, count=plan.samples)
    if images is None:
        return diary.add(settings, diverged=True, fd_fashion=None, classes=None) | {"pixels": None}
    shown = to_pixels(images[:SHOWN])[..., 0]
    keep(path, shown)  # before the row, which promises that the file is there
    return diary.add(settings, diverged=False, **score(images, plan.data, seed)) | {"pixels": shown}


def score(images: Tensor, data: Data, seed: int) -> dict[str, Any]:
    """Score images (N, 1, 32, 32) in [-1, 1] by ``fd_fashion``, with its floor, and by the number of classes."""
    found = evaluate(lambda start, n: images[start : start + n], data, seed=seed, count=len(images))
    return {one.name: one.value for one in found}


def choose(asked: str, known: Mapping[str, Any], what: str) -> list[str]:
    """Names from a text with commas between them; all that are known if the text is empty.

    Args:
        asked: The text.
        known: Known names.
        what: Name of the argument, for the message.

    Raises:
        UsageError: One of them is not known.
    """
    names = [name.strip() for name in asked.split(",") if name.strip()] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"{what}: there is no {', '.join(map(repr, unknown))}. There are: {', '.join(known)}")
    return list(dict.fromkeys(names))


def check(data: Data, sizes: Sizes, *, steps: int, batch: int, samples: int) -> None:
    """Refuse arguments with which nothing can be built or scored.

    Raises:
        UsageError: An argument is out of range; the message names it.
    """
    try:
        check_positive(steps=steps, batch=batch, **asdict(sizes))
        ResidualGenerator(2, sizes.resnet_depth)
    except ValueError as error:
        raise UsageError(f"architectures: {error}") from error
    most = (data.count or 0) // 2
    if not LEAST <= samples <= most:
        raise UsageError(f"samples={samples}: must be from {LEAST} to {most:,}")


def experiment(
    lab: Lab,
    *,
    steps: int = 400,
    width: int = 16,
    batch: int = 32,
    samples: int = 1_000,
    mlp_units: int = 256,
    resnet_depth: int = 35,
    methods: str = "",
    kinds: str = "",
) -> Findings:
    """Train every kind of pair in every way. What is finished is kept, and not done again.

    Args:
        lab: Seed, folder and progress bars.
        steps: Generator updates of each training.
        width: Channels at 16 pixels a side; there are twice as many at 8, and four times as many at 4.
        batch: Real samples per update.
        samples: Number of samples that are scored, from 100 to half of the 10,000 real images.
        mlp_units: Units of each of the MLP generator's four hidden layers (512 in the paper).
        resnet_depth: Layers of each residual network, 2 and 3 for each block (101 in the paper).
        methods: Names with commas between them (dcgan, lsgan, wgan, wgan-gp); "" for all.
        kinds: Names with commas between them (baseline, constant, mlp, no-norm, gated, tanh, resnet); "" for all.
    """
    columns, rows = choose(methods, METHODS, "methods"), choose(kinds, KINDS, "kinds")
    sizes = Sizes(width, mlp_units, resnet_depth)
    data = load(DATA)
    check(data, sizes, steps=steps, batch=batch, samples=samples)
    plan = Budget(data, sizes, steps, batch, samples, lab.folder)
    diary = Diary(None if lab.folder is None else lab.folder / "cells.jsonl")
    pairs = [(kind, method) for kind in rows for method in columns]
    turns = lab.track(pairs, f"{len(rows)} architectures, {len(columns)} methods")
    cells = {(k, m): train_cell(plan, diary, k, m, lab.seed) for k, m in turns}
    keys = ("fd_fashion", "classes", "diverged")
    numbers: dict[str, Any] = {
        "cells": {k: {m: {key: cells[k, m][key] for key in keys} for m in columns} for k in rows},
        "floor": next((c["fd_fashion_floor"] for c in cells.values() if not c["diverged"]), None),
    }
    says = [describe(method, {k: cells[k, method] for k in rows}) for method in columns]
    says += [f"real images: {numbers['floor']:.2f}, {samples:,} against as many others"] if numbers["floor"] else []
    return Findings(numbers, tuple(says), {"samples": draw(cells, rows, columns)})


def describe(method: str, cells: Mapping[str, Cell]) -> str:
    """Say in a sentence what one method made of all kinds of networks."""
    alive = {kind: one for kind, one in cells.items() if not one["diverged"]}
    lost = [kind for kind in cells if kind not in alive]
    parts = [f"{kind} {one['fd_fashion']:.2f} ({one['classes']:.0f})" for kind, one in alive.items()]
    parts += [f"diverged: {', '.join(lost)}"] if lost else []
    learnt = sum(one["classes"] >= LEARNT for one in alive.values())
    count = f"{learnt} of {len(cells)} make {LEARNT} classes or more"
    return f"{METHODS[method].label}: {count}; fd_fashion and classes of ten: {', '.join(parts)}"


def draw(cells: Mapping[tuple[str, str], Cell], rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """Draw samples of every cell, with a row for each architecture and a column for each method."""
    figure, axes = panels(len(rows), len(columns), width=1.7, height=1.75)
    for panel, (kind, method) in zip(axes.flat, ((k, m) for k in rows for m in columns), strict=True):
        one = cells[kind, method]
        panel.set(xticks=[], yticks=[], box_aspect=1)
        if one["pixels"] is None:
            panel.text(0.5, 0.5, "diverged", ha="center", va="center", fontsize=9)
        else:
            panel.imshow(mosaic(one["pixels"]), cmap="gray", vmin=0, vmax=255)
        score = "" if one["diverged"] else f"fd {one['fd_fashion']:.1f}, classes {one['classes']:.0f}"
        panel.set_title((f"{METHODS[method].label}\n" if kind == rows[0] else "") + score, fontsize=7, pad=2)
    for panel, kind in zip(axes[:, 0], rows, strict=True):
        panel.set_ylabel(KINDS[kind].label, fontsize=7)
    return figure


def mosaic(pixels: Pixels) -> Pixels:
    """Sixteen images (16, 32, 32) as one of 136x136 pixels, row by row, with a white edge around each."""
    framed = np.pad(pixels, ((0, 0), (1, 1), (1, 1)), constant_values=255)
    return framed.reshape(4, 4, 34, 34).transpose(0, 2, 1, 3).reshape(136, 136)


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    cells = numbers["cells"].values()
    learnt = {
        method: [(kind[method]["classes"] or 0) >= LEARNT for kind in cells if method in kind] for method in METHODS
    }
    others = [found for name, found in learnt.items() if name != "wgan-gp" and found]
    alone = all(learnt["wgan-gp"]) and not any(map(all, others))
    return {
        "some pair of networks learns at all: half of the classes or more": any(map(any, learnt.values())),
        "WGAN-GP learns with every pair of networks, and no other method does": bool(learnt["wgan-gp"]) and alone,
    }
