"""Seven architectures, four ways to train: which pairs of networks a method can do without.

Gulrajani et al. 2017 (arXiv:1704.00028), Figure 2: DCGAN's networks and six that leave its well-trodden path, each
played as DCGAN (the non-saturating game), LSGAN, WGAN with weight clipping and WGAN-GP. The paper shows samples of 64
pixels after long training; here the images are the 32-pixel clothes that come with zerosum, the networks are small
and so is the number of updates, the same for all: what is seen is which pairs learn at all, and how soon.

The kinds: ``baseline`` (DCGAN for both); ``constant`` (a generator without normalisation whose number of filters is
the same at every resolution, DCGAN's critic); ``mlp`` (a generator of four hidden ReLU layers, DCGAN's critic);
``no-norm`` (no normalisation in either); ``gated`` (tanh(a) sigmoid(b) everywhere, of twice the channels); ``tanh``
(everywhere); ``resnet`` (deep bottleneck networks for both: blocks with normalisation on the path only, out =
shortcut + 0.3 path, a fifth of the last layer's output).

The methods: DCGAN Adam, 2e-4, beta1 0.5; LSGAN RMSprop, 1e-4, targets 0 and 1; WGAN RMSprop, 5e-5, clipped at 0.01;
WGAN-GP Adam, 1e-4, betas 0.5 and 0.9, penalty 10. The last two make five critic updates per generator update. These
are the settings of the papers or of WGAN-GP's published code, save one: Algorithm 1 of WGAN-GP has beta1 = 0, and the
0.5 is that of its toy experiments. Normalisation is batch norm, and layer norm in WGAN-GP's critics.

Departures: generators upsample and convolve with 3x3 kernels in place of transposed convolutions, and all weights are
He's rather than N(0, 0.02^2), which is meant for networks many times as wide.

Scored by ``fd_fashion``, the Frechet distance in the features of the shipped classifier (not FID), beside its floor,
what real images score; and by how many of the ten classes are made.
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
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from zerosum.data import Data, load
from zerosum.metrics.evaluate import evaluate
from zerosum.networks import mlp
from zerosum.networks.common import Norm, check_positive, halvings, he_normal
from zerosum.networks.layers import BatchNorm, DownConv, UpConv, halve, upsample
from zerosum.networks.residual import HIDDEN_GAIN, Conv3, conv1, conv3
from zerosum.recipe import UsageError
from zerosum.runs.pictures import to_pixels
from zerosum.theory.lab.base import Found, Lab
from zerosum.theory.lab.convolutional import (
    BOTTOM,
    GATED,
    LATENT,
    METHODS,
    RELU,
    TANH,
    Critic,
    Generator,
    built,
    spread,
    trained,
)
from zerosum.theory.lab.diary import Diary, Pixels, keep, kept
from zerosum.theory.lab.drawing import panels

QUICK = {"steps": 20, "width": 8, "batch": 16, "samples": 200, "mlp_units": 64, "resnet_depth": 14}
DATA = "fashion-mini"
SHOWN = 16  # samples of a sheet
LEARNT = 5  # of the ten classes: a pair that makes so many counts as one that learns
LEAST = 100  # samples that are scored: more than the features have dimensions
PATH_SHARE = 0.3  # of a residual block's path, beside its shortcut


class Bottleneck(nn.Module):
    """ReLU-conv1x1 to half the channels-ReLU-conv3x3-ReLU-conv1x1-norm, times 0.3, plus the shortcut.

    Args:
        inputs: channels.
        outputs: channels.
        norm: channels -> normalisation layer.
        kind: the 3x3 convolution: ``Conv3``, or joined with resampling ``UpConv``, ``DownConv``.
        resample: what the shortcut does to the size: the same.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: Norm,
        kind: Callable[..., nn.Conv2d] = Conv3,
        resample: Callable[[Tensor], Tensor] = nn.Identity(),  # noqa: B008 (stateless)
    ) -> None:
        super().__init__()
        half = max(1, inputs // 2)
        self.path = nn.Sequential(
            *(RELU, conv1(inputs, half, he_normal)),
            *(RELU, conv3(half, half, he_normal, HIDDEN_GAIN, kind=kind)),
            *(RELU, conv1(half, outputs, he_normal), norm(outputs)),
        )
        self.shortcut = nn.Identity() if inputs == outputs else conv1(inputs, outputs, he_normal)
        self.resample = resample

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        out: Tensor = self.resample(self.shortcut(x)) + PATH_SHARE * self.path(x)
        return out


def _blocks(depth: int, widths: Sequence[int], norm: Norm, kind: Any, resample: Any) -> nn.Sequential:
    """Blocks that keep the resolution, spread over all of them, and between these such as change it.

    ``depth`` counts three layers for each block, and two for the ends of the network.
    """
    changes = len(widths) - 1
    blocks, rest = divmod(depth - 2, 3)
    if rest or blocks < changes:
        raise ValueError(
            f"depth={depth}: a bottleneck network has 2 layers and 3 for each of at least {changes} blocks, such as "
            f"{3 * changes + 2}, {3 * changes + 5}, ..., 101"
        )
    layers: list[nn.Module] = []
    for k, further in enumerate(spread(blocks - changes, len(widths))):
        if k:
            layers.append(Bottleneck(widths[k - 1], widths[k], norm, kind, resample))
        layers += [Bottleneck(widths[k], widths[k], norm) for _ in range(further)]
    return nn.Sequential(*layers)


def _residual_widths(width: int, size: int) -> list[int]:
    """Channels at 4x4 pixels, 8x8, ..., ``size``: half of ``width`` at the last."""
    check_positive(width=width)
    stages = halvings(size, smallest=16, largest=64)
    return [max(1, width * 2**k // 2) for k in reversed(range(stages + 1))]


class ResidualGenerator(nn.Module):
    """z -> linear to 4x4 -> bottleneck blocks, some doubling the size -> ReLU-conv3x3 -> tanh of a fifth of it.

    Args:
        width: channels at half the image's size.
        depth: layers with weights, shortcuts aside: 2, and 3 for each block.
        latent: dimension of z.
        size: pixels a side: 16, 32 or 64.
        channels: of the image.
        norm: channels -> normalisation layer.
    """

    def __init__(
        self, width: int, depth: int, *, latent: int = LATENT, size: int = 32, channels: int = 1, norm: Norm = BatchNorm
    ) -> None:
        super().__init__()
        widths = _residual_widths(width, size)
        self.first = nn.Linear(latent, widths[0] * BOTTOM**2)
        he_normal(self.first, 1.0)
        self.blocks = _blocks(depth, widths, norm, UpConv, upsample)
        self.last = conv3(widths[-1], channels, he_normal, HIDDEN_GAIN)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent) -> images (B, channels, size, size) in [-1, 1]."""
        h = self.first(z).reshape(len(z), -1, BOTTOM, BOTTOM)
        return torch.tanh(self.last(F.relu(self.blocks(h))) / 5)


class ResidualCritic(nn.Module):
    """conv3x3 -> bottleneck blocks, some halving the size -> a fifth of a linear layer.

    Args:
        width: channels at half the image's size.
        depth: layers with weights, as a generator's.
        size: pixels a side: 16, 32 or 64.
        channels: of the image.
        norm: channels -> normalisation layer.
    """

    def __init__(self, width: int, depth: int, *, size: int = 32, channels: int = 1, norm: Norm = BatchNorm) -> None:
        super().__init__()
        widths = _residual_widths(width, size)[::-1]
        self.first = conv3(channels, widths[0], he_normal, 1.0)
        self.blocks = _blocks(depth, widths, norm, DownConv, halve)
        self.last = nn.Linear(widths[-1] * BOTTOM**2, 1)
        he_normal(self.last, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> logits (B,)."""
        logits: Tensor = self.last(torch.flatten(self.blocks(self.first(x)), 1)) / 5
        return logits.squeeze(1)


@dataclass(frozen=True)
class Sizes:
    """How large networks are: width of convolutions, units of the MLP's layers, layers of the residual networks."""

    width: int
    mlp_units: int
    resnet_depth: int


@dataclass(frozen=True)
class Kind:
    """A pair of networks.

    Attributes:
        label: for people.
        build: (sizes, normalisation of a critic that has one) -> generator and critic.
    """

    label: str
    build: Callable[[Sizes, Norm], tuple[nn.Module, nn.Module]]


def multilayer(units: int) -> nn.Module:
    """A generator of four hidden ReLU layers."""
    return mlp.Generator(LATENT, (units,) * 4, (1, 32, 32), output=torch.tanh)


KINDS = {
    "baseline": Kind("G and D: DCGAN", lambda s, norm: (Generator(s.width), Critic(s.width, norm=norm))),
    "constant": Kind(
        "G: no norm, constant filters",
        lambda s, norm: (Generator(s.width, norm=nn.Identity, growth=1), Critic(s.width, norm=norm)),
    ),
    "mlp": Kind("G: ReLU MLP", lambda s, norm: (multilayer(s.mlp_units), Critic(s.width, norm=norm))),
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
class Plan:
    """What every cell of the grid has in common."""

    data: Data
    sizes: Sizes
    steps: int
    batch: int
    samples: int
    folder: Path | None

    def settings(self, kind: str, method: str, seed: int) -> dict[str, Any]:
        """All that a cell's result depends on."""
        common = {"steps": self.steps, "batch": self.batch, "samples": self.samples, "seed": seed}
        return {"kind": kind, "method": method, "data": self.data.fingerprint} | common | asdict(self.sizes)


def samples_file(plan: Plan, settings: Mapping[str, Any]) -> Path | None:
    """Where samples of a cell with these settings are kept: other settings, another file."""
    if plan.folder is None:
        return None
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=6).hexdigest()
    return plan.folder / "cells" / f"{settings['kind']}--{settings['method']}-{digest}.npz"


Cell = dict[str, Any]  # the row of the diary, and "pixels": samples uint8 (16, 32, 32), None where training diverged


def cell(plan: Plan, diary: Diary, kind: str, method: str, seed: int) -> Cell:
    """One architecture trained one way, or what an earlier run has kept of it."""
    settings = plan.settings(kind, method, seed)
    path = samples_file(plan, settings)
    row = diary.find(settings)
    if row is not None and (row["diverged"] or (pixels := kept(path, (SHOWN, 32, 32))) is not None):
        return row | {"pixels": None if row["diverged"] else pixels}
    way = METHODS[method]
    # Of the kind alone: all methods start from the same generator.
    nets = built(seed, ("architecture", kind), lambda: KINDS[kind].build(plan.sizes, way.norm))
    images = trained(way, nets, plan.data, seed=seed, steps=plan.steps, batch=plan.batch, count=plan.samples)
    if images is None:
        return diary.add(settings, diverged=True, fd_fashion=None, classes=None) | {"pixels": None}
    shown = to_pixels(images[:SHOWN])[..., 0]
    keep(path, shown)  # before the row, which says that it is there
    return diary.add(settings, diverged=False, **scored(images, plan.data, seed)) | {"pixels": shown}


def scored(images: Tensor, data: Data, seed: int) -> dict[str, Any]:
    """``fd_fashion`` and the number of classes of images (N, 1, 32, 32) in [-1, 1], and the floor."""
    found = evaluate(lambda start, n: images[start : start + n], data, seed=seed, count=len(images))
    return {score.name: score.value for score in found}


def chosen(asked: str, known: Mapping[str, Any], what: str) -> list[str]:
    """Names with commas between; none for all.

    Raises:
        UsageError: one of them is not known.
    """
    names = [name.strip() for name in asked.split(",") if name.strip()] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"--{what}: there is no {', '.join(map(repr, unknown))}. There is: {', '.join(known)}")
    return list(dict.fromkeys(names))


def checked(data: Data, sizes: Sizes, *, steps: int, batch: int, samples: int) -> None:
    """Refuse what cannot be built or scored.

    Raises:
        UsageError: naming the argument.
    """
    try:
        check_positive(steps=steps, **asdict(sizes))
        ResidualGenerator(2, sizes.resnet_depth)
    except ValueError as error:
        raise UsageError(f"architectures: {error}") from error
    most = (data.count or 0) // 2
    if not LEAST <= samples <= most or batch < 2:
        raise UsageError(f"samples={samples}: from {LEAST} to {most:,}; batch={batch}: at least 2, for batch norm")


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
) -> Found:
    """Train every kind of networks in every way. What is finished is kept, and not done again.

    Args:
        lab: its room.
        steps: generator updates of each.
        width: channels at 16 pixels a side; at 8 twice as many, at 4 four times.
        batch: real samples per update.
        samples: scored of each, from 100 to half of the 10,000 real images.
        mlp_units: of each of the MLP generator's four hidden layers; the paper: 512.
        resnet_depth: layers of either residual network: 2, and 3 for each block; the paper: 101.
        methods: names with commas between (dcgan, lsgan, wgan, wgan-gp); "": all.
        kinds: names with commas between (baseline, constant, mlp, no-norm, gated, tanh, resnet); "": all.
    """
    columns, rows = chosen(methods, METHODS, "methods"), chosen(kinds, KINDS, "kinds")
    sizes = Sizes(width, mlp_units, resnet_depth)
    data = load(DATA)
    checked(data, sizes, steps=steps, batch=batch, samples=samples)
    plan = Plan(data, sizes, steps, batch, samples, lab.folder)
    diary = Diary(None if lab.folder is None else lab.folder / "cells.jsonl")
    pairs = [(kind, method) for kind in rows for method in columns]
    turns = lab.track(pairs, f"{len(rows)} architectures, {len(columns)} methods")
    cells = {(k, m): cell(plan, diary, k, m, lab.seed) for k, m in turns}
    keys = ("fd_fashion", "classes", "diverged")
    numbers: dict[str, Any] = {
        "cells": {k: {m: {key: cells[k, m][key] for key in keys} for m in columns} for k in rows},
        "floor": next((c["fd_fashion_floor"] for c in cells.values() if not c["diverged"]), None),
    }
    says = [said(method, {k: cells[k, method] for k in rows}) for method in columns]
    says += [f"real images: {numbers['floor']:.2f}, {samples:,} against as many others"] if numbers["floor"] else []
    return Found(numbers, tuple(says), {"samples": draw(cells, rows, columns)})


def said(method: str, cells: Mapping[str, Cell]) -> str:
    """What one method made of all kinds of networks, in a sentence."""
    alive = {kind: one for kind, one in cells.items() if not one["diverged"]}
    lost = [kind for kind in cells if kind not in alive]
    parts = [f"{kind} {one['fd_fashion']:.2f} ({one['classes']:.0f})" for kind, one in alive.items()]
    parts += [f"diverged: {', '.join(lost)}"] if lost else []
    learnt = sum(one["classes"] >= LEARNT for one in alive.values())
    count = f"{learnt} of {len(cells)} make {LEARNT} classes or more"
    return f"{METHODS[method].label}: {count}; fd_fashion and classes of ten: {', '.join(parts)}"


def draw(cells: Mapping[tuple[str, str], Cell], rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """Samples of every cell: a row for each architecture, a column for each method."""
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
    """Sixteen images (16, 32, 32) as one of 136x136, row by row, a white edge around each."""
    framed = np.pad(pixels, ((0, 0), (1, 1), (1, 1)), constant_values=255)
    return framed.reshape(4, 4, 34, 34).transpose(0, 2, 1, 3).reshape(136, 136)
